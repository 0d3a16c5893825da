//! What a server on its own costs: listings, durable grants, logins, the start, and what it holds
//! when nothing happens; beside what the machine gives.
//!
//! `cargo bench --bench serve`. What belongs where:
//!
//! * `constant`: a tonic server that answers from a constant
//! * `answers`: calls that only read
//! * `grants`: calls that change something, and the disk
//! * `start`: the start, and idleness
//! * `shared`: the load, and processes

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on fails"
)]

mod answers;
mod constant;
mod grants;
#[path = "../shared/mod.rs"]
mod shared;
mod start;

use std::time::Duration;

use clap::Parser;

/// What a server on its own costs.
#[derive(Parser)]
struct Options {
    /// Measurements of each figure.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Another server than the one just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_milvus-rbac"), hide_default_value = true)]
    server: String,
    /// Only serves the message in this file.
    #[arg(long, hide = true)]
    constant: Option<String>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    if let Some(file) = &options.constant {
        return constant::serve(file);
    }
    let time = Duration::from_secs_f64(options.seconds);
    println!(
        "On {} cores that load and server share; medians of {} interleaved measurements of {} s.\n",
        std::thread::available_parallelism().unwrap(),
        options.rounds,
        options.seconds
    );
    println!("{:<60}{:>12}{:>8}   asked", "", "figure", "ratio");
    answers::measure(&options.server, options.rounds, time);
    grants::measure(&options.server, options.rounds, time);
    start::measure(&options.server, options.rounds);
}

/// A figure, its ratio to another where it has one, and what is asked of it.
fn row(name: &str, figure: &str, ratio: Option<f64>, asked: &str) {
    let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    println!("{name:<60}{figure:>12}{ratio:>8}   {asked}");
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn median_of<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}
