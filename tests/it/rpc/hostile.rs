//! Bad input around messages: frames, sizes, metadata, bytes that are no HTTP. Each gets a clear
//! answer where there can be one, and the server goes on.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::*;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::body::Body;

use super::raw::{Raw, RawAnswer, SERVICE, frame};
use super::requests::{add_members, create_group, create_role, entity, grants_of, restore, role};
use super::{Refusal, World, gets, r};
use crate::support::{Metadata, encoded};

const MAX: usize = 4 << 20;

fn path(method: &str) -> String {
    format!("{SERVICE}{method}")
}

/// A call that was refused, clearly; and the next one works.
async fn refused(w: &World, answer: RawAnswer, code: Code, text: &str) {
    assert_eq!((answer.code, answer.text.as_str()), (code, text));
    w.gets(ListCredUsersRequest::default()).await;
}

#[tokio::test]
async fn frames() {
    let w = World::new().await;
    let root = Raw::root(&w.server).await;
    let message = create_role("r1").encode_to_vec();
    let good = frame(&message);
    let length = |length: u32| {
        let mut bytes = good.to_vec();
        bytes.splice(1..5, length.to_be_bytes());
        bytes
    };
    let flag = |flag: u8| [&[flag], good.get(1..).unwrap()].concat();
    let two = [&good[..], &good[..]].concat();
    let real = u32::try_from(message.len()).unwrap();
    let (none, wrong) = ("there is no message", "its length is not what its head says");
    let rows = [
        (Vec::new(), none),
        (vec![0], none),
        (vec![0, 0, 0, 0], none),
        (vec![0, 0, 0, 0, 1], wrong),
        (length(real + 1), wrong),
        (length(real - 1), wrong),
        (length(0), wrong),
        (length(u32::MAX), wrong),
        (two, wrong),
        ([&good[..], b"x"].concat(), wrong),
        (good.get(..good.len() - 1).unwrap().to_vec(), wrong),
    ];
    let before = w.picture().await;
    for method in ["CreateRole", "SelectRole", "GetVersion", "ListDatabases", "Connect"] {
        for (bytes, text) in &rows {
            let answer = root.unary(&path(method), bytes.clone().into()).await;
            let text = format!("the request cannot be read: {text}");
            refused(&w, answer, Code::InvalidArgument, &text).await;
        }
        for bytes in [flag(1), flag(2), flag(255)] {
            for client in [&root, &root.with("grpc-encoding", b"gzip")] {
                let answer = client.unary(&path(method), bytes.clone().into()).await;
                refused(&w, answer, Code::Unimplemented, "compressed requests are not supported")
                    .await;
            }
        }
    }
    assert_eq!(w.picture().await, before);
    let answer = root.unary(&path("CreateRole"), good).await;
    assert_eq!((answer.code, answer.message::<Status>()), (Code::Ok, Status::default()));
}

#[tokio::test]
async fn oversized_messages() {
    let w = World::new().await;
    let root = Raw::root(&w.server).await;
    // A group's name that fills the message to the last byte, and one byte more.
    let sized = |size: usize| {
        let head = create_group(&"g".repeat(MAX - 1000)).encode_to_vec().len() - (MAX - 1000);
        let message = create_group(&"g".repeat(size - head)).encode_to_vec();
        assert_eq!(message.len(), size);
        frame(&message)
    };
    let before = w.picture().await;
    let answer = root.unary(&path("CreatePrivilegeGroup"), sized(MAX)).await;
    assert_eq!(answer.code, Code::Ok, "{}", answer.text);
    let expected = Refusal::new(1402, 1, "g".repeat(64)).input().leading();
    expected.check(&answer.message(), &"the largest message");
    assert!(answer.body.len() < 4096);
    let answer = root.unary(&path("CreatePrivilegeGroup"), sized(MAX + 1)).await;
    refused(&w, answer, Code::ResourceExhausted, "the request is larger than 4194304 bytes").await;
    assert_eq!(w.picture().await, before);
}

/// A body without an end that counts what is taken from it.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const CHUNK: &[u8] = &[b'x'; 16 << 10];
        self.0.fetch_add(CHUNK.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK)))))
    }
}

#[tokio::test]
async fn bodies_without_an_end() {
    let w = World::new().await;
    let root = Raw::root(&w.server).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let endless = || Body::new(Endless(taken.clone()));
    // Whoever is not logged in is refused before the body is read.
    let missing = "missing authorization in header";
    let anonymous = Raw::anonymous(&w.server).await;
    let answer = anonymous.call(&path("CreateRole"), endless()).await;
    refused(&w, answer, Code::Unauthenticated, missing).await;
    let wrong = anonymous.with("authorization", encoded("root:wrong").as_bytes());
    let answer = wrong.call(&path("Connect"), endless()).await;
    assert_eq!(answer.code, Code::Unauthenticated);
    assert!(taken.load(Ordering::Relaxed) < 8 << 20, "{taken:?} bytes were taken");
    let answer = root.call(&path("CreateRole"), endless()).await;
    refused(&w, answer, Code::ResourceExhausted, "the request is larger than 4194304 bytes").await;
}

/// A body of one frame that never ends. The Node SDK sends it when it repeats a call, since it does not
/// repeat the end; Milvus answers.
struct Unended(Option<Bytes>);

impl http_body::Body for Unended {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
    }
}

#[tokio::test]
async fn a_message_whose_body_does_not_end_is_answered() {
    let w = World::new().await;
    let root = Raw::root(&w.server).await;
    let unended = |bytes: Bytes| Body::new(Unended(Some(bytes)));
    let good = frame(&create_role("r1").encode_to_vec());
    let begun = Instant::now();
    let answer = root.call(&path("CreateRole"), unended(good.clone())).await;
    assert_eq!((answer.code, answer.message::<Status>()), (Code::Ok, Status::default()));
    // An empty message, too, is whole.
    let answer = root.call(&path("GetVersion"), unended(frame(b""))).await;
    assert_eq!(answer.code, Code::Ok, "{}", answer.text);
    // What follows a message is still refused if it comes at once.
    let two = [&good[..], &good[..]].concat();
    let answer = root.call(&path("CreateRole"), unended(two.into())).await;
    let text = "the request cannot be read: its length is not what its head says";
    refused(&w, answer, Code::InvalidArgument, text).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn very_long_lists() {
    let w = World::new().await;
    w.changes(create_group("g1")).await;
    w.changes(create_role("r1")).await;
    let numbered: Vec<_> = (0..100_000).map(|i| format!("p{i}")).collect();
    let names: Vec<_> = numbered.iter().map(String::as_str).collect();
    let (mut root, before) = (w.root.clone(), w.picture().await);
    let text = "failed to check if privilege group alterable: there is no privilege name or privilege group name [p0] defined in system to operate: invalid parameter";
    let status =
        root.operate_privilege_group(add_members("g1", &names)).await.unwrap().into_inner();
    r(61, text).check(&status, &"100,000 unknown privileges");
    let roles = numbered.iter().map(|name| role(name)).chain([role("r1")]).collect();
    let meta = RbacMeta { roles, ..Default::default() };
    let status = root.restore_rbac(restore(meta)).await.unwrap().into_inner();
    let text = "failed to check if rbac restorable: role [r1] already exists: invalid parameter";
    r(41, text).check(&status, &"100,000 roles");
    assert_eq!(w.picture().await, before);
    let status = root.operate_privilege_group(add_members("g1", &vec!["Search"; 100_000])).await;
    assert_eq!(status.unwrap().into_inner(), Status::default());
    let grants = vec![entity("r1", ("Collection", "c1"), "Search", ""); 100_000];
    let status = root.restore_rbac(restore(RbacMeta { grants, ..Default::default() })).await;
    assert_eq!(status.unwrap().into_inner(), Status::default());
    assert_eq!(w.gets(grants_of("r1", "*")).await.entities.len(), 1);
}

#[tokio::test]
async fn metadata() {
    let w = World::new().await;
    let anonymous = Raw::anonymous(&w.server).await;
    let root = Raw::root(&w.server).await;
    let version = path("GetVersion");
    let unreadable = |what: &str| format!("the request cannot be read: {what}");
    let before = w.picture().await;
    for value in [&b"\xff\xfe"[..], "é".as_bytes(), b"\t", b"=", b"====", b"a b c d", &[b'A'; 4097]]
    {
        let answer = anonymous.with("authorization", value).unary(&version, frame(&[])).await;
        refused(&w, answer, Code::Unauthenticated, "invalid token format").await;
    }
    for (value, text) in [
        (encoded("no colon"), "auth check failure, please check api key is correct"),
        (encoded("\0:\0"), "auth check failure, please check username and password are correct"),
        (
            encoded(&format!("{}:x", "u".repeat(4096))),
            "auth check failure, please check username and password are correct",
        ),
        (
            encoded(&format!("root:{}", "x".repeat(4096))),
            "auth check failure, please check username and password are correct",
        ),
        // `\xff:\xff`
        ("/zr/".to_owned(), "auth check failure, please check username and password are correct"),
    ] {
        let answer =
            anonymous.with("authorization", value.as_bytes()).unary(&version, frame(&[])).await;
        refused(&w, answer, Code::Unauthenticated, text).await;
    }
    for value in [&b"\xff"[..], "é".as_bytes(), &[b'd'; 256]] {
        for method in ["GetVersion", "CreateRole", "ListDatabases"] {
            let answer = root.with("dbname", value).unary(&path(method), frame(&[])).await;
            refused(
                &w,
                answer,
                Code::InvalidArgument,
                &unreadable("dbname is not the name of a database"),
            )
            .await;
        }
    }
    for value in [&b""[..], b"-1", b"x", b"1.0", b"0x1", b"\xff", b"18446744073709551616", b" 1 2"]
    {
        let answer = root.with("milvus-rbac-min-revision", value).unary(&version, frame(&[])).await;
        refused(
            &w,
            answer,
            Code::InvalidArgument,
            &unreadable("milvus-rbac-min-revision is not a number"),
        )
        .await;
    }
    assert_eq!(w.picture().await, before);
    // Names of databases that are none, but text, are for the calls to judge.
    for name in ["*", "a/b", " ", &"d".repeat(255)] {
        let client = w.server.connect(Metadata::login("root", "Milvus").with("dbname", name)).await;
        gets(&client, GetVersionRequest::default()).await;
    }
}

#[tokio::test]
async fn revisions_that_do_not_come() {
    let w = World::new().await;
    let root = Raw::root(&w.server).await;
    let revision = w.picture().await.revision;
    let wanting = |revision: u64, timeout: &[u8]| {
        root.with("milvus-rbac-min-revision", revision.to_string().as_bytes())
            .with("grpc-timeout", timeout)
    };
    for wanted in [0, revision] {
        let answer = wanting(wanted, b"100m").unary(&path("GetVersion"), frame(&[])).await;
        assert_eq!(answer.code, Code::Ok);
    }
    for wanted in [revision + 1, u64::MAX] {
        let started = Instant::now();
        // So long that this side does not read it: it would give up at the same moment.
        let answer = wanting(wanted, b"0000000100m").unary(&path("GetVersion"), frame(&[])).await;
        let text = format!("revision {wanted} was asked for, and {revision} was reached in time");
        refused(&w, answer, Code::DeadlineExceeded, &text).await;
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // One that comes is waited for.
    let request = wanting(revision + 1, b"10S");
    let waiting = tokio::spawn(async move { request.unary(&path("GetVersion"), frame(&[])).await });
    w.changes(create_role("r1")).await;
    assert_eq!(waiting.await.unwrap().code, Code::Ok);
    for timeout in [&b""[..], b"x", b"S", b"-1S", b"99999999999999999999S", b"\xff"] {
        let answer = wanting(0, timeout).unary(&path("GetVersion"), frame(&[])).await;
        assert_ne!(answer.code, Code::Unknown, "{timeout:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn bytes_that_are_no_calls() {
    let w = World::new().await;
    let before = w.picture().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let rows: [&[u8]; 8] = [
        b"",
        b"\0\0\0\0",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /milvus.proto.milvus.MilvusService/CreateRole HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        preface,
        &[&preface[..], &[0xff; 64]].concat(),
    ];
    for bytes in rows {
        let mut stream = TcpStream::connect(&w.server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        // The other side may be gone already.
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.unwrap();
        assert!(answer.len() < 4096);
        w.gets(ListCredUsersRequest::default()).await;
    }
    assert_eq!(w.picture().await, before);
}
