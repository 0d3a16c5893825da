//! The upstream that is not there: told quickly, and access control goes on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::*;
use tokio::net::TcpListener;
use tonic::Code;

use super::upstream::Upstream;
use super::{Sidecar, admin, done, path, start, until};
use crate::rpc::calls::Call;
use crate::rpc::raw::{Raw, frame};
use crate::rpc::requests::{PASSWORD, bind, create_role, create_user, grant_v2};
use crate::support::Server;

/// An address where nothing listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn is_ready(server: &Server) -> bool {
    let (status, text) = admin(server, "/readyz").await;
    match status {
        200 => assert_eq!(text, "ok\n"),
        _ => assert_eq!(
            (status, &*text),
            (503, "the upstream Milvus does not answer; users, roles and grants are served\n")
        ),
    }
    status == 200
}

/// Users, roles and grants, and what clients do before they get there.
async fn access_control_goes_on(server: &Server, round: &str) {
    let root = server.root().await;
    ConnectRequest::default().send(&root).await.unwrap();
    let health = CheckHealthRequest::default().send(&root).await.unwrap().into_inner();
    assert!(!health.is_healthy);
    assert_eq!(health.reasons, ["the upstream Milvus does not answer"]);
    let name = format!("u{round}");
    done(&root, create_user(&name, PASSWORD)).await;
    done(&root, create_role(&name)).await;
    done(&root, grant_v2(&name, "Search", ("default", "c1"))).await;
    done(&root, bind(&name, &name)).await;
    let user = Raw::user(server, &name, PASSWORD).await;
    let answer = user.unary(&path("CreateRole"), frame(&[])).await;
    assert_eq!(answer.code, Code::PermissionDenied);
}

async fn is_unavailable(caller: &Raw, method: &str) {
    let started = Instant::now();
    let answer = caller.unary(&path(method), frame(&[])).await;
    assert_eq!(
        (answer.code, &*answer.text),
        (Code::Unavailable, "the upstream Milvus does not answer")
    );
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nothing_listens_then_something_does_and_goes_and_comes() {
    let address = nowhere().await;
    let server = start(&format!("http://{address}"), &[]);
    let root = Raw::root(&server).await;
    for method in ["Search", "ListDatabases", "GetVersion", "DumpMessages"] {
        is_unavailable(&root, method).await;
    }
    assert!(!is_ready(&server).await);
    assert_eq!(admin(&server, "/livez").await, (200, "ok\n".to_owned()));
    assert!(admin(&server, "/metrics").await.1.contains("milvus_rbac_upstream_ready 0"));
    access_control_goes_on(&server, "0").await;

    for round in ["1", "2"] {
        let upstream = Upstream::at(address).await;
        // The next call needs no more than that it is there.
        assert_eq!(root.unary(&path("Search"), frame(&[])).await.code, Code::Ok);
        assert_eq!(upstream.calls().len(), 1);
        let took = until("ready", async || is_ready(&server).await).await;
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert!(admin(&server, "/metrics").await.1.contains("milvus_rbac_upstream_ready 1"));
        // It answers these itself now.
        root.unary(&path("CheckHealth"), frame(&[])).await;
        root.unary(&path("Connect"), frame(&[])).await;
        assert_eq!(upstream.calls().len(), 2);

        drop(upstream);
        let took = until("not ready", async || !is_ready(&server).await).await;
        assert!(took < Duration::from_secs(4), "{took:?}");
        is_unavailable(&root, "Search").await;
        access_control_goes_on(&server, round).await;
    }
}

#[tokio::test]
async fn an_upstream_that_goes_is_not_called_healthy_by_the_very_next_call() {
    let w = Sidecar::new().await;
    until("ready", async || is_ready(&w.server).await).await;
    drop(w.upstream);
    // Long before the next time it is asked how it does.
    let health = CheckHealthRequest::default().send(&w.root).await.unwrap().into_inner();
    assert!(!health.is_healthy);
}

#[tokio::test]
async fn denials_do_not_tell_whether_the_upstream_is_there() {
    let server = start(&format!("http://{}", nowhere().await), &[]);
    let root = server.root().await;
    done(&root, create_user("u1", PASSWORD)).await;
    let user = Raw::user(&server, "u1", PASSWORD).await;
    assert_eq!(user.unary(&path("Insert"), frame(&[])).await.code, Code::PermissionDenied);
    let nobody = Raw::anonymous(&server).await;
    assert_eq!(nobody.unary(&path("Insert"), frame(&[])).await.code, Code::Unauthenticated);
}

#[tokio::test]
async fn an_upstream_that_takes_connections_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = start(&format!("http://{}", listener.local_addr().unwrap()), &[]);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = listener.accept().await {
            held.push(connection);
        }
    });
    let root = Raw::root(&server).await;
    // A call with a deadline ends there, one without when the connection is given up.
    let hasty = root.with("grpc-timeout", b"0000000500m").unary(&path("Search"), frame(&[])).await;
    assert_eq!(hasty.code, Code::DeadlineExceeded);
    assert!(!is_ready(&server).await);
    let started = Instant::now();
    let answer = root.unary(&path("Search"), frame(&[])).await;
    assert_eq!(answer.code, Code::Unavailable, "{}", answer.text);
    assert!(started.elapsed() < Duration::from_secs(18), "{:?}", started.elapsed());
    assert!(!is_ready(&server).await);
    let admin = server.root().await;
    done(&admin, create_user("u1", PASSWORD)).await;
}

#[tokio::test]
async fn an_upstream_that_says_it_is_not_well() {
    let w = Sidecar::new().await;
    until("ready", async || is_ready(&w.server).await).await;
    // NOT_SERVING.
    w.upstream.answers("Check", |_| super::upstream::Reply::ok(&[8, 2]));
    until("not ready", async || !is_ready(&w.server).await).await;
    // Calls go there all the same: it knows best.
    w.allows(&Raw::root(&w.server).await, "Search", &[]).await;
    // One that has no such service answers, and that is enough.
    w.upstream.answers("Check", |_| super::upstream::Reply::status("12"));
    until("ready", async || is_ready(&w.server).await).await;
}
