//! Other names of collections: what was granted on a collection covers them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milvus_rbac::rpc::proto::access::holder::Holder as Who;
use milvus_rbac::rpc::proto::access::question::{Asked, Subject};
use milvus_rbac::rpc::proto::access::{CheckRequest, ExplainRequest, Question, WhoCanRequest};
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::*;
use tokio::sync::Notify;
use tonic::Code;

use super::fields::{named, text};
use super::upstream::{Reply, Upstream};
use super::{Sidecar, path, until};
use crate::rpc::answers::access;
use crate::rpc::raw::{Raw, frame};
use crate::rpc::requests::{grants_of, grants_on, line};

/// Aliases by database and name.
type Known = Arc<Mutex<HashMap<(String, String), String>>>;

/// Has the upstream know aliases, and move them when it is asked to.
fn knows(upstream: &Upstream, aliases: &[(&str, &str, &str)]) -> Known {
    let all = aliases.iter().map(|(database, alias, collection)| {
        (((*database).to_owned(), (*alias).to_owned()), (*collection).to_owned())
    });
    let known: Known = Arc::new(Mutex::new(all.collect()));
    let asked = known.clone();
    upstream.answers("DescribeAlias", move |call| {
        let DescribeAliasRequest { db_name, alias } = call.message();
        let found = asked.lock().unwrap().get(&(db_name.clone(), alias.clone())).cloned();
        let Some(collection) = found else {
            let status = Status { code: 1600, error_code: 1, ..Default::default() };
            return Reply::message(&DescribeAliasResponse {
                status: Some(status),
                ..Default::default()
            });
        };
        Reply::message(&DescribeAliasResponse {
            status: Some(Status::default()),
            db_name,
            alias,
            collection,
        })
    });
    let moved = known.clone();
    upstream.answers("AlterAlias", move |call| {
        let AlterAliasRequest { db_name, collection_name, alias } = call.message();
        let database = if db_name.is_empty() { "default".to_owned() } else { db_name };
        moved.lock().unwrap().insert((database, alias), collection_name);
        Reply::message(&Status::default())
    });
    known
}

fn alter(alias: &str, collection: &str) -> Vec<u8> {
    [named("", collection), text(4, alias)].concat()
}

#[tokio::test]
async fn a_grant_covers_the_aliases_of_its_collection() {
    let w = Sidecar::new().await;
    knows(&w.upstream, &[("default", "a1", "c1"), ("default", "a2", "c2"), ("db2", "a2", "c1")]);
    let user = w.user("u1", &[("Search", "default", "c1"), ("Flush", "default", "c1")]).await;
    for collection in ["c1", "a1"] {
        w.allows(&user, "Search", &named("", collection)).await;
    }
    for message in [named("", "c2"), named("", "a2"), named("db2", "a2"), named("db2", "a1")] {
        w.denies(&user, "Search", &message).await;
    }
    // What goes on is what was sent.
    user.unary(&path("Search"), frame(&named("", "a1"))).await;
    assert_eq!(w.upstream.call().body, frame(&named("", "a1")));
    // Each name of many.
    w.allows(&user, "Flush", &[text(3, "a1"), text(3, "c1")].concat()).await;
    w.denies(&user, "Flush", &[text(3, "a1"), text(3, "a2")].concat()).await;
    // `public` may, everywhere: nothing needs to be looked up for that.
    let before = w.upstream.lookups("DescribeAlias");
    w.allows(&user, "DescribeIndex", &named("", "a7")).await;
    assert_eq!(w.upstream.lookups("DescribeAlias"), before);
    // A grant on the alias itself is one on the collection.
    w.grant("u1", ("Query", "default", "a2")).await;
    w.allows(&user, "Query", &named("", "c2")).await;
}

/// Questions are about what the names in them stand for, as calls are.
#[tokio::test]
async fn questions_are_about_the_collection_of_an_alias() {
    let w = Sidecar::new().await;
    knows(&w.upstream, &[("default", "a1", "c1"), ("default", "a2", "c2")]);
    w.user("u1", &[("Search", "default", "c1")]).await;
    let root = access(&w.server, "root", "Milvus").await;
    let question = |name: &str, privilege: &str, collection: &str| Question {
        subject: Some(Subject::User(name.to_owned())),
        asked: Some(Asked::Privilege(privilege.to_owned())),
        collection_name: collection.to_owned(),
        ..Question::default()
    };
    let search = |collection| question("u1", "Search", collection);
    let questions = ["c1", "a1", "c2", "a2"].map(search).to_vec();
    let told = root.clone().check(CheckRequest { questions }).await.unwrap().into_inner();
    let allowed: Vec<_> = told.verdicts.iter().map(|verdict| verdict.allowed).collect();
    assert_eq!(allowed, [true, true, false, false]);
    let request = ExplainRequest { question: Some(search("a2")) };
    let told = root.clone().explain(request).await.unwrap().into_inner();
    assert_eq!(told.requirements[0].object_name, "c2");
    let request = WhoCanRequest { question: Some(Question { subject: None, ..search("a1") }) };
    let mut told = root.clone().who_can(request).await.unwrap().into_inner();
    let holders = told.message().await.unwrap().unwrap().holders;
    assert!(holders.iter().any(|holder| holder.holder == Some(Who::Role("u1".to_owned()))));
    // What one may nowhere, and what one may everywhere, need not be looked up.
    let before = w.upstream.lookups("DescribeAlias");
    let questions = vec![question("u1", "Insert", "a3"), question("root", "Search", "a3")];
    root.clone().check(CheckRequest { questions }).await.unwrap();
    assert_eq!(w.upstream.lookups("DescribeAlias"), before);
}

#[tokio::test]
async fn a_move_through_the_gate_is_in_force_for_the_next_call() {
    let w = Sidecar::new().await;
    knows(&w.upstream, &[("default", "a", "c1")]);
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    let root = Raw::root(&w.server).await;
    for _ in 0..100 {
        w.allows(&user, "Search", &named("", "a")).await;
        w.allows(&root, "AlterAlias", &alter("a", "c2")).await;
        w.denies(&user, "Search", &named("", "a")).await;
        w.allows(&root, "AlterAlias", &alter("a", "c1")).await;
    }
}

#[tokio::test]
async fn what_was_looked_up_during_a_move_does_not_outlast_it() {
    let w = Sidecar::new().await;
    let known = knows(&w.upstream, &[("default", "a", "c1")]);
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    // A client that waits for the end of the move, and one that gives up.
    for waits in [true, false] {
        known.lock().unwrap().insert(("default".into(), "a".into()), "c1".into());
        w.allows(&Raw::root(&w.server).await, "CreateAlias", &alter("b", "c1")).await;
        let (moved, began) = (known.clone(), Arc::new(Notify::new()));
        let (go_on, arrived) = (Arc::new(Notify::new()), began.clone());
        let goes_on = go_on.clone();
        w.upstream.serves("AlterAlias", move |_| {
            let (moved, goes_on) = (moved.clone(), goes_on.clone());
            arrived.notify_one();
            async move {
                goes_on.notified().await;
                moved.lock().unwrap().insert(("default".into(), "a".into()), "c2".into());
                if !waits {
                    std::future::pending().await
                }
                Reply::message(&Status::default()).into_response()
            }
        });
        let root = Raw::root(&w.server).await;
        let message = frame(&alter("a", "c2"));
        let call = tokio::spawn(async move { root.unary(&path("AlterAlias"), message).await });
        began.notified().await;
        w.allows(&user, "Search", &named("", "a")).await;
        go_on.notify_one();
        if waits {
            assert_eq!(call.await.unwrap().code, Code::Ok);
            w.denies(&user, "Search", &named("", "a")).await;
            continue;
        }
        until("moved", async || known.lock().unwrap().values().any(|name| name == "c2")).await;
        call.abort();
        let took = until("denied", async || {
            let answer = user.unary(&path("Search"), frame(&named("", "a"))).await;
            answer.code == Code::PermissionDenied
        })
        .await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn a_move_behind_the_gate_is_in_force_within_seconds() {
    let w = Sidecar::new().await;
    let known = knows(&w.upstream, &[("default", "a", "c1")]);
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    for (collection, code) in [("c2", Code::PermissionDenied), ("c1", Code::Ok)] {
        user.unary(&path("Search"), frame(&named("", "a"))).await;
        known.lock().unwrap().insert(("default".into(), "a".into()), collection.into());
        let took = until("moved", async || {
            user.unary(&path("Search"), frame(&named("", "a"))).await.code == code
        })
        .await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn names_are_looked_up_once_and_only_where_it_matters() {
    let w = Sidecar::new().await;
    knows(&w.upstream, &[("default", "a", "c1")]);
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    let lookups = || w.upstream.lookups("DescribeAlias");
    // One for the grant.
    assert_eq!(lookups(), 1);
    // Once the login is remembered, so that no more of them wait than may.
    w.allows(&user, "GetVersion", &[]).await;
    let calls = (0..200).map(|_| {
        let (user, name) = (user.clone(), frame(&named("", "a")));
        tokio::spawn(async move { user.unary(&path("Search"), name).await.code })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Code::Ok);
    }
    assert_eq!(lookups(), 2);
    // Not for those who may act on all, nor for those who may act on none.
    let all = w.user("u2", &[("Search", "default", "*")]).await;
    let none = w.user("u3", &[("Query", "default", "*")]).await;
    let before = lookups();
    for i in 0..50 {
        let message = frame(&named("", &format!("x{i}")));
        for (caller, code) in [(&all, Code::Ok), (&none, Code::PermissionDenied)] {
            assert_eq!(caller.unary(&path("Search"), message.clone()).await.code, code);
        }
        let root = Raw::root(&w.server).await;
        assert_eq!(root.unary(&path("Search"), message).await.code, Code::Ok);
    }
    // Nor for what is no name, which is too long.
    let long = frame(&named("", &"x".repeat(300)));
    assert_eq!(user.unary(&path("Search"), long).await.code, Code::PermissionDenied);
    assert_eq!(lookups(), before);
}

#[tokio::test]
async fn one_request_does_not_have_many_names_looked_up() {
    let w = Sidecar::new().await;
    knows(&w.upstream, &[]);
    let user = w.user("u1", &[("Flush", "default", "c1")]).await;
    // Nothing that the grant had looked up counts any more.
    w.allows(&Raw::root(&w.server).await, "CreateAlias", &alter("a", "c1")).await;
    let before = w.upstream.lookups("DescribeAlias");
    let many = |n: usize| (0..n).flat_map(|i| text(3, format!("x{i}"))).collect::<Vec<_>>();
    w.denies(&user, "Flush", &[text(3, "c1"), many(1000)].concat()).await;
    assert_eq!(w.upstream.lookups("DescribeAlias") - before, 2);
    // Nor is more read of it than can be meant.
    let root = Raw::root(&w.server).await;
    w.allows(&root, "Flush", &many(65_536)).await;
    w.refuses(&root, "Flush", frame(&many(65_537)), Code::InvalidArgument).await;
}

#[tokio::test]
async fn without_an_answer_the_name_itself_counts() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    let not_found = DescribeAliasResponse {
        status: Some(Status { code: 1600, ..Default::default() }),
        collection: "c1".to_owned(),
        ..Default::default()
    };
    let replies = [
        Reply::status("12"),
        Reply::status("13"),
        Reply::status("16"),
        Reply::ok(&[0xff]),
        Reply::ok(&[]),
        Reply { body: bytes::Bytes::from_static(&[1, 2]), ..Reply::ok(&[]) },
        Reply::message(&not_found),
    ];
    for (i, reply) in replies.into_iter().enumerate() {
        w.upstream.answers("DescribeAlias", move |_| reply.clone());
        // Any change of names empties the cache.
        w.allows(&Raw::root(&w.server).await, "CreateAlias", &alter("a", "c1")).await;
        let before = w.upstream.lookups("DescribeAlias");
        w.allows(&user, "Search", &named("", "c1")).await;
        w.denies(&user, "Search", &named("", &format!("a{i}"))).await;
        assert!(w.upstream.lookups("DescribeAlias") > before);
    }
    // One that never answers holds up a call for a while, and no more.
    w.upstream.serves("DescribeAlias", |_| std::future::pending());
    w.allows(&Raw::root(&w.server).await, "CreateAlias", &alter("a", "c1")).await;
    let started = std::time::Instant::now();
    w.allows(&user, "Search", &named("", "c1")).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn aliases_can_be_left_alone() {
    let w = Sidecar::with(&["--resolve-aliases", "off"]).await;
    knows(&w.upstream, &[("default", "a", "c1")]);
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    w.denies(&user, "Search", &named("", "a")).await;
    w.grant("u1", ("Search", "default", "a")).await;
    w.allows(&user, "Search", &named("", "a")).await;
    assert_eq!(w.upstream.lookups("DescribeAlias"), 0);
}

#[tokio::test]
async fn grants_are_kept_under_the_real_name() {
    let w = Sidecar::new().await;
    knows(&w.upstream, &[("default", "a", "c1"), ("db2", "a", "c2")]);
    w.user("u1", &[("Search", "default", "a"), ("Search", "db2", "a")]).await;
    // In no database in particular, a name stands for itself.
    w.grant("u1", ("Query", "*", "*")).await;
    w.does(crate::rpc::requests::grant("u1", ("Collection", "a"), "Insert", "default")).await;
    let entities = async |request: SelectGrantRequest| {
        let grants = w.root.clone().select_grant(request).await.unwrap().into_inner().entities;
        let mut lines: Vec<_> = grants.iter().map(line).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        entities(grants_of("u1", "*")).await,
        [
            "Collection *.* Query by root",
            "Collection db2.c2 Search by root",
            "Collection default.c1 Insert by root",
            "Collection default.c1 Search by root",
        ]
    );
    // They are found, and revoked, by either name.
    for name in ["a", "c1"] {
        let found = entities(grants_on("u1", ("Collection", name), "default")).await;
        assert_eq!(found.len(), 2, "{name}: {found:?}");
    }
    w.revoke("u1", ("Search", "default", "a")).await;
    w.revoke("u1", ("Insert", "default", "c1")).await;
    assert_eq!(entities(grants_on("u1", ("Collection", "a"), "default")).await, [""; 0]);
}
