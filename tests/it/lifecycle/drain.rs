//! `--drain-wait`: others take over before anything ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::watch_changes_request::Request as Asked;
use milvus_rbac::rpc::proto::access::{Start, WatchChangesRequest};
use milvus_rbac::rpc::proto::service::*;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::loading::health;
use crate::rest::post;
use crate::support::{LIMIT, Metadata, Server, http_get, signal};

fn readiness(server: &Server) -> (u16, String) {
    http_get(&format!("http://{}/readyz", server.admin))
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < give_up, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const STOPPING: (u16, &str) = (503, "stopping\n");

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_served_while_others_take_over_and_then_ends_in_order() {
    let server = Server::start(&["--drain-wait", "300"]);
    let mut root = server.root().await;
    let endpoint = server.endpoint();
    let mut watched = HealthClient::new(endpoint.connect().await.unwrap());
    let mut told = watched.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut next = async || {
        let next = tokio::time::timeout(LIMIT, told.message()).await;
        next.unwrap().unwrap().map(|told| told.status())
    };
    assert_eq!(next().await, Some(ServingStatus::Serving));
    let login = Metadata::login("root", "Milvus");
    let mut access =
        AccessServiceClient::with_interceptor(endpoint.connect().await.unwrap(), login);
    let start = WatchChangesRequest { request: Some(Asked::Start(Start::default())) };
    let asked = tokio_stream::StreamExt::chain(
        tokio_stream::iter([start]),
        tokio_stream::pending::<WatchChangesRequest>(),
    );
    let mut changes = access.watch_changes(asked).await.unwrap().into_inner();
    assert!(changes.message().await.unwrap().is_some());
    let answer = post(&server, "/roles/list", "{}");
    assert_eq!(answer.status, 200);

    signal(server.pid(), "TERM");
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    let (code, text) = readiness(&server);
    assert_eq!((code, &*text), STOPPING);
    for address in [&server.admin, &server.address] {
        assert_eq!(health(address, "").await, Ok(ServingStatus::NotServing));
        assert_eq!(health(address, "liveness").await, Ok(ServingStatus::Serving));
    }
    // On old connections and on new ones.
    for root in [&mut root, &mut server.root().await] {
        root.list_cred_users(ListCredUsersRequest::default()).await.unwrap();
    }
    // Whose client would keep its connection is told not to.
    let mut kept = TcpStream::connect(&server.address).unwrap();
    kept.set_read_timeout(Some(LIMIT)).unwrap();
    kept.write_all(&list_roles("{}")).unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close\r\n"), "{answer}");

    // A request that is under way, as far as it has come.
    let request = list_roles("{\"dbName\":\"default\"}");
    let (now, later) = request.split_at(request.len() - 5);
    let mut running = TcpStream::connect(&server.address).unwrap();
    running.set_read_timeout(Some(LIMIT)).unwrap();
    running.write_all(now).unwrap();
    // Accepted in turn, so the one before is too.
    assert_eq!(health(&server.address, "liveness").await, Ok(ServingStatus::Serving));

    signal(server.pid(), "TERM");
    until("nobody is let in", || TcpStream::connect(&server.address).is_err());
    let (code, text) = readiness(&server);
    assert_eq!((code, &*text), STOPPING);
    // What never ends is ended, not cut.
    assert_eq!(next().await, None);
    let ended = loop {
        match changes.message().await {
            Ok(more) => assert!(more.is_some(), "it ended as if all were well"),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    assert_eq!(ended.message(), "the connection is to end, open another one");
    running.write_all(later).unwrap();
    let mut answer = String::new();
    running.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'), "{answer}");
    drop((root, watched, access));
    assert_eq!(server.stop().code(), Some(0));
}

fn list_roles(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /v2/vectordb/roles/list HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer root:Milvus\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn the_wait_is_as_long_as_asked_for_and_no_person_waits() {
    let server = Server::start(&["--drain-wait", "1"]);
    let began = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

    let server = Server::start(&["--drain-wait", "300"]);
    signal(server.pid(), "INT");
    until("nobody is let in", || TcpStream::connect(&server.address).is_err());
    assert_eq!(server.stop().code(), Some(0));

    let server = Server::start(&["--drain-wait", "300"]);
    signal(server.pid(), "TERM");
    until("it is told", || readiness(&server).0 == 503);
    signal(server.pid(), "INT");
    until("nobody is let in", || TcpStream::connect(&server.address).is_err());
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn nobody_waits_for_ever() {
    for flag in ["--drain-wait", "--max-connection-age"] {
        for value in ["-1", "x", "1000000"] {
            let mut start = crate::support::command("memory:");
            super::fails(start.arg(format!("{flag}={value}")), 2, flag);
        }
    }
}
