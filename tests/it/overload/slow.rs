//! Those who take their time: answers that nobody takes, requests that come byte by byte, giants.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use prost::Message;
use tokio::net::TcpStream;

use super::{MIB, alive, most_memory, scale};
use crate::rpc::calls::{Answer, Call as _};
use crate::rpc::raw::{SERVICE, frame};
use crate::rpc::requests::{
    PASSWORD, bind, create_role, create_user, entity, grants_of, restore, role,
};
use crate::support::{LIMIT, Server, encoded};
use milvus_rbac::rpc::proto::service::RbacMeta;

/// A connection whose owner takes nothing but what windows of that size take.
async fn connect(server: &Server, window: u32) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let mut builder = Builder::new();
    builder.initial_window_size(window).initial_max_send_streams(256);
    let (send, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    send
}

type Begun = (h2::client::ResponseFuture, SendStream<Bytes>);

async fn begin(connection: &SendRequest<Bytes>, method: &str, user: &str, password: &str) -> Begun {
    let request = Request::post(format!("http://x{SERVICE}{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", encoded(&format!("{user}:{password}")))
        .body(())
        .unwrap();
    connection.clone().ready().await.unwrap().send_request(request, false).unwrap()
}

/// Makes a role with so many grants, which describe themselves in about 200 bytes each.
async fn large_role(server: &Server, name: &str, grants: usize) {
    let root = server.root().await;
    let collection = |i| format!("c{i}_{}", "x".repeat(100));
    let grants =
        (0..grants).map(|i| entity(name, ("Collection", &collection(i)), "Search", "default"));
    let meta = RbacMeta { roles: vec![role(name)], grants: grants.collect(), ..Default::default() };
    let status = restore(meta).send(&root).await.unwrap().into_inner().take_status();
    assert_eq!((status.code, status.reason.as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_limited() {
    let server = Server::start(&["--max-roles", "0", "--max-users", "0"]);
    large_role(&server, "large", 10_000).await;
    let root = server.root().await;
    for i in 0..4 {
        create_user(&format!("u{i}"), PASSWORD).send(&root).await.unwrap();
        bind(&format!("u{i}"), "large").send(&root).await.unwrap();
    }
    let question = frame(&grants_of("large", "*").encode_to_vec());
    let mut taken: Vec<(RecvStream, SendRequest<Bytes>)> = Vec::new();
    let (mut refused, mut answered) = (0, 0);
    let most = most_memory(&server, async {
        for i in 0..8 * scale() {
            // Some take the beginning, and some nothing at all.
            let connection = connect(&server, if i % 2 == 0 { 0 } else { 1024 }).await;
            let mut begun = Vec::new();
            for _ in 0..200 {
                let (answer, mut body) =
                    begin(&connection, "SelectGrant", &format!("u{}", i % 4), PASSWORD).await;
                body.send_data(question.clone(), true).unwrap();
                begun.push(answer);
            }
            for answer in begun {
                let answer = tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap();
                match answer.headers().get("grpc-status") {
                    Some(code) => {
                        assert_eq!(code, "8", "{answer:?}");
                        refused += 1;
                    }
                    None => {
                        answered += 1;
                        taken.push((answer.into_body(), connection.clone()));
                    }
                }
            }
        }
        alive(&server).await;
    })
    .await;
    println!("{answered} answered, {refused} refused, {} MiB", most / MIB);
    assert!(most < 1024 * MIB, "{} MiB for answers that nobody takes", most / MIB);
    drop(taken);
    alive(&server).await;
    let all = grants_of("large", "*").send(&root).await.unwrap().into_inner().entities.len();
    assert_eq!(all, 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giants_and_those_who_write_byte_by_byte_are_limited() {
    let server = Server::start(&["--max-roles", "0", "--max-users", "0"]);
    let root = server.root().await;
    for i in 0..6 {
        create_user(&format!("u{i}"), PASSWORD).send(&root).await.unwrap();
        bind(&format!("u{i}"), "admin").send(&root).await.unwrap();
    }
    let mut giants = Vec::new();
    let (mut sent, mut refused) = (0_u64, 0);
    let most = most_memory(&server, async {
        for i in 0..12 * scale() {
            let connection = connect(&server, 65_535).await;
            for _ in 0..4 {
                let (answer, mut body) =
                    begin(&connection, "RestoreRBAC", &format!("u{}", i % 6), PASSWORD).await;
                // It announces 60 MiB, sends nearly all, and then byte by byte.
                let head = [&[0][..], &(60_u32 << 20).to_be_bytes()].concat();
                body.send_data(head.into(), false).unwrap();
                giants.push((answer, body, 0_u64));
            }
        }
        for (_, body, given) in &mut giants {
            // 16 KiB at a time, as far as the server takes it.
            while *given < 59 * MIB {
                body.reserve_capacity(16 << 10);
                let capacity = std::future::poll_fn(|cx| body.poll_capacity(cx));
                match tokio::time::timeout(Duration::from_millis(200), capacity).await {
                    Ok(Some(Ok(size))) => {
                        let size = size.min(16 << 10);
                        if body.send_data(vec![b'x'; size].into(), false).is_err() {
                            break;
                        }
                        *given += size as u64;
                    }
                    _ => break,
                }
            }
            sent += *given;
        }
        for _ in 0..20 {
            for (_, body, given) in &mut giants {
                if *given > 0 && body.send_data(Bytes::from_static(b"x"), false).is_err() {
                    *given = 0;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        alive(&server).await;
        create_role("meanwhile").send(&root).await.unwrap();
    })
    .await;
    for (answer, body, _) in giants {
        drop(body);
        if let Ok(Ok(answer)) = tokio::time::timeout(Duration::from_millis(100), answer).await {
            assert_eq!(answer.headers().get("grpc-status").unwrap(), "8", "{answer:?}");
            refused += 1;
        }
    }
    println!("{} MiB sent, {refused} refused, {} MiB", sent / MIB, most / MIB);
    assert!(refused > 0, "nothing was too much");
    assert!(most < 1024 * MIB, "{} MiB for requests that do not come", most / MIB);
    alive(&server).await;
}
