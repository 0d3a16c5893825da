//! `--upstream`: what is allowed goes on to a Milvus untouched, what is not never gets there.

mod aliases;
mod audit;
mod bytes;
mod classes;
mod database;
mod down;
pub(crate) mod fate;
mod fields;
mod flow;
mod followed;
mod listings;
mod memory;
mod metadata;
mod names;
pub(crate) mod upstream;
mod walk;

use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::OperatePrivilegeType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use self::upstream::Upstream;
use crate::rpc::calls::{Answer, Call};
use crate::rpc::raw::{Raw, RawAnswer, SERVICE, frame};
use crate::rpc::requests::{PASSWORD, bind, create_role, create_user, grant_v2, revoke};
use crate::support::{Client, LIMIT, Server};

/// A privilege, the database and the collection.
type Grant<'a> = (&'a str, &'a str, &'a str);

/// The server, the Milvus behind it, and `root` who is logged in to the server.
struct Sidecar {
    server: Server,
    upstream: Upstream,
    root: Client,
}

impl Sidecar {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(flags: &[&str]) -> Self {
        let upstream = Upstream::start().await;
        let server = start(&upstream.url(), flags);
        Self::of(server, upstream).await
    }

    async fn of(server: Server, upstream: Upstream) -> Self {
        let root = server.root().await;
        Self { server, upstream, root }
    }

    /// `root` succeeds.
    async fn does(&self, request: impl Call) {
        done(&self.root, request).await;
    }

    /// A new user who holds those grants and no others, logged in.
    async fn user(&self, name: &str, grants: &[Grant<'_>]) -> Raw {
        self.does(create_user(name, PASSWORD)).await;
        self.does(create_role(name)).await;
        self.does(bind(name, name)).await;
        for grant in grants {
            self.grant(name, *grant).await;
        }
        self.raw(name).await
    }

    async fn raw(&self, user: &str) -> Raw {
        Raw::user(&self.server, user, PASSWORD).await
    }

    async fn grant(&self, role: &str, (privilege, database, collection): Grant<'_>) {
        self.does(grant_v2(role, privilege, (database, collection))).await;
    }

    async fn revoke(&self, role: &str, (privilege, database, collection): Grant<'_>) {
        let mut request = grant_v2(role, privilege, (database, collection));
        request.r#type = OperatePrivilegeType::Revoke.into();
        self.does(request).await;
    }

    /// Takes from `public` what it is given at first.
    async fn close_public(&self) {
        self.does(revoke("public", ("Global", "*"), "DescribeCollection", "*")).await;
        self.does(revoke("public", ("Global", "*"), "ListAliases", "*")).await;
        self.does(revoke("public", ("Collection", "*"), "IndexDetail", "*")).await;
    }

    /// The call reaches the upstream, once.
    async fn allows(&self, caller: &Raw, method: &str, message: &[u8]) {
        let answer = caller.unary(&path(method), frame(message)).await;
        assert_eq!(answer.code, Code::Ok, "{method} {message:02x?}: {}", answer.text);
        let call = self.upstream.call();
        assert_eq!(call.path.rsplit('/').next(), Some(method), "{call:?}");
    }

    /// The caller may not, and the upstream does not hear of it.
    async fn denies(&self, caller: &Raw, method: &str, message: &[u8]) -> String {
        self.refuses(caller, method, frame(message), Code::PermissionDenied).await.text
    }

    /// The call is refused, and the upstream does not hear of it.
    async fn refuses(
        &self,
        caller: &Raw,
        method: &str,
        body: ::bytes::Bytes,
        code: Code,
    ) -> RawAnswer {
        let row = format!("{method} {:02x?}", body.get(..body.len().min(64)));
        let answer = caller.unary(&path(method), body).await;
        assert_eq!(answer.code, code, "{row}: {}", answer.text);
        let calls = self.upstream.calls();
        assert!(calls.is_empty(), "{row}: {calls:?}");
        answer
    }
}

/// A server with that upstream.
fn start(upstream: &str, flags: &[&str]) -> Server {
    let fixed = ["--upstream", upstream, "--max-users", "0", "--max-roles", "0"];
    Server::start(&[&fixed[..], flags].concat())
}

async fn done(client: &Client, request: impl Call) {
    let row = format!("{request:?}");
    let mut answer = request.send(client).await.unwrap_or_else(|e| panic!("{row}: {e}"));
    let status = answer.get_mut().take_status();
    assert_eq!((status.code, &*status.reason), (0, ""), "{row}");
}

fn path(method: &str) -> String {
    format!("{SERVICE}{method}")
}

/// What the admin port answers: status and text.
async fn admin(server: &Server, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&server.admin).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Waits until it is so, for a bounded time; returns how long that took.
async fn until(what: &str, so: impl AsyncFn() -> bool) -> Duration {
    let started = Instant::now();
    while !so().await {
        assert!(started.elapsed() < LIMIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}
