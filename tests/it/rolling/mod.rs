//! Instances that are replaced one by one while clients call through a balancer, which hears of their
//! readiness with some delay, as in Kubernetes: no caller sees an error, and nothing acknowledged is
//! lost. Whoever prints (`--nocapture`) sees how much was asked, and what clients had to do again.

mod balancer;
pub(crate) mod load;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::SelectRoleRequest;
use tempfile::TempDir;

use self::balancer::Balancer;
use self::load::{Load, Told};
use crate::etcd::server::Etcd;
use crate::sidecar::upstream::{Reply, Upstream};
use crate::support::{Client, LIMIT, Server, command, sled_url};

/// Longer than the balancer takes to hear of anything.
const FLAGS: [&str; 6] = ["--drain-wait", "1", "--max-roles", "0", "--max-users", "0"];
/// The wait, the time for running calls, and for the store.
const GRACE: Duration = Duration::from_secs(1 + 10 + 10);

/// Has a server stop as Kubernetes does, and returns how long that took.
async fn ends_well(server: Server) -> Duration {
    let began = Instant::now();
    let status = tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
    began.elapsed()
}

async fn run(store: &str, flags: &[&str]) -> Server {
    let mut start = command(store);
    start.args(FLAGS).args(flags);
    tokio::task::spawn_blocking(move || Server::run(&mut start)).await.unwrap()
}

async fn roles(client: &mut Client) -> BTreeSet<String> {
    let answer = client.select_role(SelectRoleRequest::default()).await.unwrap();
    let results = answer.into_inner().results.into_iter();
    results.map(|result| result.role.unwrap().name).collect()
}

/// Fails unless all went well, and enough of it.
async fn check(told: Told, mut client: Client) {
    println!("{told}");
    assert_eq!(told.errors, Vec::<String>::new());
    assert!(told.reads > 50 && told.decisions > 50 && told.rest > 50, "{told}");
    assert!(told.acknowledged.len() > 50, "{told}");
    let there = roles(&mut client).await;
    let lost: Vec<_> = told.acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_on_an_etcd_are_replaced_and_nobody_notices() {
    let etcd = tokio::task::spawn_blocking(Etcd::shared).await.unwrap();
    let url = format!("etcd://{}/rolling/meta", etcd.address());
    let balancer = Balancer::start().await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        let server = run(&url, &["--max-connection-age", "2"]).await;
        balancer.add(&server);
        servers.push(server);
    }
    balancer.until_ready(3).await;
    let load = Load::start(&balancer.address);
    load.goes_on().await;
    for _ in 0..3 {
        let old = servers.remove(0);
        let data = old.address.clone();
        ends_well(old).await;
        balancer.remove(&data);
        load.goes_on().await;
        let server = run(&url, &[]).await;
        balancer.add(&server);
        servers.push(server);
        balancer.until_ready(3).await;
        load.goes_on().await;
    }
    let told = load.end().await;
    check(told, servers[0].root().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_is_replaced_with_slow_calls_on_the_way() {
    let upstream = Upstream::start().await;
    upstream.serves("Search", |_| async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Reply::ok(&[]).into_response()
    });
    let url = upstream.url();
    let folder = TempDir::new().unwrap();
    let balancer = Balancer::start().await;
    // Both decide on what one centre has.
    let center = run(&sled_url(folder.path()), &[]).await;
    let login = crate::follow::login_file(folder.path(), "root:Milvus");
    let login = login.display().to_string();
    let follow = format!("follow://{}", center.address);
    let sidecar = async || run(&follow, &["--upstream", &url, "--store-login-file", &login]).await;
    let mut server = sidecar().await;
    balancer.add(&server);
    balancer.until_ready(1).await;
    let load = Load::with_searches(&balancer.address);
    load.goes_on().await;
    for _ in 0..2 {
        let next = sidecar().await;
        balancer.add(&next);
        balancer.until_ready(2).await;
        let old = std::mem::replace(&mut server, next);
        let data = old.address.clone();
        ends_well(old).await;
        balancer.remove(&data);
        load.goes_on().await;
    }
    let told = load.end().await;
    assert!(told.searches > 20, "{told}");
    check(told, center.root().await).await;
}

/// Alone, it is away for a while; what it acknowledged is there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_all_that_was_acknowledged_under_load() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..3 {
        let server = run(&sled_url(folder.path()), &[]).await;
        assert!(roles(&mut server.root().await).await.is_superset(&acknowledged));
        let load = Load::start(&server.address);
        load.goes_on().await;
        ends_well(server).await;
        let mut told = load.end().await;
        assert!(!told.acknowledged.is_empty(), "{told}");
        acknowledged.append(&mut told.acknowledged);
    }
    let server = run(&sled_url(folder.path()), &[]).await;
    let there = roles(&mut server.root().await).await;
    assert!(there.is_superset(&acknowledged));
}

/// Waits for something, for a bounded time.
async fn until(what: &str, so: impl Fn() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < give_up, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
