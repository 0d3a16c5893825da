//! What a million grants, 20,000 roles and 100,000 users cost: memory, disk, the start, decisions,
//! writes, and what touches much at once; and the same check by casbin.
//!
//! `cargo bench --bench scale`. What belongs where:
//!
//! * `data`: the state, as requests and as changes
//! * `store`: what holds it
//! * `memory`: what the process holds of the machine
//! * `decide`, `write`: the measurements
//! * `large`: a large role, a large backup
//! * `casbin`: the other library

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on fails"
)]

mod casbin;
mod data;
mod decide;
mod large;
mod memory;
mod store;
mod write;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use milvus_rbac::engine::{Engine, Sharing, WriterThread};
use milvus_rbac::model::state::State;
use milvus_rbac::storage::sled::SledStore;
use milvus_rbac::storage::{Loaded, Store};

use data::Size;
use decide::Figures;
use memory::mib;

/// The server's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a large state costs.
#[derive(Parser)]
struct Options {
    /// Only fills this folder with so many grants, roles and users.
    #[arg(long, num_args = 4, value_names = ["FOLDER", "GRANTS", "ROLES", "USERS"], hide = true)]
    fill: Option<Vec<String>>,
    /// The grants of the largest state, of which there is a role for each 50 and a user for each 10.
    #[arg(long, default_value_t = 1_000_000)]
    grants: usize,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    if let Some(fill) = options.fill {
        let number = |at: usize| fill[at].parse().unwrap();
        let size = Size { grants: number(1), roles: number(2), users: number(3) };
        return store::fill(&PathBuf::from(&fill[0]), size);
    }
    let size = Size::of(options.grants);
    println!("{} grants, {} roles, {} users\n", size.grants, size.roles, size.users);
    full(size);
    growth(size.grants);
    ratio();
}

/// A figure, and what is asked of it.
fn row(name: &str, figure: impl std::fmt::Display, asked: &str) {
    let figure = figure.to_string();
    println!("{name:<64}{figure:>24}   {asked}");
}

fn start(store: impl Store + 'static) -> (Engine, WriterThread) {
    Engine::start(Box::new(store), data::rules(), Sharing::default()).unwrap()
}

fn stop((engine, writer): (Engine, WriterThread)) {
    drop(engine);
    writer.join().unwrap();
}

fn full(size: Size) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let began = Instant::now();
    let payload = store::filled(&path, size);
    row("filling the folder, s", format!("{:.1}", began.elapsed().as_secs_f64()), "");
    row("disk, MiB", format!("{:.0}", mib(memory::on_disk(&path))), "");
    let times = memory::on_disk(&path) as f64 / payload as f64;
    row("  times the payload", format!("{times:.2}"), "≤ 4");

    let before = memory::resident();
    let began = Instant::now();
    let store = SledStore::open(&path).unwrap();
    let opened = began.elapsed();
    let running = start(store);
    row("start, s", format!("{:.2}", began.elapsed().as_secs_f64()), "≤ 3");
    row("  of which sled opening its folder", format!("{:.2}", opened.as_secs_f64()), "");
    let resident = memory::resident();
    row("memory, MiB", format!("{:.0}", mib(resident)), "≤ 250");
    row("  of which before the start", format!("{:.0}", mib(before)), "");
    let engine = &running.0;
    let policy = {
        let snapshot = engine.snapshot();
        let before = memory::resident();
        let began = Instant::now();
        let compiled = milvus_rbac::authz::Policy::compile(&snapshot.state, &data::rules().groups);
        let policy = memory::resident().saturating_sub(before);
        row("compiling the policy, s", format!("{:.2}", began.elapsed().as_secs_f64()), "");
        drop(compiled);
        policy
    };
    row(
        "  policy alone, bytes a grant",
        format!("{:.0}", policy as f64 / size.grants as f64),
        "≤ 100",
    );

    let questions = decide::questions(size);
    decide::measure(engine, &questions);
    decisions("decision from strings, idle", decide::measure(engine, &questions), "≤ 1000");
    let again = decide::measure_again(engine, &questions);
    decisions("  of a question just asked", again, "");
    let (rate, figures) =
        write::flat_out(engine, size.roles, || decide::measure(engine, &questions));
    decisions(&format!("  beside {rate:.0} durable writes/s"), figures, "≤ 1000");
    let (pause, _, ()) = decide::longest_pause(engine, &questions, || {
        std::thread::sleep(Duration::from_secs(2));
    });
    row("longest decision in 2 s of nothing else, ms", millis(pause), "");
    let (grant, revoke) = write::single(engine, |i| data::role(i * 97 % size.roles), 200);
    row("one durable grant, revoke, µs", format!("{grant:.0}, {revoke:.0}"), "");
    large::role(engine, &questions);
    large::groups(engine);
    large::backup(engine, &questions);
    stop(running);
}

fn decisions(name: &str, Figures { mean, p50, allowed }: Figures, asked: &str) {
    let name = format!("{name}, mean, p50 ns ({:.0} % allowed)", allowed * 100.0);
    row(&name, format!("{mean:.0}, {p50:.0}"), asked);
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// The same state, smaller, over a store that costs nothing.
fn prepared(size: Size) -> (Engine, WriterThread) {
    let mut state = State::default();
    for changes in data::changes(size) {
        changes.iter().for_each(|change| state.apply(change).unwrap());
    }
    start(store::Prepared(Loaded { state, revision: 0, batch: None, as_of: None }))
}

/// The same operations with more and more beside them.
fn growth(most: usize) {
    println!(
        "\nwithout a disk{:>14}{:>14}{:>14}{:>14}",
        "decision ns", "grant µs", "revoke µs", "writes/s"
    );
    for grants in [1_000, 100_000, most] {
        let size = Size::of(grants);
        let running = prepared(size);
        let engine = &running.0;
        let questions = decide::questions(size);
        decide::measure(engine, &questions);
        let idle = decide::measure(engine, &questions);
        let (grant, revoke) = write::single(engine, |i| data::role(i * 97 % size.roles), 2_000);
        let (rate, beside) =
            write::flat_out(engine, size.roles, || decide::measure(engine, &questions));
        println!("{grants:<14}{:>14.0}{grant:>14.1}{revoke:>14.1}{rate:>14.0}", idle.mean);
        decisions("  decisions beside those writes", beside, "");
        stop(running);
    }
}

fn ratio() {
    let running = prepared(casbin::SIZE);
    let questions = decide::questions(casbin::SIZE);
    decide::measure(&running.0, &questions);
    let ours = decide::measure(&running.0, &questions).mean;
    stop(running);
    let theirs = casbin::measure();
    println!("\n{} policies: casbin {theirs:.0} ns, here {ours:.0} ns", casbin::SIZE.grants);
    row("times faster", format!("{:.0}", theirs / ours), "≥ 1000");
}
