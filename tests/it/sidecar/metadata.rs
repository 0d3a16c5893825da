//! What of the metadata goes on.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Sidecar, path};
use crate::rpc::raw::{Raw, frame};
use crate::rpc::requests::PASSWORD;

#[tokio::test]
async fn metadata_goes_on_but_for_what_is_the_connection_s() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[("Search", "db1", "c1")]).await;
    let caller = user
        .with("x-one", b"a")
        .and("x-one", b"b")
        .with("x-two-bin", b"AAEC/w")
        .with("x-opaque", b"\xff\xfe")
        .with("client-request-id", b"r-1")
        .with("grpc-accept-encoding", b"identity,gzip")
        .with("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .with("sourceid", STANDARD.encode("@@milvus-member@@").as_bytes())
        .with("proxy-authorization", b"Basic eDp5")
        .with("dbname", b"db1");
    let message = super::fields::named("db1", "c1");
    assert_eq!(caller.unary(&path("Search"), frame(&message)).await.code, tonic::Code::Ok);
    let call = w.upstream.call();
    let values = |name: &str| -> Vec<&[u8]> {
        call.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
    };
    assert_eq!(values("x-one"), [b"a", b"b"]);
    assert_eq!(values("x-two-bin"), [b"AAEC/w"]);
    assert_eq!(values("x-opaque"), [b"\xff\xfe"]);
    assert_eq!(values("dbname"), [b"db1"]);
    assert_eq!(values("te"), [b"trailers"]);
    assert_eq!(values("content-type"), [b"application/grpc"]);
    let names: BTreeSet<_> = call.headers.keys().map(http::HeaderName::as_str).collect();
    let expected = "client-request-id content-type dbname grpc-accept-encoding te traceparent \
        user-agent x-one x-opaque x-two-bin content-length";
    let expected: BTreeSet<_> = expected.split_whitespace().collect();
    assert!(names.is_subset(&expected), "{names:?}");
    assert!(names.len() >= expected.len() - 1, "{names:?}");
}

#[tokio::test]
async fn of_several_databases_the_checked_one_goes_on() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[("Search", "db1", "c1")]).await;
    let message = super::fields::text(3, "c1");
    let databases = |call: super::upstream::Call| -> Vec<String> {
        call.headers.get_all("dbname").iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    };
    let caller = user.with("dbname", b"db1").and("dbname", b"db2");
    w.upstream.calls();
    assert_eq!(caller.unary(&path("Search"), frame(&message)).await.code, tonic::Code::Ok);
    assert_eq!(databases(w.upstream.call()), ["db1"]);
    let caller = user.with("dbname", b"db2").and("dbname", b"db1");
    w.denies(&caller, "Search", &message).await;
    // An empty one is none.
    let caller = user.with("dbname", b"").and("dbname", b"db1");
    w.denies(&caller, "Search", &message).await;
    w.grant("u1", ("Search", "default", "c1")).await;
    assert_eq!(caller.unary(&path("Search"), frame(&message)).await.code, tonic::Code::Ok);
    assert_eq!(databases(w.upstream.call()), [""; 0]);
}

#[tokio::test]
async fn credentials_towards_the_upstream() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("login");
    std::fs::write(&file, "gate:its:own\n").unwrap();
    let own = format!("file:{}", file.display());
    let callers = STANDARD.encode(format!("u1:{PASSWORD}"));
    let rows = [
        ("none", None),
        ("passthrough", Some(callers)),
        (own.as_str(), Some(STANDARD.encode("gate:its:own"))),
    ];
    for (how, expected) in rows {
        let w = Sidecar::with(&["--upstream-auth", how]).await;
        let user = w.user("u1", &[("Search", "default", "c1")]).await;
        // A second login was not verified, and does not go on.
        let second = user.and("authorization", STANDARD.encode("root:Milvus").as_bytes());
        for caller in [&user, &second] {
            let message = frame(&super::fields::named("", "c1"));
            assert_eq!(caller.unary(&path("Search"), message).await.code, tonic::Code::Ok);
            let call = w.upstream.call();
            let sent: Vec<_> = call.headers.get_all("authorization").iter().collect();
            assert_eq!(sent, expected.iter().map(String::as_str).collect::<Vec<_>>(), "{how}");
        }
        let stream = Raw::root(&w.server).await.unary(&path("DumpMessages"), frame(&[])).await;
        assert_eq!(stream.code, tonic::Code::Ok);
        let root = Some(STANDARD.encode("root:Milvus"));
        let expected = if how == "passthrough" { root } else { expected };
        assert_eq!(w.upstream.call().header("authorization"), expected.as_deref(), "{how}");
    }
}
