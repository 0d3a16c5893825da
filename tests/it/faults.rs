//! Disks that fail, fill up and hang: reads go on, changes get a clear error, readiness says so,
//! what was acknowledged stays and what was refused does not come, and all is well again once the
//! disk is, without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::*;
use milvus_rbac::storage::sled::SledStore;
use tempfile::TempDir;

use crate::crash::{FLAGS, Told, present, write};
use crate::durability::strace;
use crate::support::{
    Client, LIMIT, Server, command, http_get, missing, rounds, signal, sled_url, wait, wait_for,
};

fn ready(server: &Server) -> (u16, String) {
    http_get(&format!("http://{}/readyz", server.admin))
}

/// Waits for an answer of `/readyz`, for a bounded time.
async fn until_ready_says(server: &Server, code: u16, text: &str) {
    let until = Instant::now() + LIMIT;
    loop {
        let (found, body) = ready(server);
        if found == code && body.contains(text) {
            return;
        }
        assert!(Instant::now() < until, "{found} {body}, not {code} {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until(told: &Mutex<Told>, what: &str, seen: impl Fn(&Told) -> bool) {
    let until = Instant::now() + LIMIT;
    while !seen(&told.lock().unwrap()) {
        assert!(Instant::now() < until, "{what}: {:?}", told.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A read; it must not wait for the store.
async fn reads(client: &mut Client) {
    let started = Instant::now();
    client.select_role(SelectRoleRequest::default()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

async fn holds_what_it_said(server: &Server, told: &Mutex<Told>) {
    let (present, reached) = present(&mut server.root().await).await;
    told.lock().unwrap().check(&present, reached);
}

/// Faults that strace puts into the system calls of a running server.
const FAULTS: [(&str, &str); 7] = [
    ("the disk is full", "pwrite64,copy_file_range:error=ENOSPC"),
    ("the disk is read-only", "pwrite64,copy_file_range,fsync,fdatasync:error=EROFS"),
    ("no sync succeeds", "fsync,fdatasync:error=EIO"),
    ("one sync in three fails", "fdatasync:error=EIO:when=2+3"),
    ("one write in four fails", "pwrite64:error=EIO:when=3+4"),
    ("one write-back in four fails", "sync_file_range:error=EIO:when=2+4"),
    ("one call of any kind in three fails", "pwrite64,fsync,fdatasync,rename:error=EIO:when=2+3"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_loses_nothing_and_all_is_well_when_it_is() {
    if missing("strace") || missing("curl") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let store = sled_url(&folder.path().join("store"));
    let start = || Server::run(command(&store).args(FLAGS));
    let mut server = start();
    let told = Arc::new(Mutex::new(Told::default()));
    for round in 0..rounds("MILVUS_RBAC_FAULT_ROUNDS", 1) {
        for (number, (what, fault)) in FAULTS.into_iter().enumerate() {
            let mut root = server.root().await;
            let writer = format!("{round}_{number}");
            let writer = tokio::spawn(write(server.root().await, writer, told.clone()));
            let count = |told: &Told| told.acknowledged.len();
            let failed = |told: &Told| {
                told.unknown.len() + told.refused.iter().filter(|r| r.starts_with('r')).count()
            };
            let before = count(&told.lock().unwrap());
            let harm = failed(&told.lock().unwrap());
            until(&told, "no change was stored", |told| count(told) > before).await;
            let log = folder.path().join("strace");
            let inject = format!("inject={fault}");
            let (calls, rest) = fault.split_once(':').unwrap();
            let trace = format!("trace={calls}");
            let mut strace = strace(&server, &["-e", &trace, "-e", &inject], &log);
            // What fails for a moment is healed before it is seen.
            if rest.contains("when") {
                let injected = || fs::read_to_string(&log).unwrap_or_default().contains("INJECTED");
                until(&told, what, |_| injected()).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            } else {
                until(&told, what, |told| failed(told) > harm + 3).await;
                until_ready_says(&server, 503, "the store failed").await;
            }
            reads(&mut root).await;
            signal(strace.id(), "INT");
            wait(&mut strace);
            fs::remove_file(&log).unwrap();
            // By itself, without a restart.
            until_ready_says(&server, 200, "ok").await;
            let before = count(&told.lock().unwrap());
            until(&told, "changes do not go on", |told| count(told) > before + 3).await;
            writer.abort();
            let _ = writer.await;
            holds_what_it_said(&server, &told).await;
            println!("{what}: {:?} failed", failed(&told.lock().unwrap()) - harm);
        }
        server.kill();
        server = start();
        holds_what_it_said(&server, &told).await;
    }
}

/// What the system remembers after a failed sync it may never write, and it does not say so again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_sync_kept_is_not_trusted_by_the_next_process() {
    if missing("strace") || missing("curl") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    let server = Server::run(command(&sled_url(&store)).args(FLAGS));
    let told = Arc::new(Mutex::new(Told::default()));
    let writer = tokio::spawn(write(server.root().await, "w".to_owned(), told.clone()));
    until(&told, "no change was stored", |told| !told.acknowledged.is_empty()).await;
    let before = fs::metadata(store.join("db")).unwrap().ino();
    let flags = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"];
    let mut strace = strace(&server, &flags, &folder.path().join("strace"));
    until_ready_says(&server, 503, "the store failed").await;
    server.kill();
    wait(&mut strace);
    writer.abort();
    let _ = writer.await;
    let server = Server::run(command(&sled_url(&store)).args(FLAGS));
    assert_ne!(fs::metadata(store.join("db")).unwrap().ino(), before);
    assert!(!store.join("doubt").exists());
    holds_what_it_said(&server, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_disk_holds_up_changes_alone() {
    if missing("strace") || missing("curl") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let store = sled_url(&folder.path().join("store"));
    let server = Server::run(command(&store).args(FLAGS));
    let told = Arc::new(Mutex::new(Told::default()));
    let mut writers = Vec::new();
    for i in 0..4 {
        let client = server.patient("root", "Milvus").await;
        writers.push(tokio::spawn(write(client, format!("{i}"), told.clone())));
    }
    until(&told, "no change was stored", |told| !told.acknowledged.is_empty()).await;
    let mut root = server.root().await;
    let log = folder.path().join("strace");
    let hang = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=60000000"];
    let mut strace = strace(&server, &hang, &log);
    until_ready_says(&server, 503, "does not answer").await;
    reads(&mut root).await;
    let health = root.check_health(CheckHealthRequest::default()).await.unwrap().into_inner();
    assert_eq!(health.reasons, ["the store does not answer"]);
    // Those whose commit hangs, and those who wait behind it.
    let waited = Instant::now();
    while told.lock().unwrap().unknown.len() < writers.len() {
        assert!(waited.elapsed() < LIMIT * 2, "nobody was told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    reads(&mut root).await;
    signal(strace.id(), "KILL");
    wait(&mut strace);
    until_ready_says(&server, 200, "ok").await;
    let before = told.lock().unwrap().acknowledged.len();
    until(&told, "changes do not go on", |told| told.acknowledged.len() > before + 3).await;
    for writer in writers {
        writer.abort();
        let _ = writer.await;
    }
    holds_what_it_said(&server, &told).await;
    server.kill();
    let server = Server::run(command(&store).args(FLAGS));
    holds_what_it_said(&server, &told).await;
}

/// A server whose store is on a small disk of its own, in a name space where it can be mounted;
/// none where the kernel forbids it.
fn on_a_small_disk(folder: &Path, script: &str) -> Option<Command> {
    let mount = format!("mount -t tmpfs -o size=3m tmpfs '{}' && ", folder.display());
    let space = |rest: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(mount.clone() + rest);
        command
    };
    if !space("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("left out: no disk can be mounted");
        return None;
    }
    let server = command(&sled_url(&folder.join("store")));
    let mut command = space(&format!("{script} exec \"$0\" \"$@\""));
    command.arg(server.get_program()).args(FLAGS).env_clear().stdout(Stdio::piped());
    for (name, value) in server.get_envs() {
        command.env(name, value.unwrap());
    }
    command.env("PATH", std::env::var_os("PATH").unwrap());
    Some(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_left_behind() {
    let folder = TempDir::new().unwrap();
    let Some(mut command) = on_a_small_disk(folder.path(), "") else { return };
    let server = Server::run(&mut command);
    let mut root = server.root().await;
    let told = Arc::new(Mutex::new(Told::default()));
    let writer = tokio::spawn(write(server.root().await, "full".to_owned(), told.clone()));
    until(&told, "no change was stored", |told| !told.acknowledged.is_empty()).await;
    // The server's own view of the disk, which it alone has mounted.
    let disk = format!("/proc/{}/root{}", server.pid(), folder.path().display());
    let ballast = Path::new(&disk).join("ballast");
    let filled = fs::write(&ballast, vec![1; 4 << 20]);
    assert!(filled.is_err(), "the disk is not that small");
    until_ready_says(&server, 503, "the store failed").await;
    reads(&mut root).await;
    fs::remove_file(ballast).unwrap();
    until_ready_says(&server, 200, "ok").await;
    let before = told.lock().unwrap().acknowledged.len();
    until(&told, "changes do not go on", |told| told.acknowledged.len() > before).await;
    writer.abort();
    let _ = writer.await;
    holds_what_it_said(&server, &told).await;
}

#[test]
fn a_start_without_room_or_right_to_write_is_refused_with_a_text() {
    let full = "dd if=/dev/zero of=\"$F/ballast\" bs=64k 2>/dev/null;";
    for (script, text) in [
        ("mount -o remount,ro \"$F\" &&", "Read-only file system"),
        (full, "No space left on device"),
    ] {
        let folder = TempDir::new().unwrap();
        let Some(mut command) = on_a_small_disk(folder.path(), script) else { return };
        let mut child = command.env("F", folder.path()).stderr(Stdio::piped()).spawn().unwrap();
        let status = wait(&mut child);
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(status.code(), Some(1), "{told}");
        let folder = folder.path().to_str().unwrap();
        assert!(told.contains(text) && told.contains(folder), "{told}");
    }
}

/// A minute and some, in which the process sleeps.
#[test]
fn a_store_that_does_not_open_is_given_up_with_a_text() {
    let folder = TempDir::new().unwrap();
    // Whoever reads it waits for ever, as sled does on some damaged files.
    let fifo = folder.path().join("head");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    let patience = SledStore::patience(folder.path());
    let started = Instant::now();
    let mut child = command(&sled_url(folder.path())).stderr(Stdio::piped()).spawn().unwrap();
    let status = wait_for(&mut child, patience + LIMIT);
    assert!(started.elapsed() >= patience, "{:?}", started.elapsed());
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{told}");
    let text = format!(
        "the store is unavailable: {} was not open after {} s",
        folder.path().display(),
        patience.as_secs()
    );
    assert!(told.contains(&text) && told.contains("restore a backup"), "{told}");
    assert!(output.stdout.is_empty(), "it listens: {:?}", output.stdout);
}
