//! The grants on a collection share its fate: they go when it is dropped and move when it is
//! renamed, before the caller hears of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use milvus_rbac::engine::Engine;
use milvus_rbac::gate::{Credentials, Gate, Options, Upstream as Behind, guard};
use milvus_rbac::model::command::{Command, MemberOperation, PrivilegeOperation, Target};
use milvus_rbac::model::state::State;
use milvus_rbac::passwords::Passwords;
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::*;
use prost::Message;
use tokio::sync::Notify;
use tonic::Code;

use super::fields::{named, number, text};
use super::flow::{pipe, streamed};
use super::upstream::{Reply, Upstream, headers};
use super::{Sidecar, path, until};
use crate::engine::{Fault, Faulty};
use crate::rpc::raw::{Raw, RawAnswer, frame};
use crate::rpc::requests::{grants_of, line};

const DROP: &str = "DropCollection";
const RENAME: &str = "RenameCollection";

fn rename(database: &str, from: &str, to: &str, into: &str) -> Vec<u8> {
    [text(2, database), text(3, from), text(4, to), text(5, into)].concat()
}

fn failed(code: i32, error_code: i32) -> Reply {
    Reply::message(&Status { code, error_code, reason: "no".to_owned(), ..Default::default() })
}

fn revision(answer: &RawAnswer) -> u64 {
    answer.headers.get("milvus-rbac-revision").unwrap().to_str().unwrap().parse().unwrap()
}

impl Sidecar {
    /// The grants of a role, each a line.
    async fn grants(&self, role: &str) -> Vec<String> {
        let answer = self.root.clone().select_grant(grants_of(role, "*")).await.unwrap();
        answer.into_inner().entities.iter().map(line).collect()
    }

    async fn revision(&self, root: &Raw) -> u64 {
        revision(&root.unary(&path("GetVersion"), frame(&[])).await)
    }
}

/// What is left of the grants of a row.
#[derive(Debug, Clone, Copy)]
enum Left {
    All,
    /// All but those on the collection.
    Others,
    /// The others, and those on the collection under that name.
    At(&'static str, &'static str),
}
use Left::{All, At, Others};

#[tokio::test]
async fn who_has_dropped_or_renamed_is_told_of_the_grants_that_followed() {
    let w = Sidecar::new().await;
    w.does(crate::rpc::requests::create_role("r")).await;
    w.grant("r", ("Search", "db1", "c1")).await;
    let root = Raw::root(&w.server).await;
    w.upstream.answers(RENAME, |_| Reply::ok(&[]));
    w.upstream.answers(DROP, |_| Reply::ok(&[]));
    root.unary(&path(RENAME), frame(&rename("db1", "c1", "c2", "db1"))).await;
    root.unary(&path(DROP), frame(&named("db1", "c2"))).await;
    let events = crate::audit::all(&w.server).await;
    let told = |number: usize| {
        let event = &events[events.len() - number];
        assert!(event.actor == "root" && event.peer.starts_with("127.0.0.1:"), "{event:?}");
        let changes: Vec<&str> = event.changes.iter().map(|change| &*change.name).collect();
        (event.command.as_str(), event.comment.as_str(), changes)
    };
    let on = |name| format!("PrivilegeSearch on Collection db1.{name} to role r");
    let (first, second) = (on("c1"), on("c2"));
    let renamed = "the Milvus behind the gate has renamed the collection";
    assert_eq!(told(2), ("CollectionRenamed", renamed, vec![&*first, &second]));
    let dropped = "the Milvus behind the gate has dropped the collection";
    assert_eq!(told(1), ("CollectionDropped", dropped, vec![&*second]));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_success() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    w.does(crate::rpc::requests::create_role("r")).await;
    w.grant("r", ("Search", "db1", "c1")).await;
    let before = w.grants("r").await;
    let compressed = [1, 0, 0, 0, 0];
    let damaged = [0, 0, 0, 0, 1, 0xff];
    for body in [&[][..], &compressed, &damaged] {
        let reply = Reply { body: bytes::Bytes::copy_from_slice(body), ..Reply::ok(&[]) };
        w.upstream.answers(DROP, move |_| reply.clone());
        let answer = root.unary(&path(DROP), frame(&named("db1", "c1"))).await;
        assert_eq!(answer.code, Code::Unavailable, "{body:?}");
        assert!(answer.text.contains("nobody knows"), "{body:?} {}", answer.text);
        assert_eq!(w.grants("r").await, before, "{body:?}");
    }
}

#[tokio::test]
async fn grants_go_and_move_with_their_collection_alone() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let late = Reply { trailers: Some(headers(&[("grpc-status", "13")])), ..Reply::ok(&[]) };
    let c1 = || named("db1", "c1");
    type Row = (&'static str, &'static str, Vec<u8>, Reply, Left);
    let rows: Vec<Row> = vec![
        (DROP, "", c1(), Reply::ok(&[]), Others),
        (
            DROP,
            "",
            c1(),
            Reply::message(&Status { reason: "ok".to_owned(), ..Default::default() }),
            Others,
        ),
        (DROP, "db1", named("", "c1"), Reply::ok(&[]), Others),
        (DROP, "db2", c1(), Reply::ok(&[]), Others),
        // The last of several counts, as in Milvus.
        (DROP, "", [named("db9", "c9"), c1()].concat(), Reply::ok(&[]), Others),
        // Not this one.
        (DROP, "", named("", "c1"), Reply::ok(&[]), All),
        (DROP, "", named("db1", "c"), Reply::ok(&[]), All),
        (DROP, "", named("db1", "*"), Reply::ok(&[]), All),
        (DROP, "", named("*", "c1"), Reply::ok(&[]), All),
        (DROP, "", named("db1", ""), Reply::ok(&[]), All),
        // Not done, or nobody knows.
        (DROP, "", c1(), failed(100, 0), All),
        (DROP, "", c1(), failed(0, 1), All),
        (DROP, "", c1(), Reply::status("14"), All),
        (DROP, "", c1(), late.clone(), All),
        (RENAME, "", rename("db1", "c1", "c3", ""), failed(65535, 1), All),
        (RENAME, "", rename("db1", "c1", "c3", "db1"), late, All),
        (RENAME, "", rename("db1", "c1", "c3", "db1"), Reply::ok(&[]), At("db1", "c3")),
        (RENAME, "db1", rename("", "c1", "c3", ""), Reply::ok(&[]), At("db1", "c3")),
        (RENAME, "db1", rename("db1", "c1", "c1", ""), Reply::ok(&[]), All),
        (RENAME, "db1", rename("db1", "c1", "*", ""), Reply::ok(&[]), Others),
        (RENAME, "db1", rename("db1", "*", "c3", ""), Reply::ok(&[]), All),
        // Other calls do nothing to it.
        ("TruncateCollection", "", c1(), Reply::ok(&[]), All),
        ("DropPartition", "", [c1(), text(4, "p1")].concat(), Reply::ok(&[]), All),
        ("DropAlias", "", [text(2, "db1"), text(3, "c1")].concat(), Reply::ok(&[]), All),
        ("DropDatabase", "", text(2, "db1"), Reply::ok(&[]), All),
    ];
    let own = ["Search", "Insert", "CollectionReadOnly", "*"];
    let others = [
        ("Search", "db2", "c1"),
        ("Search", "db1", "*"),
        ("*", "db1", "c2"),
        ("ClusterAdmin", "*", "*"),
    ];
    for (i, (method, connection, message, reply, left)) in rows.into_iter().enumerate() {
        let row = format!("{i}: {method} {left:?} {reply:?}");
        let roles = [format!("r{i}_1"), format!("r{i}_2")];
        for role in &roles {
            w.does(crate::rpc::requests::create_role(role)).await;
            for privilege in own {
                w.grant(role, (privilege, "db1", "c1")).await;
            }
            for other in others {
                w.grant(role, other).await;
            }
        }
        let before = w.grants(&roles[0]).await;
        assert_eq!(before.len(), 8, "{before:?}");
        let is_own = |line: &&String| line.contains(" db1.c1 ");
        let mut expected: Vec<_> = match left {
            All => before.clone(),
            Others | At(..) => before.iter().filter(|line| !is_own(line)).cloned().collect(),
        };
        if let At(database, collection) = left {
            let to = format!(" {database}.{collection} ");
            expected.extend(before.iter().filter(is_own).map(|line| line.replace(" db1.c1 ", &to)));
            expected.sort();
        }
        let (answer, code) = (reply.clone(), reply.clone());
        w.upstream.answers(method, move |_| answer.clone());
        let revision_before = w.revision(&root).await;
        let caller = if connection.is_empty() {
            root.clone()
        } else {
            root.with("dbname", connection.as_bytes())
        };
        let answer = caller.unary(&path(method), frame(&message)).await;
        // What the upstream said is what the caller hears.
        assert_eq!(answer.body, code.body, "{row}");
        let raised = u64::from(!matches!(left, All));
        assert_eq!(revision(&answer), revision_before + raised, "{row}");
        assert_eq!(w.revision(&root).await, revision_before + raised, "{row}");
        for role in &roles {
            let mut grants = w.grants(role).await;
            grants.sort();
            let mut expected = expected.clone();
            expected.sort();
            assert_eq!(grants, expected, "{row}");
        }
        for role in roles {
            w.does(crate::rpc::requests::drop_role(&role, true)).await;
        }
    }
}

#[tokio::test]
async fn into_another_database_they_move_if_the_collection_did() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    // What the upstream says of the id, before and after: under which name it is found.
    let ids: &[(&str, &str, u64, u64, &str)] = &[
        ("db2", "", 7, 7, "Collection db2.c3 Search by root"),
        // Milvus Lite renames it where it is; another collection may be there.
        ("db2", "", 7, 8, ""),
        ("db2", "", 7, 0, ""),
        ("db2", "", 0, 0, ""),
        // Some versions take the database of the connection, others that of the request.
        ("", "db2", 7, 7, "Collection db2.c3 Search by root"),
        ("", "db2", 7, 0, ""),
    ];
    for (i, (into, connection, before, after, left)) in ids.iter().enumerate() {
        let role = format!("r{i}");
        w.does(crate::rpc::requests::create_role(&role)).await;
        w.grant(&role, ("Search", "db1", "c1")).await;
        let (before, after) = (*before, *after);
        w.upstream.answers("DescribeCollection", move |call| {
            let asked = call.message::<DescribeCollectionRequest>();
            match (asked.db_name.as_str(), asked.collection_name.as_str()) {
                ("db1", "c1") => Reply::ok(&number(3, before)),
                ("db2", "c3") => Reply::ok(&number(3, after)),
                _ => Reply::status("5"),
            }
        });
        let caller = if connection.is_empty() {
            root.clone()
        } else {
            root.with("dbname", connection.as_bytes())
        };
        w.allows(&caller, RENAME, &rename("db1", "c1", "c3", into)).await;
        assert_eq!(w.grants(&role).await.join(""), *left, "{i}");
        w.does(crate::rpc::requests::drop_role(&role, true)).await;
    }
}

#[tokio::test]
async fn what_an_alias_stands_for_is_what_is_dropped() {
    let w = Sidecar::new().await;
    w.upstream.answers("DescribeAlias", |call| {
        let alias = call.message::<DescribeAliasRequest>().alias;
        let collection = if alias == "a1" { "c1".to_owned() } else { String::new() };
        Reply::message(&DescribeAliasResponse { collection, ..Default::default() })
    });
    let root = Raw::root(&w.server).await;
    w.user("u1", &[("Search", "default", "c1"), ("Search", "default", "c2")]).await;
    // Milvus refuses this, Milvus Lite does it.
    w.allows(&root, DROP, &named("", "a1")).await;
    assert_eq!(w.grants("u1").await, ["Collection default.c2 Search by root"]);
}

#[tokio::test]
async fn a_new_collection_of_the_name_is_closed_from_the_next_call_on() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let user = w.user("u1", &[]).await;
    for _ in 0..50 {
        w.grant("u1", ("Search", "default", "c1")).await;
        w.allows(&user, "Search", &named("", "c1")).await;
        w.allows(&root, RENAME, &rename("", "c1", "c2", "")).await;
        w.denies(&user, "Search", &named("", "c1")).await;
        w.allows(&user, "Search", &named("", "c2")).await;
        w.allows(&root, DROP, &named("", "c2")).await;
        w.denies(&user, "Search", &named("", "c2")).await;
    }
}

#[tokio::test]
async fn a_caller_who_is_gone_keeps_no_grant_alive() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    w.user("u1", &[("Search", "default", "c1")]).await;
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = (asked.clone(), go.clone());
    w.upstream.serves(DROP, move |_| {
        let (asked, go) = held.clone();
        async move {
            asked.notify_one();
            go.notified().await;
            Reply::ok(&[]).into_response()
        }
    });
    let call = tokio::spawn(async move { root.unary(&path(DROP), frame(&named("", "c1"))).await });
    asked.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    go.notify_one();
    until("the grant is gone", async || w.grants("u1").await.is_empty()).await;
}

#[tokio::test]
async fn a_caller_whose_time_is_over_keeps_no_grant_alive() {
    let w = Sidecar::new().await;
    let caller = Raw::root(&w.server).await.with("grpc-timeout", b"0000000500m");
    w.user("u1", &[("Search", "default", "c1")]).await;
    let (send, frames) = pipe();
    let frames = Arc::new(Mutex::new(Some(frames)));
    w.upstream.serves(DROP, move |_| {
        let frames = frames.lock().unwrap().take().unwrap();
        async move { streamed(frames) }
    });
    let answer = caller.unary(&path(DROP), frame(&named("", "c1"))).await;
    assert_eq!(answer.code, Code::DeadlineExceeded, "{}", answer.text);
    assert_eq!(w.grants("u1").await.len(), 1);
    send.send(Frame::data(frame(&[]))).await.unwrap();
    send.send(Frame::trailers(headers(&[("grpc-status", "0")]))).await.unwrap();
    drop(send);
    until("the grant is gone", async || w.grants("u1").await.is_empty()).await;
}

#[tokio::test]
async fn whoever_may_drop_takes_the_grants_along() {
    for flags in [&["--audit-only"][..], &["--authorization", "off"]] {
        let w = Sidecar::with(flags).await;
        let user = w.user("u1", &[("Search", "default", "c1")]).await;
        w.allows(&user, DROP, &named("", "c1")).await;
        assert_eq!(w.grants("u1").await, [""; 0], "{flags:?}");
    }
    let w = Sidecar::new().await;
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    w.denies(&user, DROP, &named("", "c1")).await;
    assert_eq!(w.grants("u1").await.len(), 1);
    // Larger than such calls are.
    let root = Raw::root(&w.server).await;
    let large = [named("", "c1"), text(9, "x".repeat(64 << 10))].concat();
    w.refuses(&root, DROP, frame(&large), Code::ResourceExhausted).await;
}

/// A gate in this process.
pub(crate) fn gate(engine: Engine, upstream: &str) -> Gate {
    let behind = Behind::new(upstream.parse().unwrap(), None, Credentials::None);
    let options = Options {
        authorization: false,
        audit_only: false,
        audit_allowed: 0,
        resolve_aliases: false,
        ext_authz: false,
    };
    let passwords = Passwords::new(4).unwrap();
    Gate::new(engine, passwords, Arc::default(), Some(Arc::new(behind)), None, options)
}

async fn ask(gate: &Gate, method: &str, message: &[u8]) -> Status {
    let body = Body::new(Full::new(frame(message)));
    let mut request = Request::post(path(method)).body(body).unwrap();
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = guard(gate, Router::new(), request).await;
    let answer = answer.into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap().get("grpc-status").unwrap(), "0");
    Status::decode(answer.to_bytes().get(5..).unwrap()).unwrap()
}

/// A grant of Search on a collection.
pub(crate) fn grant(role: &str, collection: &str) -> Command {
    Command::OperatePrivilege(PrivilegeOperation {
        operation: Ok(MemberOperation::Add),
        role: role.to_owned(),
        grantor: "root".to_owned(),
        privilege: "Search".to_owned(),
        database: "default".to_owned(),
        target: Target::V2 { collection: collection.to_owned() },
    })
}

fn count(state: &State) -> usize {
    state.roles["r1"].grants.len()
}

#[tokio::test]
async fn a_success_that_could_not_be_followed_is_none() {
    let (store, upstream) = (Faulty::new(), Upstream::start().await);
    let (engine, _writer) = crate::engine::start(&store);
    let gate = gate(engine.clone(), &upstream.address.to_string());
    let seed = Command::Seed { root_password_hash: "x".into(), created: 1 };
    let role = Command::CreateRole { name: "r1".to_owned(), description: String::new() };
    for command in [seed, role, grant("r1", "c1"), grant("r1", "c2")] {
        engine.execute(command).await.unwrap();
    }
    let why = "the store failed, nothing was changed: service unavailable";
    let dropped =
        "dropped, but the grants on it may still be there: drop it once more, or revoke them";
    let renamed = "renamed, but the grants on it may still be those on the old name: \
                   rename it back and once more, or revoke and grant them";
    for (method, message, text) in
        [(DROP, named("", "c1"), dropped), (RENAME, rename("", "c1", "c3", ""), renamed)]
    {
        for fault in [Fault::RefuseCommit, Fault::LoseAnswerBeforeCommit] {
            store.then(&[fault]);
            let status = ask(&gate, method, &message).await;
            assert_eq!((status.code, status.error_code, status.retriable), (2, 1, true));
            assert_eq!(status.reason, format!("collection c1 is {text}: {why}"));
            assert_eq!(count(&engine.snapshot().state), 2);
        }
    }
    // Once more: it is mended. A commit that did happen is a success.
    store.then(&[Fault::LoseAnswerAfterCommit]);
    let status = ask(&gate, DROP, &named("", "c1")).await;
    assert_eq!((status.code, &*status.reason), (0, ""));
    assert_eq!(count(&engine.snapshot().state), 1);
    let status = ask(&gate, RENAME, &rename("", "c2", "c4", "")).await;
    assert_eq!((status.code, &*status.reason), (0, ""));
    let state = &engine.snapshot().state;
    assert!(state.roles["r1"].grants.keys().all(|grant| &*grant.object == "c4"));
    assert_eq!(count(state), 1);
}
