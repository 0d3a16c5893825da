//! What forwarding costs: small calls and large ones to an upstream that answers fixed bytes,
//! through nothing, through nginx, and through the gate with few and with many grants.
//!
//! `cargo bench --bench forward`; with `-- --help` it tells its options. What belongs where:
//!
//! * `upstream`: the upstream, in a thread of this process
//! * `shared`: the load, from another thread, and what it measures; processes, and what they use of
//!   the machine
//! * `nginx`, `gate`: what stands between
//! * `idle`: what a connection costs that does nothing
//! * `report`: medians and tables

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on fails"
)]

mod gate;
mod idle;
mod nginx;
mod report;
#[path = "../shared/mod.rs"]
mod shared;
mod upstream;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;

use report::Row;
use shared::child::Child;
use shared::load::{self, Calls, Load};

/// What forwarding costs.
#[derive(Parser)]
struct Options {
    /// Measurements of each subject.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Another gate than the one just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_milvus-rbac"), hide_default_value = true)]
    gate: String,
    /// Only these: direct, nginx, gate-1, gate-1000, gate-100000, idle.
    subjects: Vec<String>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What stands between the load and the upstream.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    process: Option<Child>,
}

const SMALL: Load = Load { connections: 4, in_flight: 16 };
const ALONE: Load = Load { connections: 1, in_flight: 1 };
const LARGE: Load = Load { connections: 4, in_flight: 1 };
/// The request and the answer of a small call, and the request of a large one.
const KIB: usize = 1 << 10;
const LARGE_MIB: usize = 10;

fn main() {
    let options = Options::parse();
    let wanted =
        |name: &str| options.subjects.is_empty() || options.subjects.iter().any(|s| s == name);
    let began = Instant::now();
    let milvus = upstream::start();

    let mut subjects = Vec::new();
    if wanted("direct") {
        subjects.push(Subject { name: "direct", address: milvus, process: None });
    }
    if wanted("nginx") {
        let (process, address) = nginx::start(milvus);
        subjects.push(Subject { name: "nginx", address, process: Some(process) });
    }
    for (name, grants) in [("gate-1", 1), ("gate-1000", 1_000), ("gate-100000", 100_000)] {
        if wanted(name) {
            let (process, address) = gate::start(&options.gate, milvus);
            let took = gate::fill(address, grants);
            println!("{name}: {grants} grants in {:.1} s", took.as_secs_f64());
            subjects.push(Subject { name, address, process: Some(process) });
        }
    }
    let idle = wanted("idle").then(|| {
        let (process, address) = gate::start(&options.gate, milvus);
        gate::fill(address, 1);
        idle::measure(&process, address)
    });

    let query = Calls::from(gate::query(KIB));
    let insert = Calls::from(gate::insert(LARGE_MIB << 20));
    let time = Duration::from_secs_f64(options.seconds);
    let mut rows: Vec<Row> = subjects.iter().map(|subject| Row::new(subject.name)).collect();
    for _ in 0..options.rounds {
        for (subject, row) in subjects.iter().zip(&mut rows) {
            let process = subject.process.as_ref();
            let run =
                |load: &Load, calls, time| load::run(subject.address, process, load, calls, time);
            row.small.push(run(&SMALL, &query, time));
            row.alone.push(run(&ALONE, &query, time / 3));
            row.large.push(run(&LARGE, &insert, time));
        }
    }
    report::print(&rows, options.rounds, time, idle.as_ref());
    println!("\n{:.0} s in all", began.elapsed().as_secs_f64());
}
