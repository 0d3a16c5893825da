//! Three instances over three etcds, of which some are killed, paused, compacted and without a
//! majority, while six writers change what they can.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::SelectRoleRequest;
use tonic::Code;

use super::server::Etcd;
use crate::crash::{FLAGS, Told, write};
use crate::support::{LIMIT, Server, command, http_get, revision, signal};

/// The bound on the age of what is decided on, in seconds.
const MAX_STALENESS: u64 = 3;
/// How long each trouble lasts: longer than an election takes, or the bound.
const TROUBLE: Duration = Duration::from_secs(MAX_STALENESS + 2);

fn instances(members: &[Etcd]) -> Vec<Server> {
    let endpoints: Vec<_> = members.iter().map(Etcd::address).collect();
    let url = format!("etcd://{}/cluster/meta", endpoints.join(","));
    let bound = MAX_STALENESS.to_string();
    let start = || Server::run(command(&url).args(FLAGS).args(["--max-staleness", &bound]));
    (0..3).map(|_| start()).collect()
}

async fn is_ready(server: &Server) -> bool {
    let url = format!("http://{}/readyz", server.admin);
    tokio::task::spawn_blocking(move || http_get(&url).0 == 200).await.unwrap()
}

async fn until_ready(servers: &[Server], ready: bool) {
    let give_up = Instant::now() + LIMIT * 2;
    for server in servers {
        while is_ready(server).await != ready {
            assert!(Instant::now() < give_up, "ready: {}", !ready);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The roles that an instance shows, and at which revision; none while it decides nothing.
async fn roles(server: &Server) -> Option<(u64, BTreeSet<String>)> {
    let answer = match server.root().await.select_role(SelectRoleRequest::default()).await {
        Err(refused) if refused.message().contains("not been heard of") => return None,
        answer => answer.unwrap(),
    };
    let at = revision(&answer);
    let results = answer.into_inner().results.into_iter();
    Some((at, results.filter_map(|result| Some(result.role?.name)).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_whatever_becomes_of_the_members() {
    let members = tokio::task::spawn_blocking(|| Etcd::cluster(3)).await.unwrap();
    let servers = instances(&members);
    until_ready(&servers, true).await;
    let told = Arc::new(Mutex::new(Told::default()));
    let mut writers = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        for writer in 0..2 {
            let (client, name) =
                (server.patient("root", "Milvus").await, format!("{number}_{writer}"));
            writers.push(tokio::spawn(write(client, name, told.clone())));
        }
    }
    // One of them leads.
    for member in &members {
        member.kill();
        tokio::time::sleep(TROUBLE / 2).await;
        member.spawn();
        assert!(tokio::task::block_in_place(|| member.is_healthy()));
    }
    members[1].signal("STOP");
    tokio::time::sleep(TROUBLE).await;
    members[1].signal("CONT");
    tokio::task::block_in_place(|| members[0].compact());
    tokio::task::block_in_place(|| members[2].post("maintenance/defragment", "{}"));
    until_ready(&servers, true).await;

    members[0].kill();
    members[2].kill();
    until_ready(&servers, false).await;
    for server in &servers {
        // Most of the time the bound is reached before the last of them says that it is not ready.
        let give_up = Instant::now() + LIMIT;
        loop {
            let asked = server.root().await.select_role(SelectRoleRequest::default()).await;
            match asked {
                Err(refused) => {
                    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
                    assert!(refused.message().contains("not been heard of"), "{refused}");
                    break;
                }
                Ok(_) => assert!(Instant::now() < give_up, "decided without a majority"),
            }
        }
    }
    members[0].spawn();
    members[2].spawn();
    until_ready(&servers, true).await;

    // Paused, an instance hears nothing, and must not decide on what it knows when it goes on.
    signal(servers[0].pid(), "STOP");
    let before = told.lock().unwrap().acknowledged.len();
    tokio::time::sleep(TROUBLE).await;
    let give_up = Instant::now() + LIMIT;
    while told.lock().unwrap().acknowledged.len() == before {
        assert!(Instant::now() < give_up, "the others do not go on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    signal(servers[0].pid(), "CONT");
    until_ready(&servers, true).await;

    writers.iter().for_each(tokio::task::JoinHandle::abort);
    for writer in writers {
        assert!(writer.await.is_err_and(|ended| ended.is_cancelled()), "a connection broke");
    }
    let give_up = Instant::now() + LIMIT;
    loop {
        let mut seen = Vec::new();
        for server in &servers {
            seen.extend(roles(server).await);
        }
        let told = told.lock().unwrap();
        let newest = seen.iter().map(|(at, _)| *at).max();
        if seen.len() == servers.len() && seen.iter().all(|(at, _)| Some(*at) == newest) {
            for (at, present) in &seen {
                told.check(present, *at);
            }
            assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
            assert!(told.acknowledged.len() > 100 && !told.refused.is_empty());
            println!(
                "{} acknowledged, {} refused, {} not known",
                told.acknowledged.len(),
                told.refused.len(),
                told.unknown.len()
            );
            break;
        }
        assert!(Instant::now() < give_up, "they do not agree: {seen:?}");
        drop(told);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
