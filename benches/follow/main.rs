//! What followers cost their centre: how soon all of them have heard of a revoke, and what happens
//! when all connect again at once.
//!
//! `cargo bench --bench follow`; with `-- --help` it tells its options. What belongs where:
//!
//! * `streams`: the followers, all in this process: streams that take what they are told
//! * `shared`: processes, and what they use of the machine; the load of other callers

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on fails"
)]

#[path = "../shared/mod.rs"]
mod shared;
mod streams;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use milvus_rbac::rpc::proto::service::*;
use prost::Message;

use shared::child::Child;
use shared::load::{self, Call, Calls, Connection, Load};
use shared::server::{self, ROOT, change};
use streams::Streams;

/// What followers cost their centre.
#[derive(Parser)]
struct Options {
    /// Followers.
    #[arg(long, default_value_t = 1_000)]
    followers: usize,
    /// Grants that are there, and are told to each follower that begins.
    #[arg(long, default_value_t = 20_000)]
    grants: usize,
    /// Revokes that are told to all.
    #[arg(long, default_value_t = 200)]
    revokes: usize,
    /// Another server than the one just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_milvus-rbac"), hide_default_value = true)]
    server: String,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

const ROLE: &str = "role";
/// How often followers ask whether they are up to date, and for how long that is measured.
const PING: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);
/// Other callers of the centre.
const OTHERS: Load = Load { connections: 1, in_flight: 4 };
const OTHERS_TIME: Duration = Duration::from_secs(2);

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&options));
}

async fn measure(options: &Options) {
    let followers = options.followers;
    println!(
        "On {} cores that centre and followers share; {followers} followers, {} grants, {} revokes.\n",
        std::thread::available_parallelism().unwrap(),
        options.grants,
        options.revokes
    );
    println!("{:<66}{:>12}", "", "figure");
    let (center, [data, _]) = server::start(&options.server, &["--store", "memory:"]);
    let connection = Connection::open(data).await;
    fill(&connection, options.grants).await;
    let alone = center.memory();
    row("memory of the centre without followers, MiB", mib(alone));
    others("without followers", &center, data);

    let mut streams = all_begin("all begin at once", &center, data, followers, None).await;
    let with = center.memory();
    row("memory with all of them, MiB", mib(with));
    row("memory for each, KiB", with.saturating_sub(alone) as f64 / followers as f64);

    others("with all of them", &center, data);
    let before = center.processor_time();
    streams.ping_for(PING, IDLE).await;
    let used = center.processor_time().saturating_sub(before);
    row("processor of the centre for their pings, %", used.div_duration_f64(IDLE) * 100.0);

    let (mut each, mut last) = (Vec::new(), Vec::new());
    let before = center.processor_time();
    for number in 0..options.revokes {
        let began = Instant::now();
        change(&connection, "OperatePrivilegeV2", &revoke(number)).await;
        let heard = streams.heard().await;
        let mut took: Vec<f64> = heard.iter().map(|at| millis(*at - began)).collect();
        took.sort_by(f64::total_cmp);
        last.push(took[took.len() - 1]);
        each.append(&mut took);
    }
    let used = center.processor_time().saturating_sub(before);
    row("a revoke asked for, and heard of by a follower, p50, ms", at(&mut each, 50));
    row("the same, p99, ms", at(&mut each, 99));
    row("until the last one has heard, p50, ms", at(&mut last, 50));
    row("the same, p99, ms", at(&mut last, 99));
    let each = used.as_secs_f64() * 1e6 / (options.revokes * followers) as f64;
    row("processor of the centre for a follower and a revoke, µs", each);

    // Some changes later all come back.
    let known = streams.known();
    drop(streams);
    change(&connection, "OperatePrivilegeV2", &revoke(options.revokes)).await;
    let streams = all_begin("all come back at once", &center, data, followers, Some(known)).await;
    drop(streams);
    let streams = all_begin("all begin anew at once", &center, data, followers, None).await;
    row("memory then, MiB", mib(center.memory()));
    drop(streams);
}

async fn all_begin(
    what: &str,
    center: &Child,
    data: SocketAddr,
    followers: usize,
    known: Option<(String, u64)>,
) -> Streams {
    let (began, before) = (Instant::now(), center.processor_time());
    let streams = Streams::begin(data, followers, known).await;
    row(&format!("{what}, until the last is up to date, ms"), millis(began.elapsed()));
    let used = center.processor_time().saturating_sub(before);
    row("  processor of the centre, ms", millis(used));
    streams
}

/// What others see who ask the centre for something.
fn others(when: &str, center: &Child, data: SocketAddr) {
    let request = SelectRoleRequest { role: Some(role()), ..Default::default() };
    let calls = Calls::from(Call::new("SelectRole", ROOT, &request, 0));
    let run = || load::run(data, Some(center), &OTHERS, &calls, OTHERS_TIME);
    let seen = tokio::task::block_in_place(run);
    row(&format!("SelectRole {when}, 4 under way, per s"), seen.calls_per_second);
    row("  p50, µs", millis(seen.p50) * 1e3);
    row("  p99, µs", millis(seen.p99) * 1e3);
    row("  processor of the centre for each, µs", millis(seen.processor) * 1e3);
}

fn role() -> RoleEntity {
    RoleEntity { name: ROLE.to_owned(), ..Default::default() }
}

fn grantor(user: &str) -> Option<GrantorEntity> {
    let privilege = Some(PrivilegeEntity { name: "Search".to_owned() });
    Some(GrantorEntity { user: Some(UserEntity { name: user.to_owned() }), privilege })
}

async fn fill(connection: &Connection, grants: usize) {
    let grant = |number: usize| GrantEntity {
        role: Some(role()),
        object: Some(ObjectEntity { name: "Collection".to_owned() }),
        object_name: format!("collection_{number}"),
        db_name: "default".to_owned(),
        grantor: grantor("root"),
    };
    let grants = (0..grants).map(grant).collect();
    let meta = RbacMeta { roles: vec![role()], grants, ..Default::default() };
    let request = RestoreRbacMetaRequest { rbac_meta: Some(meta), ..Default::default() };
    assert!(request.encoded_len() < 64 << 20);
    change(connection, "RestoreRBAC", &request).await;
}

fn revoke(number: usize) -> OperatePrivilegeV2Request {
    OperatePrivilegeV2Request {
        role: Some(role()),
        grantor: grantor("root"),
        db_name: "default".to_owned(),
        collection_name: format!("collection_{number}"),
        r#type: OperatePrivilegeType::Revoke.into(),
        ..Default::default()
    }
}

fn row(name: &str, figure: f64) {
    println!("{name:<66}{figure:>12.1}");
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn at(figures: &mut [f64], percent: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) * percent / 100]
}
