//! Names that some Milvus would take for a path.

use tonic::Code;

use super::Sidecar;
use super::fields::{named, text};
use crate::rpc::raw::{Raw, frame};

const PATHS: [&str; 12] =
    ["/", "a/b", "../a", "..", ".", "a\\b", "\\", "a\0b", "\0", "a\nb", "c1/../c2", "/etc/passwd"];

/// Where a name stands in a request.
type Place = (&'static str, fn(&str) -> Vec<u8>);

const PLACES: [Place; 22] = [
    ("Search", |name| named("", name)),
    ("Search", |name| named(name, "c1")),
    ("Search", |name| [named("", "c1"), text(4, name)].concat()),
    ("Search", |name| [named("", "c1"), text(4, "p1"), text(4, name), text(4, "p2")].concat()),
    // The last one counts, but another reader may disagree.
    ("Search", |name| [named("", name), named("", "c1")].concat()),
    ("Insert", |name| [named("", "c1"), text(4, name)].concat()),
    ("HybridSearch", |name| [named("", "c1"), text(5, named("", name))].concat()),
    ("HybridSearch", |name| [named("", "c1"), text(5, named(name, "c1"))].concat()),
    ("HybridSearch", |name| {
        [named("", "c1"), text(5, named("", "c1")), text(5, text(4, name))].concat()
    }),
    ("CreateAlias", |name| [named("", "c1"), text(4, name)].concat()),
    ("DropAlias", |name| text(3, name)),
    ("DescribeAlias", |name| text(3, name)),
    ("CreateCollection", |name| named("", name)),
    ("DropCollection", |name| named("", name)),
    ("CreateDatabase", |name| text(2, name)),
    ("DropDatabase", |name| text(2, name)),
    ("Flush", |name| [text(3, "c1"), text(3, name)].concat()),
    ("FlushAll", |name| text(3, [text(1, "default"), text(2, name)].concat())),
    ("RenameCollection", |name| [text(3, "c1"), text(4, name)].concat()),
    ("RenameCollection", |name| [text(3, "c1"), text(4, "c2"), text(5, name)].concat()),
    ("RestoreSnapshot", |name| [text(4, "c1"), text(7, name)].concat()),
    ("CreatePartition", |name| [named("", "c1"), text(4, name)].concat()),
];

#[tokio::test]
async fn names_are_no_paths() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    for (method, message) in PLACES {
        for name in PATHS {
            let answer =
                w.refuses(&root, method, frame(&message(name)), Code::InvalidArgument).await;
            assert!(answer.text.ends_with("is not the name of anything"), "{}", answer.text);
        }
        w.allows(&root, method, &message("a..b")).await;
    }
}

#[tokio::test]
async fn the_database_of_the_connection_is_no_path() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    for name in ["/", "a/b", "..", ".", "a\\b", "a\tb", &"d".repeat(256)] {
        let caller = root.with("dbname", name.as_bytes());
        for method in ["Search", "GetVersion", "DumpMessages", "ListDatabases"] {
            w.refuses(&caller, method, frame(&[]), Code::InvalidArgument).await;
        }
    }
    for name in [&b"\xff"[..], "données".as_bytes()] {
        let caller = root.with("dbname", name);
        w.refuses(&caller, "Search", frame(&[]), Code::InvalidArgument).await;
    }
    w.allows(&root.with("dbname", b"a..b"), "Search", &[]).await;
}
