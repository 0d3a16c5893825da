//! `--max-connection-age`: clients come back by other connections, and notice nothing else.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use milvus_rbac::rpc::proto::service::*;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::follow::{FLAGS, following, login_file, metric};
use crate::rolling::load::was_never_sent;
use crate::rpc::raw::{SERVICE, frame};
use crate::rpc::requests::create_role;
use crate::support::{LIMIT, Server, command, http_get, revision};

/// A second, and a tenth of it less.
const YOUNGEST: Duration = Duration::from_millis(900);

fn server() -> Server {
    Server::start(&["--max-connection-age", "1", "--max-roles", "0"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_is_finished_on_the_old_connection() {
    let server = server();
    let stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let began = Instant::now();
    let request = http::Request::post(format!("http://test{SERVICE}GetVersion"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", STANDARD.encode("root:Milvus"))
        .body(())
        .unwrap();
    let (answer, mut body) = sender.send_request(request, false).unwrap();
    let message = frame(&[]);
    body.send_data(message.slice(..2), false).unwrap();
    // Told to go, a client begins nothing any more.
    let told = async {
        while std::future::poll_fn(|context| sender.poll_ready(context)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, told).await.unwrap();
    assert!(began.elapsed() >= YOUNGEST, "{:?}", began.elapsed());
    body.send_data(message.slice(2..), true).unwrap();
    let answer = tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap();
    let mut body = answer.into_body();
    let mut all = Vec::<Bytes>::new();
    while let Some(data) = body.data().await {
        all.push(data.unwrap());
    }
    assert!(!all.concat().is_empty());
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    tokio::time::timeout(LIMIT, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_never_ends_ends_and_its_client_calls_on() {
    let server = server();
    let mut client = HealthClient::new(server.endpoint().connect().await.unwrap());
    for _ in 0..3 {
        let began = Instant::now();
        let asked = loop {
            match client.watch(HealthCheckRequest::default()).await {
                Err(e) if was_never_sent(&e) => {}
                asked => break asked,
            }
        };
        let mut told = asked.unwrap().into_inner();
        assert!(told.message().await.unwrap().is_some());
        let end = tokio::time::timeout(LIMIT, told.message()).await.unwrap();
        assert_eq!(end.unwrap(), None, "after {:?}", began.elapsed());
    }
}

#[test]
fn an_old_connection_of_http_1_is_told_by_an_answer() {
    let server = server();
    let mut stream = BufReader::new(TcpStream::connect(&server.address).unwrap());
    stream.get_ref().set_read_timeout(Some(LIMIT)).unwrap();
    let began = Instant::now();
    let body = "{}";
    loop {
        assert!(began.elapsed() < LIMIT, "it is never told");
        let request = format!(
            "POST /v2/vectordb/roles/list HTTP/1.1\r\nHost: test\r\n\
             Authorization: Bearer root:Milvus\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut length, mut close, mut line) = (0, false, String::new());
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
            let head = line.to_lowercase();
            close |= head == "connection: close\r\n";
            if let Some(told) = head.strip_prefix("content-length:") {
                length = told.trim().parse().unwrap();
            }
        }
        stream.read_exact(&mut vec![0; length]).unwrap();
        if close {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() >= YOUNGEST, "{:?}", began.elapsed());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Over several connections to its centre a follower misses nothing, and refuses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn followers_come_back_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let center = Server::run(command("memory:").args(FLAGS).args(["--max-connection-age", "1"]));
    let login = login_file(folder.path(), "root:Milvus");
    let mut start = following(&center.address, &login);
    let follower = Server::run(start.args(["--max-staleness", "2"]));
    let ready = format!("http://{}/readyz", follower.admin);
    let streams = "milvus_rbac_requests_total{method=\"WatchChanges\",code=\"14\"}";
    let began = Instant::now();
    let mut made = 0;
    let mut there = follower.root().await;
    while metric(&center, streams) < 3.0 {
        assert!(began.elapsed() < LIMIT, "its stream goes on");
        let name = format!("r{made}");
        let reached = revision(&center.root().await.create_role(create_role(&name)).await.unwrap());
        made += 1;
        let mut asked = tonic::Request::new(SelectRoleRequest::default());
        asked.metadata_mut().insert("milvus-rbac-min-revision", reached.into());
        let listed = there.select_role(asked).await.unwrap().into_inner().results;
        assert_eq!(listed.len(), made + 2);
        assert_eq!(http_get(&ready), (200, "ok\n".to_owned()));
    }
    assert!(began.elapsed() >= 3 * YOUNGEST, "{:?}", began.elapsed());
}
