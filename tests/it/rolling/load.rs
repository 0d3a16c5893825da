//! Clients that go on calling: reads, decisions and changes over gRPC, and REST over connections that
//! are kept.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milvus_rbac::rpc::proto::access::CheckRequest;
use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::service::milvus_service_client::MilvusServiceClient;
use milvus_rbac::rpc::proto::service::{SearchRequest, SelectRoleRequest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use super::until;
use crate::rpc::requests::create_role;
use crate::support::{LIMIT, Metadata};

/// Connections over gRPC, each with one caller of each kind; and over REST.
const CONNECTIONS: usize = 3;
const REST: usize = 3;
/// Between two calls of a caller.
const PAUSE: Duration = Duration::from_millis(5);

/// What callers saw.
#[derive(Debug, Default, Clone)]
pub(super) struct Told {
    pub(super) reads: usize,
    pub(super) decisions: usize,
    pub(super) searches: usize,
    pub(super) rest: usize,
    pub(super) acknowledged: BTreeSet<String>,
    pub(super) errors: Vec<String>,
    /// Calls that tonic found it could not send, by when their connection was closing. Other clients
    /// take a new one for such by themselves.
    unsent: usize,
    reopened: usize,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads, {} decisions, {} changes, {} searches, {} over REST on {} connections; {} \
             calls were not sent at first; {} errors: {:?}",
            self.reads,
            self.decisions,
            self.acknowledged.len(),
            self.searches,
            self.rest,
            self.reopened,
            self.unsent,
            self.errors.len(),
            self.errors.first()
        )
    }
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    told: Mutex<Told>,
}

impl Shared {
    fn note(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.told.lock().unwrap());
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Calls until told to end.
pub(super) struct Load {
    shared: Arc<Shared>,
    callers: JoinSet<()>,
}

impl Load {
    pub(super) fn start(address: &str) -> Self {
        Self::of(address, false)
    }

    pub(super) fn with_searches(address: &str) -> Self {
        Self::of(address, true)
    }

    fn of(address: &str, searches: bool) -> Self {
        let shared = Arc::<Shared>::default();
        let mut callers = JoinSet::new();
        for number in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint.timeout(LIMIT).connect_lazy();
            callers.spawn(read(channel.clone(), shared.clone()));
            callers.spawn(decide(channel.clone(), shared.clone()));
            callers.spawn(write(channel.clone(), shared.clone(), number));
            if searches {
                for _ in 0..5 {
                    callers.spawn(search(channel.clone(), shared.clone()));
                }
            }
        }
        for _ in 0..REST {
            callers.spawn(rest(address.to_owned(), shared.clone()));
        }
        Self { shared, callers }
    }

    /// Waits until there has been some more of everything, or an error.
    pub(super) async fn goes_on(&self) {
        let count = || self.shared.told.lock().unwrap().clone();
        let before = count();
        let more = || {
            let now = count();
            !now.errors.is_empty()
                || now.reads > before.reads + 20
                    && now.decisions > before.decisions + 20
                    && now.rest > before.rest + 20
                    && now.acknowledged.len() > before.acknowledged.len() + 20
        };
        until("more of everything", more).await;
    }

    /// Lets running calls end.
    pub(super) async fn end(mut self) -> Told {
        self.shared.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        self.shared.told.lock().unwrap().clone()
    }
}

/// Whether the client itself gave the call up before it was on the wire, or was told by GOAWAY that
/// nobody has looked at it (RFC 9113, section 6.8): whoever knows HTTP/2 takes another connection then.
/// tonic leaves that to its callers.
pub(crate) fn was_never_sent(status: &Status) -> bool {
    let source = std::error::Error::source(status).map(|source| format!("{source:?}"));
    let unseen = ["hyper::Error(Canceled", "GoAway(b\"\", NO_ERROR, Remote)"];
    source.is_some_and(|source| unseen.iter().any(|how| source.contains(how)))
}

/// Calls; what was never sent, again.
async fn call<T, F>(shared: &Shared, what: &str, ask: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    tokio::time::sleep(PAUSE).await;
    for _ in 0..5 {
        match ask().await {
            Ok(answer) => return Some(answer.into_inner()),
            Err(e) if was_never_sent(&e) => shared.note(|told| told.unsent += 1),
            Err(e) => {
                shared.note(|told| told.errors.push(format!("{what}: {e:?}")));
                return None;
            }
        }
    }
    shared.note(|told| told.errors.push(format!("{what}: never sent")));
    None
}

fn login() -> Metadata {
    Metadata::login("root", "Milvus")
}

async fn read(channel: Channel, shared: Arc<Shared>) {
    let client = MilvusServiceClient::with_interceptor(channel, login())
        .max_decoding_message_size(usize::MAX);
    while shared.goes_on() {
        let asked = call(&shared, "read", || {
            let mut client = client.clone();
            async move { client.select_role(SelectRoleRequest::default()).await }
        });
        if let Some(answer) = asked.await {
            shared.note(|told| match answer.status.unwrap_or_default().code {
                0 => told.reads += 1,
                code => told.errors.push(format!("read: {code}")),
            });
        }
    }
}

async fn decide(channel: Channel, shared: Arc<Shared>) {
    let client = AccessServiceClient::with_interceptor(channel, login());
    while shared.goes_on() {
        let asked = call(&shared, "decision", || {
            let mut client = client.clone();
            async move { client.check(CheckRequest { questions: Vec::new() }).await }
        });
        if asked.await.is_some() {
            shared.note(|told| told.decisions += 1);
        }
    }
}

async fn search(channel: Channel, shared: Arc<Shared>) {
    let client = MilvusServiceClient::with_interceptor(channel, login());
    while shared.goes_on() {
        let asked = call(&shared, "search", || {
            let mut client = client.clone();
            let collection_name = "c".to_owned();
            let request = SearchRequest { collection_name, ..Default::default() };
            async move { client.search(request).await }
        });
        if asked.await.is_some() {
            shared.note(|told| told.searches += 1);
        }
    }
}

async fn write(channel: Channel, shared: Arc<Shared>, number: usize) {
    let client = MilvusServiceClient::with_interceptor(channel, login());
    let run = getrandom::u32().unwrap();
    for count in 0.. {
        if !shared.goes_on() {
            return;
        }
        let name = format!("r{run}_{number}_{count}");
        let asked = call(&shared, "change", || {
            let (mut client, request) = (client.clone(), create_role(&name));
            async move { client.create_role(request).await }
        });
        if let Some(answer) = asked.await {
            shared.note(|told| match answer.code {
                0 => drop(told.acknowledged.insert(name)),
                _ => told.errors.push(format!("change: {}", answer.reason)),
            });
        }
    }
}

/// Keeps its connection as long as answers allow.
async fn rest(address: String, shared: Arc<Shared>) {
    let mut kept: Option<BufReader<TcpStream>> = None;
    while shared.goes_on() {
        tokio::time::sleep(PAUSE).await;
        let asked = async {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => {
                    shared.note(|told| told.reopened += 1);
                    BufReader::new(TcpStream::connect(&address).await?)
                }
            };
            let keep = post(&mut stream).await?;
            kept = keep.then_some(stream);
            Ok::<_, std::io::Error>(())
        };
        match tokio::time::timeout(LIMIT, asked).await.unwrap() {
            Ok(()) => shared.note(|told| told.rest += 1),
            Err(e) => shared.note(|told| told.errors.push(format!("REST: {e}"))),
        }
    }
}

/// Asks once; whether the connection may be used again.
async fn post(stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    let request = "POST /v2/vectordb/users/list HTTP/1.1\r\nHost: test\r\n\
                   Authorization: Bearer root:Milvus\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await?;
    let (mut length, mut keep, mut line) = (0, true, String::new());
    stream.read_line(&mut line).await?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(std::io::Error::other(format!("it begins with {line:?}")));
    }
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let head = line.to_lowercase();
        keep &= head != "connection: close\r\n";
        if let Some(told) = head.strip_prefix("content-length:") {
            length = told.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    if !body.starts_with(b"{\"code\":0,") {
        return Err(std::io::Error::other(String::from_utf8_lossy(&body).into_owned()));
    }
    Ok(keep)
}
