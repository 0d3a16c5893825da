//! In which database a call acts: the one that its message names, else that of the connection,
//! else `default`; and the upstream cannot think otherwise.

use tonic::Code;

use super::fields::{named, text};
use super::{Sidecar, path};
use crate::rpc::raw::{Raw, frame};

#[tokio::test]
async fn the_message_before_the_connection_before_default() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[("Search", "db1", "c1")]).await;
    let rows = [
        (Some("db1"), "db1", true),
        (Some("db1"), "", true),
        (Some("db1"), "db2", false),
        (Some("db1"), "default", false),
        (Some("db2"), "db1", true),
        (Some("db2"), "", false),
        (None, "db1", true),
        (None, "", false),
        (Some("default"), "db1", true),
        (Some("*"), "", false),
        (Some("DB1"), "", false),
        (Some(" db1"), "", false),
        (None, "db1 ", false),
    ];
    for (header, named_, allowed) in rows {
        let caller = match header {
            Some(name) => user.with("dbname", name.as_bytes()),
            None => user.clone(),
        };
        let message = named(named_, "c1");
        if allowed {
            w.allows(&caller, "Search", &message).await;
        } else {
            w.denies(&caller, "Search", &message).await;
        }
    }
}

/// What goes on of `message`, sent over a connection for db1.
async fn forwarded(w: &Sidecar, caller: &Raw, method: &str, message: &[u8]) -> (Vec<u8>, String) {
    let caller = caller.with("dbname", b"db1");
    let answer = caller.unary(&path(method), frame(message)).await;
    assert_eq!(answer.code, Code::Ok, "{method}: {}", answer.text);
    let call = w.upstream.call();
    (call.body.to_vec(), call.header("dbname").unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_message_names_the_database_that_was_checked() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let added = |message: &[u8], field: u32| frame(&[message, &text(field, "db1")].concat());
    // The field of the database differs from call to call.
    for (method, field, message) in [
        ("Search", 2, text(3, "c1")),
        ("Insert", 2, named("", "c1")),
        ("GetLoadState", 4, text(2, "c1")),
        ("GetReplicas", 5, text(4, "c1")),
        ("Import", 7, text(1, "c1")),
        ("ListImportTasks", 3, text(1, "c1")),
        ("GetPersistentSegmentInfo", 2, text(3, "c1")),
        ("BatchDescribeCollection", 1, text(2, "c1")),
        ("Flush", 2, text(3, "c1")),
        ("DescribeCollection", 2, text(3, "c1")),
        ("CreateCollection", 2, text(3, "c1")),
        ("ShowCollections", 2, Vec::new()),
        ("DescribeDatabase", 2, Vec::new()),
        ("AlterDatabase", 2, Vec::new()),
        ("RunAnalyzer", 6, Vec::new()),
    ] {
        let (body, header) = forwarded(&w, &root, method, &message).await;
        assert_eq!((&body[..], &*header), (&added(&message, field)[..], "db1"), "{method}");
        // What names one already stays as it is.
        let message = [message, text(field, "db2")].concat();
        let (body, _) = forwarded(&w, &root, method, &message).await;
        assert_eq!(body, frame(&message), "{method}");
    }
    // Without a header there is nothing to add.
    w.upstream.calls();
    root.unary(&path("Search"), frame(&text(3, "c1"))).await;
    assert_eq!(w.upstream.call().body, frame(&text(3, "c1")));
}

#[tokio::test]
async fn calls_on_the_instance_take_no_database_of_the_connection() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    for method in ["CreateDatabase", "DropDatabase", "FlushAll", "TransferReplica"] {
        let (body, _) = forwarded(&w, &root, method, &[]).await;
        assert_eq!(body, frame(&[]), "{method}");
    }
    // Nor does it matter where their privilege was granted.
    for (i, database) in ["default", "*", "db2"].into_iter().enumerate() {
        let user = w.user(&format!("u{i}"), &[("CreateDatabase", database, "*")]).await;
        for header in ["db1", "db2", "default"] {
            let caller = user.with("dbname", header.as_bytes());
            w.allows(&caller, "CreateDatabase", &text(2, "db9")).await;
            let denied = w.denies(&caller, "DropDatabase", &text(2, "db9")).await;
            let text = "PrivilegeDropDatabase: permission deny to";
            assert_eq!(denied, format!("{text} u{i} in the `*` database"));
        }
    }
}

#[tokio::test]
async fn what_moves_to_another_database_needs_them_all() {
    let w = Sidecar::new().await;
    let rename =
        |from: &str, to: &str| [text(2, from), text(3, "c1"), text(4, "c2"), text(5, to)].concat();
    let restore =
        |from: &str, to: &str| [text(3, from), text(4, "c1"), text(6, to), text(7, "c2")].concat();
    type Message<'a> = &'a dyn Fn(&str, &str) -> Vec<u8>;
    let rows: [(&str, Message<'_>, (&str, &str)); 2] = [
        ("RenameCollection", &rename, ("db1", "db2")),
        ("RestoreSnapshot", &restore, ("db1", "db2")),
    ];
    for (method, message, (from, to)) in rows {
        let (one, all) = (format!("{method}_1"), format!("{method}_2"));
        let two = [(method, from, "*"), (method, to, "*")];
        let two = w.user(&one, &two).await.with("dbname", from.as_bytes());
        let all = w.user(&all, &[(method, "*", "*")]).await.with("dbname", from.as_bytes());
        // RenameCollection acts on the instance where the privilege is one of the instance.
        let crossing = [message(from, to), message("", to), message(to, "")];
        for message in [message(from, from), message(from, ""), message("", ""), message(to, to)] {
            w.allows(&two, method, &message).await;
            w.allows(&all, method, &message).await;
        }
        for message in crossing {
            let denied = w.denies(&two, method, &message).await;
            assert!(denied.ends_with("in the `*` database"), "{denied}");
            w.allows(&all, method, &message).await;
        }
    }
}
