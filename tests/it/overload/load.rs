//! Far more changes at once than are made in a second.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::SelectRoleRequest;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::Code;

use super::{MIB, alive, most_memory, scale};
use crate::rpc::calls::{Answer, Call};
use crate::rpc::requests::create_role;
use crate::support::{Server, command, sled_url};

const CONNECTIONS: usize = 64;
const CALLS: usize = 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_made_or_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let server = Server::run(command(&sled_url(folder.path())).args(["--max-roles", "0"]));
    let mut made = BTreeSet::new();
    let mut refused = 0;
    let most = most_memory(&server, async {
        let mut calls = JoinSet::new();
        for connection in 0..CONNECTIONS * scale() {
            let root = server.root().await;
            for call in 0..CALLS {
                let (root, name) = (root.clone(), format!("r{connection}_{call}"));
                calls.spawn(async move {
                    let asked = Instant::now();
                    (create_role(&name).send(&root).await, name, asked.elapsed())
                });
            }
        }
        let done = Arc::new(AtomicBool::new(false));
        let watched = async {
            while !done.load(Ordering::SeqCst) {
                alive(&server).await;
            }
        };
        let answers = async {
            while let Some(answer) = calls.join_next().await {
                match answer.unwrap() {
                    (Ok(mut answer), name, _) => {
                        assert_eq!(answer.get_mut().take_status().code, 0);
                        made.insert(name);
                    }
                    (Err(e), _, took) => {
                        assert_eq!(e.code(), Code::ResourceExhausted, "{e:?}");
                        assert!(took < Duration::from_secs(15), "refused after {took:?}");
                        refused += 1;
                    }
                }
            }
            done.store(true, Ordering::SeqCst);
        };
        tokio::join!(watched, answers);
    })
    .await;
    println!("{} made, {refused} refused, {} MiB", made.len(), most / MIB);
    assert!(most < 512 * MIB, "{} MiB", most / MIB);
    // What was refused was not made, and what is asked for now is.
    let root = server.root().await;
    let answer = create_role("afterwards").send(&root).await.unwrap().into_inner().take_status();
    assert_eq!(answer.code, 0);
    let roles = SelectRoleRequest::default().send(&root).await.unwrap().into_inner().results;
    let there: BTreeSet<_> = roles.into_iter().map(|r| r.role.unwrap().name).collect();
    made.extend(["admin", "afterwards", "public"].map(str::to_owned));
    assert_eq!(there, made);
}
