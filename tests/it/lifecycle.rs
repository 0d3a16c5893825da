//! Starting, stopping, ports, and what goes wrong around them: `loading` what is told before there is
//! anything to serve, `drain` the time in which others take over, `age` connections that are not kept
//! for ever.

mod age;
mod drain;
pub(crate) mod loading;
mod probes;

use std::io::{Read, Write};
use std::process::{Output, Stdio};
use std::time::Duration;

use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Metadata, Server, command, http_get, signal, sled_url, wait};

/// Runs a server that ends by itself.
fn ended(command: &mut std::process::Command) -> Output {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let status = wait(&mut child);
    let mut stderr = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status, stdout: Vec::new(), stderr }
}

pub(crate) fn fails(command: &mut std::process::Command, code: i32, text: &str) {
    let output = ended(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(text), "{stderr}");
}

#[tokio::test]
async fn a_folder_serves_one_process() {
    let folder = TempDir::new().unwrap();
    let server = Server::on_sled(folder.path());
    fails(&mut command(&sled_url(folder.path())), 1, "another process holds");
    assert_eq!(server.stop().code(), Some(0));
    Server::on_sled(folder.path()).stop();
}

#[test]
fn bad_usage_is_told_and_ends_with_2() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let short = file("short", "12345\n");
    let groups = file("groups", "NoSuchGroup: [Search]\n");
    let not_yaml = file("yaml", "ClusterAdmin: Search: x\n");
    let no_login = format!("file:{short}");
    let cases: &[(&[&str], &str)] = &[
        (&["--nonsense"], "--nonsense"),
        (&["--max-users", "many"], "--max-users"),
        (&["--authorization", "maybe"], "--authorization"),
        (&["--bcrypt-cost", "31"], "--bcrypt-cost"),
        (&["--log-level", "a=b=c"], "--log-level"),
        (&["--log-level", "nonsense"], "--log-level"),
        (&["--listen", "19530"], "HOST:PORT"),
        (&["--listen", "127.0.0.1:99999"], "HOST:PORT"),
        (&["--admin-listen", "OFF"], "HOST:PORT"),
        (&["--root-password-file", &short], "invalid password length"),
        (&["--root-password-file", "/nowhere"], "/nowhere"),
        (&["--builtin-groups-file", &groups], "NoSuchGroup"),
        (&["--builtin-groups-file", &not_yaml], "--builtin-groups-file"),
        (&["--upstream", "127.0.0.1:19530"], "is not http://HOST:PORT"),
        (&["--upstream", "http://127.0.0.1"], "is not http://HOST:PORT"),
        (&["--upstream", "http://u:p@127.0.0.1:1"], "is not http://HOST:PORT"),
        (&["--upstream", "http://127.0.0.1:1/path"], "is not http://HOST:PORT"),
        (&["--upstream", "http://127.0.0.1:1", "--upstream-auth", "x"], "--upstream-auth: `x`"),
        (&["--upstream", "http://127.0.0.1:1", "--upstream-auth", "file:/nowhere"], "/nowhere"),
        (&["--upstream", "http://127.0.0.1:1", "--upstream-auth", &no_login], "user:password"),
        (&["--upstream-rest", "http://127.0.0.1:1"], "--upstream-rest needs --upstream"),
        (&["--audit-only"], "--audit-only needs --upstream"),
        (&["--upstream-auth", "passthrough"], "--upstream-auth needs --upstream"),
    ];
    for (flags, text) in cases {
        fails(command("memory:").args(*flags), 2, text);
    }
    for store in ["follows://x", "follow://x", "sled:", "x"] {
        fails(&mut command(store), 2, "--store");
    }
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_store_behind() {
    let folder = TempDir::new().unwrap();
    let (store, password) = (folder.path().join("store"), folder.path().join("password"));
    std::fs::write(&password, "correct horse").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fails(
        command(&sled_url(&store)).args(["--listen", &taken, "--log-level", "off"]),
        1,
        "--listen gives another address",
    );
    assert!(!store.exists());
    let mut start = command(&sled_url(&store));
    let server = Server::run(start.arg("--root-password-file").arg(&password));
    let mut root = server.client("root", "correct horse").await;
    root.list_cred_users(ListCredUsersRequest::default()).await.unwrap();
}

#[tokio::test]
async fn environment_and_file_configure_the_server() {
    let folder = TempDir::new().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "correct horse\n").unwrap();
    let server = Server::run(
        command("memory:").env("MILVUS_RBAC_ROOT_PASSWORD_FILE", &password).arg("serve"),
    );
    let mut root = server.client("root", "correct horse").await;
    root.list_cred_users(ListCredUsersRequest::default()).await.unwrap();
    let refused = server.root().await.list_cred_users(ListCredUsersRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn health_needs_no_credentials_and_the_admin_port_tells_the_same() {
    let server = Server::start(&["--authorization", "off"]);
    let mut health = HealthClient::new(server.endpoint().connect().await.unwrap());
    for service in ["", "milvus.proto.milvus.MilvusService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status;
        assert_eq!(status, i32::from(ServingStatus::Serving));
    }
    let admin = |path: &str| http_get(&format!("http://{}{path}", server.admin));
    assert_eq!(admin("/livez"), (200, "ok\n".to_owned()));
    let (code, body) = admin("/readyz");
    assert_eq!((code, body.contains("authorization is off")), (200, true), "{body}");
    let mut client = server.connect(Metadata::default()).await;
    client.create_role(CreateRoleRequest::default()).await.unwrap();
    let (_, metrics) = admin("/metrics");
    for line in [
        "milvus_rbac_requests_total{method=\"CreateRole\",code=\"0\"} 1",
        "milvus_rbac_authorization 0",
        "milvus_rbac_revision 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert_eq!(http_get(&format!("http://{}/v1/x", server.address)).0, 404);
    assert_eq!(admin("/nothing").0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_calls_finish_and_keeps_what_they_changed() {
    let folder = TempDir::new().unwrap();
    // Creating a user takes some 250 ms at this cost: time to be told to stop.
    let server = Server::run(command(&sled_url(folder.path())).args(["--bcrypt-cost", "12"]));
    let mut root = server.root().await;
    let running = tokio::spawn(async move {
        let (username, password) = ("u1".to_owned(), crate::support::encoded("password"));
        let request = CreateCredentialRequest { username, password, ..Default::default() };
        root.create_credential(request).await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    signal(server.pid(), "TERM");
    assert_eq!(running.await.unwrap().unwrap().into_inner().code, 0);
    assert_eq!(server.stop().code(), Some(0));

    let server = Server::on_sled(folder.path());
    let users = server.root().await.list_cred_users(ListCredUsersRequest::default()).await;
    assert_eq!(users.unwrap().into_inner().usernames, ["root", "u1"]);
}

// The client must answer while the server says goodbye.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_from_public_stays_revoked_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let server = Server::on_sled(folder.path());
    let entity = |privilege: &str| GrantEntity {
        role: Some(RoleEntity { name: "public".to_owned(), ..Default::default() }),
        object: Some(ObjectEntity { name: "Global".to_owned() }),
        object_name: "*".to_owned(),
        db_name: "*".to_owned(),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(PrivilegeEntity { name: privilege.to_owned() }),
        }),
    };
    let request = OperatePrivilegeRequest {
        entity: Some(entity("DescribeCollection")),
        r#type: OperatePrivilegeType::Revoke.into(),
        ..Default::default()
    };
    let status = server.root().await.operate_privilege(request).await.unwrap().into_inner();
    assert_eq!(status.code, 0, "{status:?}");
    server.stop();
    let server = Server::on_sled(folder.path());
    let request = SelectGrantRequest {
        entity: Some(GrantEntity { object: None, object_name: String::new(), ..entity("") }),
        ..Default::default()
    };
    let grants = server.root().await.select_grant(request).await.unwrap().into_inner().entities;
    assert_eq!(grants.len(), 2, "{grants:?}");
}

#[test]
fn a_connection_that_says_nothing_is_let_go() {
    let server = Server::start(&[]);
    let limit = Some(Duration::from_secs(45));
    let connections = [&b""[..], b"PRI * HT"].map(|said| {
        let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
        stream.write_all(said).unwrap();
        stream.set_read_timeout(limit).unwrap();
        stream
    });
    for mut stream in connections {
        // Closed or reset, but not still open after that time.
        if let Err(e) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_watcher_is_told_of_the_end_and_does_not_delay_it() {
    let server = Server::start(&[]);
    let mut health = HealthClient::new(server.endpoint().connect().await.unwrap());
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let status = watch.message().await.unwrap().unwrap().status;
    assert_eq!(status, i32::from(ServingStatus::Serving));
    let started = std::time::Instant::now();
    signal(server.pid(), "TERM");
    let status = watch.message().await.unwrap().unwrap().status;
    assert_eq!(status, i32::from(ServingStatus::NotServing));
    drop((watch, health));
    assert_eq!(server.stop().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

// Such are the spare connections of balancers.
#[test]
fn a_connection_that_says_nothing_does_not_delay_the_end() {
    let server = Server::start(&[]);
    let connections = [&b""[..], b"PRI * HT"].map(|said| {
        let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
        stream.write_all(said).unwrap();
        stream
    });
    std::thread::sleep(Duration::from_millis(200));
    let started = std::time::Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(connections);
}
