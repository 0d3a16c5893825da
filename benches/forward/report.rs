//! Medians of the rounds, as tables.

use std::time::Duration;

use crate::idle::{self, Memory};
use crate::shared::load::Figures;
use crate::{ALONE, KIB, LARGE, LARGE_MIB, SMALL};

/// What was seen of one subject, round by round.
pub(crate) struct Row {
    name: &'static str,
    pub(crate) small: Vec<Figures>,
    pub(crate) alone: Vec<Figures>,
    pub(crate) large: Vec<Figures>,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, small: Vec::new(), alone: Vec::new(), large: Vec::new() }
    }
}

pub(crate) fn print(rows: &[Row], rounds: usize, time: Duration, idle: Option<&Memory>) {
    let cores = std::thread::available_parallelism().unwrap();
    println!(
        "\nOn {cores} cores that load, upstream and subject share; medians of {rounds} rounds of {} s.",
        time.as_secs_f64()
    );
    println!(
        "Query: {KIB} bytes in, {KIB} out, {} connections with {} calls each under way; alone: {} \
         with {}.",
        SMALL.connections, SMALL.in_flight, ALONE.connections, ALONE.in_flight
    );
    println!(
        "Insert: {LARGE_MIB} MiB in, {} connections with {} each. CPU is that of the subject.\n",
        LARGE.connections, LARGE.in_flight
    );
    println!(
        "{:<12}{:>10}{:>9}{:>9}{:>10}{:>10}{:>10}{:>10}{:>9}{:>10}",
        "",
        "Query/s",
        "p50 µs",
        "p99 µs",
        "CPU µs",
        "alone p50",
        "alone p99",
        "MiB/s",
        "p50 ms",
        "CPU ms"
    );
    for row in rows {
        println!(
            "{:<12}{:>10.0}{:>9.0}{:>9.0}{:>10.1}{:>10.0}{:>10.0}{:>10.0}{:>9.1}{:>10.2}",
            row.name,
            calls(row),
            median(&row.small, |f| micros(f.p50)),
            median(&row.small, |f| micros(f.p99)),
            median(&row.small, |f| micros(f.processor)),
            median(&row.alone, |f| micros(f.p50)),
            median(&row.alone, |f| micros(f.p99)),
            mib(row),
            median(&row.large, |f| micros(f.p50) / 1e3),
            median(&row.large, |f| micros(f.processor) / 1e3),
        );
    }
    println!("\n{:<26}{:>10}{:>12}", "ratio", "Query/s", "Insert MiB/s");
    let gates = ["gate-1", "gate-1000", "gate-100000"];
    let pairs = gates.into_iter().flat_map(|gate| [(gate, "nginx"), (gate, "direct")]);
    for (of, to) in pairs.chain([("nginx", "direct"), ("gate-100000", "gate-1")]) {
        let find = |name| rows.iter().find(|row| row.name == name);
        if let (Some(a), Some(b)) = (find(of), find(to)) {
            let name = format!("{of} / {to}");
            println!("{name:<26}{:>10.2}{:>12.2}", calls(a) / calls(b), mib(a) / mib(b));
        }
    }
    if let Some(Memory { before, with }) = idle {
        println!(
            "\ngate, resident: {before} KiB, and {with} KiB with {} idle connections: {:.1} KiB each",
            idle::CONNECTIONS,
            with.saturating_sub(*before) as f64 / idle::CONNECTIONS as f64
        );
    }
}

fn calls(row: &Row) -> f64 {
    median(&row.small, |f| f.calls_per_second)
}

fn mib(row: &Row) -> f64 {
    median(&row.large, |f| f.calls_per_second * LARGE_MIB as f64)
}

fn median(rounds: &[Figures], figure: impl Fn(&Figures) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
