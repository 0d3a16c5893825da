//! Several instances over one etcd: durable grants beside etcd's own rate of puts, and how soon a
//! grant that one instance acknowledged is in force at another.
//!
//! `cargo bench --bench replicated`, where etcd is installed. What belongs where:
//!
//! * `etcd`: the members, and what they take
//! * `shared`: the load, and processes

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on fails"
)]

mod etcd;
#[path = "../shared/mod.rs"]
mod shared;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use milvus_rbac::rpc::proto::service::*;

use shared::load::{self, Call, Calls, Connection, Load};
use shared::server::{self, ROOT, change};

/// What several instances over one etcd cost.
#[derive(Parser)]
struct Options {
    /// Measurements of each figure.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Another server than the one just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_milvus-rbac"), hide_default_value = true)]
    server: String,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

const IN_FLIGHT: usize = 64;
const MANY: Load = Load { connections: 4, in_flight: IN_FLIGHT / 4 };
const ALONE: Load = Load { connections: 1, in_flight: 1 };
/// Grants that are made before they are taken back.
const GRANTS: usize = 20_000;
const ROLES: usize = 100;
/// Grants whose way to the other instance is timed.
const TIMED: usize = 300;
/// What somebody meets who may query collections, which nobody answers here.
const ALLOWED: &str = "12";

fn main() {
    let options = Options::parse();
    if !etcd::is_installed() {
        println!("left out: etcd is not installed");
        return;
    }
    println!(
        "On {} cores that etcd, instances and load share; medians of {} interleaved measurements of {} s.\n",
        std::thread::available_parallelism().unwrap(),
        options.rounds,
        options.seconds
    );
    println!("{:<60}{:>12}{:>8}", "", "figure", "ratio");
    for members in [1, 3] {
        measure(members, &options);
    }
}

fn measure(members: usize, options: &Options) {
    let (_members, endpoints) = etcd::start(members);
    let url = format!("etcd://{}/bench/meta", endpoints.join(","));
    let (process, [one, _]) = server::start(&options.server, &["--store", &url]);
    let (_other, [other, _]) = server::start(&options.server, &["--store", &url]);
    let time = Duration::from_secs_f64(options.seconds);
    load::on_this_thread(async {
        let connection = Connection::open(one).await;
        for number in 0..ROLES {
            let entity = Some(role(&format!("role_{number}")));
            change(&connection, "CreateRole", &CreateRoleRequest { entity, ..Default::default() })
                .await;
        }
    });
    let grants = |operation| (0..GRANTS).map(move |number| grant(number, operation));
    let calls = Calls::new(grants(0).chain(grants(1)).collect());
    let (mut puts, mut many, mut alone) = (vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        puts.push(load::on_this_thread(etcd::puts(&endpoints[0], IN_FLIGHT, time)));
        many.push(load::run(one, Some(&process), &MANY, &calls, time));
        alone.push(load::run(one, None, &ALONE, &calls, time));
    }
    let puts = median(puts);
    row(&format!("{members} of etcd: puts, {IN_FLIGHT} in flight, per s"), puts, None);
    let rate = median(many.iter().map(|f| f.calls_per_second).collect());
    row("  durable grants, 64 in flight, per s; to the puts", rate, Some(rate / puts));
    row("  their p50, ms", median(many.iter().map(|f| millis(f.p50)).collect()), None);
    row("  their p99, ms", median(many.iter().map(|f| millis(f.p99)).collect()), None);
    let processor = median(many.iter().map(|f| millis(f.processor) * 1e3).collect());
    row("  processor time of the instance for each, µs", processor, None);
    let rate = median(alone.iter().map(|f| f.calls_per_second).collect());
    row("  durable grants, one after the other, per s", rate, None);
    let mut delays = load::on_this_thread(delays(one, other));
    delays.sort_unstable();
    row("  from the acknowledgement to force elsewhere, p50, ms", millis(delays[TIMED / 2]), None);
    row("  p99, ms", millis(delays[TIMED * 99 / 100]), None);
    row("  resident memory of the instance, MiB", process.memory() as f64 / 1024.0, None);
}

/// How long after a grant or revoke is acknowledged by `one` it is in force at `other`.
async fn delays(one: SocketAddr, other: SocketAddr) -> Vec<Duration> {
    const USER: &str = "reader";
    let (here, there) = (Connection::open(one).await, Connection::open(other).await);
    let request = CreateCredentialRequest {
        username: USER.to_owned(),
        password: "cGFzc3dvcmQ=".to_owned(),
        ..Default::default()
    };
    change(&here, "CreateCredential", &request).await;
    let bind = OperateUserRoleRequest {
        username: USER.to_owned(),
        role_name: "role_0".to_owned(),
        ..Default::default()
    };
    change(&here, "OperateUserRole", &bind).await;
    let mut delays = Vec::new();
    for number in 0..TIMED {
        let collection = format!("timed_{}", number / 2);
        let request = QueryRequest { collection_name: collection.clone(), ..Default::default() };
        let ask = Call::new("Query", "reader:password", &request, 0);
        let wanted = number % 2 == 0;
        let operation = i32::from(!wanted);
        let change = operate("role_0", "Query", collection, operation);
        change.make(&here).await;
        let acknowledged = Instant::now();
        while (ask.send(&there).await.1 == ALLOWED) != wanted {
            assert!(acknowledged.elapsed() < Duration::from_secs(10), "it is never in force");
        }
        delays.push(acknowledged.elapsed());
    }
    delays
}

fn role(name: &str) -> RoleEntity {
    RoleEntity { name: name.to_owned(), ..Default::default() }
}

fn grant(number: usize, operation: i32) -> Call {
    let role = format!("role_{}", number % ROLES);
    operate(&role, "Search", format!("collection_{number}"), operation)
}

fn operate(role_name: &str, privilege: &str, collection_name: String, operation: i32) -> Call {
    let request = OperatePrivilegeV2Request {
        role: Some(role(role_name)),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity { name: "root".to_owned() }),
            privilege: Some(PrivilegeEntity { name: privilege.to_owned() }),
        }),
        db_name: "default".to_owned(),
        collection_name,
        r#type: operation,
        ..Default::default()
    };
    Call::new("OperatePrivilegeV2", ROOT, &request, 0)
}

fn row(name: &str, figure: f64, ratio: Option<f64>) {
    let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let figure = if figure < 100.0 { format!("{figure:.2}") } else { format!("{figure:.0}") };
    println!("{name:<60}{figure:>12}{ratio:>8}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
