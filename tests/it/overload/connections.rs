//! Connections: as many as there are places, and more.

use std::time::Duration;

use milvus_rbac::rpc::proto::service::GetVersionRequest;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{MIB, alive, most_memory, scale};
use crate::rpc::calls::Call as _;
use crate::support::{LIMIT, Metadata, Server};

/// The server's places; fewer where the machine allows fewer open files.
fn places() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(256)).unwrap().min(10_000)
}

/// A client's connection preface and its settings: HTTP/2, and then nothing.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn flood(server: &Server, number: usize) -> Vec<TcpStream> {
    let mut connections = Vec::with_capacity(number);
    for i in 0..number {
        let connect = tokio::time::timeout(LIMIT, TcpStream::connect(&server.address));
        let mut stream = connect.await.unwrap().unwrap();
        match i % 3 {
            0 => {}
            1 => stream.write_all(HELLO).await.unwrap(),
            _ => stream.write_all(b"POST /v2/vectordb/roles/list HTTP/1.1\r\nx: ").await.unwrap(),
        }
        connections.push(stream);
    }
    connections
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_keep_others_out() {
    let server = Server::start(&[]);
    let root = server.root().await;
    let places = places();
    let mut held = Vec::new();
    let most = most_memory(&server, async {
        for _ in 0..=scale() {
            held.extend(flood(&server, places / 2).await);
            // Who calls now and then keeps the place.
            GetVersionRequest::default().send(&root).await.unwrap();
        }
        // All places are taken.
        for _ in 0..3 {
            alive(&server).await;
            GetVersionRequest::default().send(&root).await.unwrap();
        }
    })
    .await;
    assert!(most < 512 * MIB, "{} MiB for {places} connections", most / MIB);
    drop(held);
    alive(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_without_a_login_are_limited() {
    let server = Server::start(&["--max-roles", "0"]);
    let root = server.root().await;
    let mut waiting = tokio::task::JoinSet::new();
    let (mut refused, mut connections) = (0, Vec::new());
    let most = most_memory(&server, async {
        for _ in 0..20 {
            // The login is wrong, but that nobody knows before the revision is there.
            let metadata =
                Metadata::login("nobody", "x").with("milvus-rbac-min-revision", "999999999");
            let client = server.connect(metadata).await;
            for _ in 0..200 {
                let client = client.clone();
                waiting.spawn(async move { GetVersionRequest::default().send(&client).await });
            }
        }
        while refused < 20 * 200 - 1024 {
            let answer = tokio::time::timeout(Duration::from_secs(5), waiting.join_next()).await;
            let refusal = answer.unwrap().unwrap().unwrap().unwrap_err();
            assert_eq!(refusal.code(), tonic::Code::ResourceExhausted, "{refusal:?}");
            refused += 1;
        }
        // And those who watch the health, who have no login at all.
        let mut streams = 0;
        'all: for _ in 0..80 {
            let mut health = HealthClient::new(server.endpoint().connect().await.unwrap());
            for _ in 0..200 {
                match health.watch(HealthCheckRequest::default()).await {
                    Ok(stream) => connections.push(stream),
                    Err(e) => {
                        assert_eq!(e.code(), tonic::Code::ResourceExhausted, "{e:?}");
                        break 'all;
                    }
                }
                streams += 1;
            }
        }
        assert!(streams <= 10_000, "{streams} streams watch");
        GetVersionRequest::default().send(&root).await.unwrap();
    })
    .await;
    assert!(most < 512 * MIB, "{} MiB", most / MIB);
    waiting.abort_all();
    drop((waiting, connections));
    for _ in 0..100 {
        if HealthClient::new(server.endpoint().connect().await.unwrap())
            .check(HealthCheckRequest::default())
            .await
            .is_ok()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    alive(&server).await;
}
