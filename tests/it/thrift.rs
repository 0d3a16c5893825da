//! What a start and idleness do not cost.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;

use crate::support::{LIMIT, Server, command, sled_url};

/// What `/proc` tells in `file` of each thread that is called `name`.
fn threads(server: &Server, name: &str, file: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let paths = threads.map(|thread| thread.unwrap().path());
    let ours = paths
        .filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name));
    ours.map(|path| fs::read_to_string(path.join(file)).unwrap()).collect()
}

/// Processor time of the threads that hash passwords.
fn hashing(server: &Server) -> Duration {
    let stats = threads(server, "passwords", "schedstat");
    assert!(!stats.is_empty());
    let nanos = stats.iter().map(|stat| stat.split(' ').next().unwrap().parse::<u64>().unwrap());
    Duration::from_nanos(nanos.sum())
}

/// Less than any hash takes at the default cost.
const NO_HASH: Duration = Duration::from_millis(10);

async fn logs_in(server: &Server, password: &str) -> bool {
    let mut root = server.client("root", password).await;
    root.get_version(GetVersionRequest::default()).await.is_ok()
}

/// bcrypt's cost where nobody says otherwise.
const COST: &[&str] = &["--bcrypt-cost", "10"];

/// A server on a store in `folder`, beside its log.
fn start(folder: &Path, flags: &[&str]) -> Server {
    let mut command = command(&sled_url(&folder.join("store")));
    command.args(flags);
    command.stderr(File::create(folder.join("log")).unwrap());
    Server::run(&mut command)
}

fn warned(folder: &Path) -> bool {
    fs::read_to_string(folder.join("log")).unwrap().contains("default password")
}

#[tokio::test]
async fn the_default_password_is_known_and_warned_of_without_a_hash() {
    let folder = TempDir::new().unwrap();
    for _ in ["new store", "old store"] {
        let server = start(folder.path(), COST);
        assert!(warned(folder.path()));
        assert!(logs_in(&server, "Milvus").await);
        assert!(hashing(&server) < NO_HASH, "{:?}", hashing(&server));
        assert!(!logs_in(&server, "milvus").await);
        assert!(hashing(&server) > NO_HASH, "{:?}", hashing(&server));
        assert_eq!(server.stop().code(), Some(0));
    }
}

#[tokio::test]
async fn a_root_that_was_just_made_needs_no_second_hash() {
    let folder = TempDir::new().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "not the default").unwrap();
    let flags = [COST, &["--root-password-file", password.to_str().unwrap()]].concat();
    let server = start(folder.path(), &flags);
    let seeding = hashing(&server);
    assert!(logs_in(&server, "not the default").await);
    assert!(hashing(&server) - seeding < NO_HASH, "{:?} after {seeding:?}", hashing(&server));
    assert!(!logs_in(&server, "Milvus").await);
    assert_eq!(server.stop().code(), Some(0));
    // A start that knows nothing of the password leaves the first hash to the first login.
    let server = start(folder.path(), &flags);
    assert!(hashing(&server) < NO_HASH, "{:?}", hashing(&server));
    assert!(logs_in(&server, "not the default").await);
    assert!(hashing(&server) > NO_HASH, "{:?}", hashing(&server));
}

#[tokio::test]
async fn a_default_password_behind_another_hash_is_found_later() {
    let folder = TempDir::new().unwrap();
    assert_eq!(start(folder.path(), &[]).stop().code(), Some(0));
    let _server = start(folder.path(), COST);
    let started = Instant::now();
    while !warned(folder.path()) {
        assert!(started.elapsed() < LIMIT, "no warning");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How often the threads called `name` were woken.
fn wakes(server: &Server, name: &str) -> u64 {
    let all = threads(server, name, "status");
    assert!(!all.is_empty(), "no thread is called {name}");
    let lines = all.iter().flat_map(|status| status.lines());
    let wakes = lines.filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    wakes.map(|wakes| wakes.trim().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn who_looks_after_the_store_sleeps_while_nothing_happens() {
    let folder = TempDir::new().unwrap();
    let server = Server::on_sled(folder.path());
    let mut root = server.root().await;
    let request = CreateDatabaseRequest { db_name: "db".to_owned(), ..Default::default() };
    assert_eq!(root.create_database(request).await.unwrap().into_inner().code, 0);
    for name in ["keeper", "rouser", "writer"] {
        let started = Instant::now();
        loop {
            let before = wakes(&server, name);
            tokio::time::sleep(Duration::from_secs(2)).await;
            if wakes(&server, name) == before {
                break;
            }
            assert!(started.elapsed() < LIMIT, "{name} never rests");
        }
    }
}
