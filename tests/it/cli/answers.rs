//! `check`, `explain`, `who-can` and `what-can`.

use std::path::Path;
use std::process::Command;

use axum::extract::Request;
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::{Said, as_root, as_user};
use crate::rpc::calls::{Answer as _, Call};
use crate::rpc::requests::{
    PASSWORD, add_members, bind, create_group, create_role, create_user, grant, grant_v2,
};
use crate::support::Server;

const BINARY: &str = env!("CARGO_BIN_EXE_milvus-rbac");

/// A server with a user `u`, who holds `r`, which may search `docs`.
async fn server() -> Server {
    let server = Server::start(&[]);
    let root = server.root().await;
    async fn done(client: &crate::support::Client, request: impl Call) {
        let mut answer = request.send(client).await.unwrap();
        assert_eq!(answer.get_mut().take_status().reason, "");
    }
    done(&root, create_user("u", PASSWORD)).await;
    done(&root, create_user("new", PASSWORD)).await;
    done(&root, create_role("r")).await;
    done(&root, bind("u", "r")).await;
    done(&root, create_group("readers")).await;
    done(&root, add_members("readers", &["Search", "Query"])).await;
    done(&root, grant_v2("r", "readers", ("default", "docs"))).await;
    done(&root, grant("r", ("Global", "*"), "CreateDatabase", "*")).await;
    server
}

/// What stands before a server and knows Milvus' own service alone. Ends with the test's runtime.
async fn milvus_alone(server: &Server) -> String {
    let channel = server.endpoint().connect().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = tower::service_fn(move |request: Request| {
        let channel = channel.clone();
        async move {
            if !request.uri().path().starts_with("/milvus.proto.milvus.MilvusService/") {
                let status = tonic::Status::unimplemented("unknown service");
                return Ok(status.into_http());
            }
            let answer = channel.oneshot(request.map(tonic::body::Body::new)).await.unwrap();
            Ok::<Response, std::convert::Infallible>(answer.map(axum::body::Body::new))
        }
    });
    let app = axum::Router::new().fallback_service(app);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

fn at(uri: &str, args: &[&str]) -> Said {
    let mut command = Command::new(BINARY);
    command.args(args).env("MILVUS_URI", uri).env("MILVUS_TOKEN", "root:Milvus");
    super::said(command.output().unwrap())
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {} {}", said.out, said.err))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_answers_by_its_exit_code() {
    let server = server().await;
    let ask = |args: &str| as_root(&server, &args.split(' ').collect::<Vec<_>>());
    let said = ask("check --user u --privilege Search --collection docs");
    assert_eq!((said.code, &*said.out, &*said.err), (0, "allowed\n", ""));
    let said = ask("check --user u --rpc Insert --collection docs");
    assert_eq!((said.code, &*said.out, &*said.err), (3, "denied\n", ""));
    let said = ask("check --role r --privilege Search --collection docs --db db1 --json");
    assert_eq!((said.code, json(&said)["allowed"].as_bool()), (3, Some(false)));
    // Of oneself without rights.
    let own = ["check", "--rpc", "Search", "--collection", "docs"];
    assert_eq!(as_user(&server, "u:secret", &own).code, 0);
    assert_eq!(as_user(&server, "new:secret", &own).code, 3);

    let said = ask("check --user nobody --privilege Search");
    let text = "error: questions[0].user: there is no user `nobody`\n";
    assert_eq!((said.code, &*said.out, &*said.err), (1, "", text));
    let said = as_user(&server, "u:secret", &["check", "--user", "new", "--rpc", "Search"]);
    let text = "error: PrivilegeSelectOwnership: permission deny to u in the `*` database\n";
    assert_eq!((said.code, &*said.err), (1, text));
    for bad in [
        "check --user u",
        "check --user u --role r --privilege Search",
        "check --privilege Search --rpc Search",
    ] {
        assert_eq!(ask(bad).code, 2, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_explanation_advises_helps() {
    let server = server().await;
    let ask = |args: &str| as_root(&server, &args.split(' ').collect::<Vec<_>>());
    let said = ask("explain --user u --privilege Search --collection docs");
    let expected = "\
allowed to u: PrivilegeSearch on collection docs in database default
  role r holds readers on Global docs in database default (a group)
  looked at the roles r, public
";
    assert_eq!((said.code, &*said.out, &*said.err), (0, expected, ""));
    let said = ask("explain --user u --rpc Insert --collection docs");
    let expected = "\
denied: u needs PrivilegeInsert on collection docs in database default
  looked at the roles r, public
  near: role r holds readers on Global docs in database default: what it permits there is something else
";
    assert!(said.out.starts_with(expected), "{}", said.out);
    // The commands are there to be copied.
    let commands: Vec<_> =
        said.out.lines().filter(|line| line.trim().starts_with("milvus-rbac ")).collect();
    assert_eq!(commands.len(), 2, "{}", said.out);
    assert_eq!(ask("check --user u --rpc Insert --collection docs").code, 3);
    let folder = Path::new(BINARY).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", commands[0].trim()]).env("PATH", path);
    shell.env("MILVUS_URI", format!("http://{}", server.address));
    let done = super::said(shell.env("MILVUS_TOKEN", "root:Milvus").output().unwrap());
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
    assert_eq!(ask("check --user u --rpc Insert --collection docs").code, 0);

    let said = ask("explain --user new --rpc CreateRole");
    assert!(said.out.contains("create a role NEW_ROLE, give it to new, and\ngrant it with:\n"));
    let line = "client.grant_privilege_v2(role_name=\"NEW_ROLE\", privilege=\"CreateOwnership\", \
                collection_name=\"*\", db_name=\"*\")";
    assert!(said.out.contains(line), "{}", said.out);
    let said = ask("explain --user new --rpc Dummy");
    let text = "denied: new needs to be root or to hold the role admin\n";
    assert!(said.out.starts_with(text), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milvus_is_answered_for_by_the_same_rules() {
    let server = server().await;
    let uri = milvus_alone(&server).await;
    for args in [
        "check --user u --privilege Search --collection docs --json",
        "check --role r --privilege Insert --collection docs --json",
        "check --rpc Connect",
        "explain --user u --rpc Query --collection docs",
        "explain --user new --rpc CreateDatabase --json",
        "explain --role r --rpc Insert --db db1 --collection docs",
        "who-can --privilege Query --collection docs",
        "who-can --rpc SelectUser --about-user u --json",
        "what-can --user u",
        "what-can --role r --json",
        "what-can",
    ] {
        let args: Vec<_> = args.split(' ').collect();
        let (own, other) = (as_root(&server, &args), at(&uri, &args));
        assert_eq!((own.code, &*own.out), (other.code, &*other.out), "{args:?}: {}", other.err);
        assert!(!own.out.is_empty() && own.err.is_empty(), "{args:?}: {}", own.err);
        assert!(other.err.contains("by milvus-rbac's rules"), "{args:?}: {}", other.err);
    }
    let said = at(&uri, &["explain", "--user", "nobody", "--privilege", "Search"]);
    assert_eq!((said.code, &*said.out), (1, ""));
    assert!(said.err.ends_with("error: user: there is no user `nobody`\n"), "{}", said.err);
    let said = at(&uri, &["check", "--privilege", "ReadOnly"]);
    assert!(said.code == 1 && said.err.contains("`ReadOnly` is no privilege"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_tell_each_with_how() {
    let server = server().await;
    let said = as_root(&server, &["who-can", "--privilege", "Search", "--collection", "docs"]);
    let expected = "\
role admin: role admin may do everything
role r: role r holds readers on Global docs in database default (a group)
user root: root may do everything
user u: role r holds readers on Global docs in database default (a group)
";
    assert_eq!((said.code, &*said.out, &*said.err), (0, expected, ""));
    let said = as_user(&server, "u:secret", &["what-can"]);
    let expected = "\
role r holds CreateDatabase on Global * in every database
  *.*: CreateDatabase
role r holds readers on Global docs in database default (a group)
  default.docs: Search, Query
role public holds";
    assert!(said.out.starts_with(expected), "{}", said.out);
    let said = as_root(&server, &["what-can", "--json"]);
    let lines: Vec<Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["path"]["reason"], "ROOT");
}
