//! The directions between the rooms, held by reading the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file with its path below `src` and its text, tests left out.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                let text = fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                sources.push((name, product.to_owned()));
            }
        }
    }
    assert!(sources.len() > 30, "the sources were not found");
    sources
}

/// Fails for each source in `rooms` that holds one of `words`.
fn forbid(rooms: &[&str], words: &[&str]) {
    let mut checked = 0;
    for (name, text) in sources() {
        if rooms.iter().any(|room| name.starts_with(room)) {
            checked += 1;
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let found = words.iter().find(|word| line.contains(**word));
                assert_eq!(found, None, "{name}: {line}");
            }
        }
    }
    assert!(checked > 0, "{rooms:?} names no file");
}

/// All rooms but some.
fn but(exceptions: &[&str]) -> Vec<String> {
    let names = sources().into_iter().map(|(name, _)| name);
    names.filter(|name| !exceptions.iter().any(|e| name.starts_with(e))).collect()
}

fn forbid_but(exceptions: &[&str], words: &[&str]) {
    let rooms = but(exceptions);
    forbid(&rooms.iter().map(String::as_str).collect::<Vec<_>>(), words);
}

#[test]
fn the_domain_knows_no_wire_no_store_no_runtime_and_no_clock() {
    let words = [
        "tonic",
        "prost",
        "sled",
        "tokio",
        "axum",
        "hyper",
        "serde",
        "std::time",
        "std::fs",
        "std::net",
        "std::io",
        "std::thread",
        "crate::rpc",
        "crate::gate",
        "crate::engine",
        "crate::storage",
        "crate::app",
    ];
    forbid(&["model/", "authz"], &words);
    forbid(&["model/"], &["crate::authz"]);
    let words = words.iter().filter(|word| **word != "serde").copied();
    let beside = ["crate::passwords", "crate::cli"];
    forbid(&["policy/"], &words.chain(beside).collect::<Vec<_>>());
}

#[test]
fn stores_know_the_domain_alone() {
    // Some of them are clients themselves; what their records mean is none of the wire's business.
    let local = ["codec", "memory.rs", "mod.rs", "records.rs", "sled", "etcd/layout", "trail"];
    let local = local.map(|f| format!("storage/{f}"));
    forbid(&local.each_ref().map(String::as_str), &["tonic", "tokio"]);
    forbid(&["storage/etcd"], &["crate::rpc"]);
    // What it asks another instance is said in messages, and no more.
    forbid(&["storage/follow"], &["crate::rpc::status", "crate::rpc::codec", "rpc::Service"]);
    forbid(&["storage/"], &["crate::engine", "crate::gate", "crate::app"]);
    forbid(&["engine"], &["crate::rpc", "crate::gate", "crate::app", "tonic", "sled", "prost"]);
    forbid_but(&["storage/sled", "storage/conformance.rs"], &["sled::Config", "sled::Db"]);
    let stores = ["SledStore", "MemoryStore", "EtcdStore", "FollowStore"];
    forbid_but(&["app.rs", "app/copy.rs", "app/reset.rs", "storage/"], &stores);
}

#[test]
fn errors_become_statuses_in_one_file() {
    let made = [
        "Status::internal",
        "Status::unauthenticated",
        "Status::permission_denied",
        "Status::invalid_argument",
        "Status::unimplemented",
        "Status::unavailable",
        "Status::resource_exhausted",
        "Status::deadline_exceeded",
        "Status::new",
        "error_code:",
    ];
    forbid_but(&["rpc/status.rs"], &made);
}

#[test]
fn only_the_gate_makes_callers() {
    forbid_but(&["gate/mod.rs"], &["Caller {"]);
}

#[test]
fn files_stay_readable() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{name} has {lines} lines");
    }
}
