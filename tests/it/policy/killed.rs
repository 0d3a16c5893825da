//! A server that is killed while a document is applied holds all of it afterwards, or nothing.

use std::fmt::Write as _;
use std::time::Duration;

use super::cli::{Cli, text};
use crate::support::{Server, command, rounds, sled_url};

fn document(privilege: &str) -> String {
    let mut text = "roles:\n".to_owned();
    for role in 0..200 {
        let _ = writeln!(text, "  r{role}:\n    grants:");
        for collection in 0..10 {
            let _ = writeln!(
                text,
                "      - {{privilege: {privilege}, database: d, collection: c{collection}}}"
            );
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_it_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::run(command(&sled_url(folder.path())).args(["--max-roles", "0"]));
    let (mut old, mut new) = ("Search", "Query");
    let server = start();
    let cli = Cli::of(&server).file("d.yaml", &document(old));
    let applied = cli.run(&["apply", "-f", "d.yaml", "--yes", "--prune"]);
    assert!(applied.status.success(), "{:?}", String::from_utf8_lossy(&applied.stderr));
    let holds = |privilege: &str, export: &str| {
        let count = |p: &str| export.matches(&format!("privilege: {p},")).count();
        let other = if privilege == "Search" { "Query" } else { "Search" };
        (count(privilege), count(other)) == (2000, 0)
    };
    let mut server = Some(server);
    let (mut before, mut after) = (0, 0);
    let mut wait = Duration::from_millis(100);
    for round in 0..rounds("POLICY_KILLS", 6) {
        let running = server.take().unwrap();
        let cli = Cli::of(&running).file("d.yaml", &document(new));
        let applying = cli.clone();
        let applying = tokio::spawn(async move {
            applying.run_beside(&["apply", "-f", "d.yaml", "--yes", "--prune"]).await
        });
        tokio::time::sleep(wait).await;
        running.kill();
        let acknowledged = applying.await.unwrap().status.success();
        let again = start();
        let exported = Cli::of(&again).run(&["export"]);
        assert!(exported.status.success(), "round {round}: {exported:?}");
        let export = text(&exported);
        let holds_new = holds(new, &export);
        assert!(holds_new || holds(old, &export), "round {round}:\n{export}");
        assert!(holds_new || !acknowledged, "round {round}: it was acknowledged");
        server = Some(again);
        if holds_new {
            after += 1;
            std::mem::swap(&mut old, &mut new);
            wait = wait * 2 / 3;
        } else {
            before += 1;
            wait = wait * 3 / 2;
        }
    }
    println!("{before} times nothing, {after} times all of it");
}
