//! What goes through is the same bytes, in both directions.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;
use tonic::Code;

use super::fields::{named, number, text};
use super::upstream::{Call, Reply, headers};
use super::{Sidecar, path};
use crate::rpc::raw::{Raw, RawAnswer, frame};

/// Fields that no check reads, each as some sender may write it.
fn unread() -> impl Strategy<Value = Vec<u8>> {
    let number_ = prop_oneof![Just(1u32), 6u32..40, Just(536_870_911)];
    let value = prop_oneof![
        any::<u64>().prop_map(|value| number(1, value)),
        // The longest form of a small number.
        Just(vec![8, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
        any::<[u8; 8]>().prop_map(|value| [&[9][..], &value].concat()),
        any::<[u8; 4]>().prop_map(|value| [&[13][..], &value].concat()),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|value| text(1, value)),
        // A group with a name in it that is none of the message's own.
        Just([&[11][..], &text(3, "c1"), &[12]].concat()),
    ];
    (number_, value).prop_map(|(field, value)| renumbered(field, &value))
}

/// The same field under another number.
fn renumbered(field: u32, value: &[u8]) -> Vec<u8> {
    let key = |wire_type: u8| {
        let key = number(1, u64::from(field) << 3 | u64::from(wire_type));
        key.get(1..).unwrap().to_vec()
    };
    let (first, rest) = value.split_first().unwrap();
    let mut bytes = [key(first & 7), rest.to_vec()].concat();
    if first & 7 == 3 {
        bytes.pop();
        bytes.extend(key(4));
    }
    bytes
}

/// A piece of a Search: a database, a collection, or anything else.
#[derive(Debug, Clone)]
enum Piece {
    Database(&'static str),
    Collection(&'static str),
    Other(Vec<u8>),
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Database(name) => text(2, name),
            Self::Collection(name) => text(3, name),
            Self::Other(bytes) => bytes.clone(),
        }
    }
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        prop::sample::select(vec!["db1", "db1", "db2", ""]).prop_map(Piece::Database),
        prop::sample::select(vec!["c1", "c1", "c1", "c2", ""]).prop_map(Piece::Collection),
        unread().prop_map(Piece::Other),
        unread().prop_map(Piece::Other),
    ]
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() })
}

#[test]
fn requests_go_through_as_they_are_and_the_last_name_counts() {
    let runtime = Runtime::new().unwrap();
    let w = runtime.block_on(Sidecar::new());
    let user = runtime.block_on(w.user("u1", &[("Search", "db1", "c1")]));
    let user = user.with("dbname", b"db1");
    let (mut allowed, mut denied) = (0, 0);
    let run = cases(512).run_once_each(prop::collection::vec(piece(), 0..8), |pieces| {
        let message: Vec<u8> = pieces.iter().flat_map(Piece::bytes).collect();
        let (mut database, mut collection) = ("", "");
        for piece in &pieces {
            match piece {
                Piece::Database(name) => database = name,
                Piece::Collection(name) => collection = name,
                Piece::Other(_) => {}
            }
        }
        let answer = runtime.block_on(user.unary(&path("Search"), frame(&message)));
        let calls = w.upstream.calls();
        if ["", "db1"].contains(&database) && collection == "c1" {
            assert_eq!(answer.code, Code::Ok, "{}", answer.text);
            // The database that only the header names is told in the message too.
            let added = if database.is_empty() { text(2, "db1") } else { Vec::new() };
            assert_eq!(calls.len(), 1);
            assert_eq!(calls[0].body, frame(&[message, added].concat()));
            allowed += 1;
        } else {
            assert_eq!(answer.code, Code::PermissionDenied, "{}", answer.text);
            assert!(calls.is_empty());
            denied += 1;
        }
    });
    run.unwrap();
    assert!(allowed > 50 && denied > 50, "{allowed} {denied}");
}

/// One case after the other in the same world.
trait RunOnceEach {
    fn run_once_each<S: Strategy>(
        &mut self,
        strategy: S,
        case: impl FnMut(S::Value),
    ) -> Result<(), String>;
}

impl RunOnceEach for TestRunner {
    fn run_once_each<S: Strategy>(
        &mut self,
        strategy: S,
        case: impl FnMut(S::Value),
    ) -> Result<(), String> {
        let case = std::cell::RefCell::new(case);
        self.run(&strategy, |value| {
            (case.borrow_mut())(value);
            Ok(())
        })
        .map_err(|e| e.to_string())
    }
}

fn metadata() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let ascii = ("x-[a-z]{1,8}", "[!-~]([ -~]{0,20}[!-~])?").prop_map(|(k, v)| (k, v.into_bytes()));
    let binary =
        ("x-[a-z]{1,8}-bin", "[A-Za-z0-9+/]{0,30}={0,2}").prop_map(|(k, v)| (k, v.into_bytes()));
    let opaque = ("x-[a-z]{1,8}", prop::collection::vec(0x80u8..=0xff, 1..10));
    prop::collection::vec(prop_oneof![ascii, binary, opaque], 0..6)
}

fn map(pairs: &[(String, Vec<u8>)]) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in pairs {
        let name: http::HeaderName = name.parse().unwrap();
        map.append(name, http::HeaderValue::from_bytes(value).unwrap());
    }
    map
}

/// What came back but for what the server and HTTP add.
fn plain(mut map: http::HeaderMap) -> http::HeaderMap {
    assert!(map.remove("milvus-rbac-revision").is_some(), "{map:?}");
    for name in ["date", "content-type", "content-length"] {
        map.remove(name);
    }
    map
}

#[test]
fn answers_come_through_as_they_are() {
    let runtime = Runtime::new().unwrap();
    let w = runtime.block_on(Sidecar::new());
    let root = runtime.block_on(Raw::root(&w.server));
    let body = prop::collection::vec(any::<u8>(), 0..300);
    let run = cases(256).run_once_each(
        (metadata(), body, 0..18u32, "[ -~]{0,20}", metadata()),
        |(first, body, code, text, last)| {
            let mut trailers = map(&last);
            trailers.insert("grpc-status", code.into());
            trailers.insert("grpc-message", text.trim().parse().unwrap());
            // Bytes that are no frame at all, too: they are the client's to judge.
            let reply = Reply {
                headers: map(&first),
                body: body.clone().into(),
                trailers: Some(trailers.clone()),
            };
            w.upstream.answers("Search", move |_| reply.clone());
            let answer = runtime.block_on(root.unary(&path("Search"), frame(&named("", "c1"))));
            assert_eq!(answer.body, body);
            assert_eq!(answer.trailers, Some(trailers));
            assert_eq!(plain(answer.headers), map(&first));
        },
    );
    run.unwrap();
}

#[tokio::test]
async fn a_refusal_in_the_headers_stays_there() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let refusal = [
        ("grpc-status", "8"),
        ("grpc-message", "slow%20down"),
        ("grpc-status-details-bin", "CAgSCXNsb3cgZG93bg"),
        ("retry-after", "1"),
    ];
    w.upstream.answers("Search", move |_| Reply { headers: headers(&refusal), ..Reply::default() });
    let RawAnswer { code, text, body, headers: head, trailers } =
        root.unary(&path("Search"), frame(&[])).await;
    assert_eq!((code, &*text, body.len()), (Code::ResourceExhausted, "slow down", 0));
    assert_eq!(plain(head), headers(&refusal));
    assert_eq!(trailers, None);
}

#[tokio::test]
async fn several_messages_come_back_untouched() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let body = [&frame(b"one")[..], &[1, 0, 0, 0, 3], b"zip", &frame(b"")].concat();
    let trailers = headers(&[("grpc-status", "0")]);
    let reply = Reply { body: body.clone().into(), trailers: Some(trailers), ..Reply::default() };
    w.upstream.answers("DumpMessages", move |_| reply.clone());
    let answer = root.unary(&path("DumpMessages"), frame(b"any")).await;
    assert_eq!((answer.code, &answer.body[..]), (Code::Ok, &body[..]));
    let call: Call = w.upstream.call();
    assert_eq!(call.body, frame(b"any"));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_forwarded() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let overlong = [0xff; 10];
    let bad: [&[u8]; 14] = [
        &[0x1a],
        &[0x1a, 5, b'a'],
        &[0x1a, 0x80],
        &[&[0x1a][..], &overlong, &[1]].concat(),
        &[0x18, 1],
        &[0x19, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x1d, 0, 0, 0, 0],
        &[0x1b, 0x1c],
        &[0x1a, 1, 0xff],
        &[0x12, 1, 0xff],
        &[0x00, 0],
        &[0x1f, 0],
        &[0x33, 0x3c],
        &overlong,
    ];
    for message in bad {
        // After good names as before them.
        for message in [
            message.to_vec(),
            [&named("db1", "c1")[..], message].concat(),
            [&text(100, "x")[..], message].concat(),
        ] {
            for method in ["Search", "Insert", "HasCollection", "DescribeCollection"] {
                w.refuses(&root, method, frame(&message), Code::InvalidArgument).await;
            }
        }
    }
    // What is after a truncated field is part of it, for everybody.
    let message = [&[0x32, 8][..], &named("db", "c1")].concat();
    w.allows(&root, "Search", &message).await;
}

#[tokio::test]
async fn frames_that_are_not_one_plain_message() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let good = frame(&named("", "c1"));
    let mut compressed = good.to_vec();
    compressed[0] = 1;
    let mut longer = good.to_vec();
    longer[4] += 1;
    let mut shorter = good.to_vec();
    shorter[4] -= 1;
    let two = [&good[..], &good[..]].concat();
    for method in ["Search", "GetMetrics", "CalcDistance", "ListDatabases", "GetImportState"] {
        let zipped = root.with("grpc-encoding", b"gzip");
        for caller in [&root, &zipped] {
            let body = compressed.clone().into();
            w.refuses(caller, method, body, Code::Unimplemented).await;
        }
        for body in [&longer[..], &shorter, &two, &good[..3], &[]] {
            w.refuses(&root, method, body.to_vec().into(), Code::InvalidArgument).await;
        }
    }
    // A body that is no protobuf by its type would be read in another way behind the gate.
    for kind in ["application/grpc+json", "application/grpc-web", "application/grpc-web-text"] {
        let caller = root.with("content-type", kind.as_bytes());
        w.refuses(&caller, "Search", good.clone(), Code::InvalidArgument).await;
    }
    for kind in ["application/grpc", "application/grpc+proto"] {
        let caller = root.with("content-type", kind.as_bytes());
        w.allows(&caller, "Search", &named("", "c1")).await;
    }
}
