//! Logs and metrics. No user, role, collection or password ever becomes a label or a field that a
//! client chooses the number of.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Starts logging to standard error.
///
/// # Errors
/// The level is not a filter that the subscriber understands.
pub fn start_logs(format: LogFormat, level: &str) -> Result<(), String> {
    // A bare word that is no level would be taken for a target, and silence everything else.
    if !level.contains('=') && level.parse::<LevelFilter>().is_err() {
        return Err(format!(
            "--log-level: `{level}` is none of error, warn, info, debug, trace, off, nor a filter"
        ));
    }
    let mut filter = EnvFilter::try_new(level).map_err(|e| format!("--log-level: {e}"))?;
    // These log what they carry, and that holds secrets.
    for carrier in ["sled=warn", "h2=warn", "hyper=warn", "tonic=warn"] {
        filter = filter.add_directive(carrier.parse().map_err(|e| format!("{carrier}: {e}"))?);
    }
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => logs.with_ansi(false).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
    started.map_err(|e| e.to_string())
}

const CALLS: &str = "milvus_rbac_requests_total";
const CALL_SECONDS: &str = "milvus_rbac_request_seconds";
const GROUP_SIZE: &str = "milvus_rbac_commit_changes";

/// Starts collecting metrics; the handle renders them.
///
/// # Errors
/// Something else collects already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(CALL_SECONDS.to_owned()),
            &[0.0001, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full(GROUP_SIZE.to_owned()),
            &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0],
        )?
        .install_recorder()
}

/// Folds what the histograms have collected, which grows until then.
pub async fn keep_metrics(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// A method, and the number of a gRPC status.
type Outcome = (&'static str, i32);

/// Counts a call; `code` is the number of its gRPC status.
pub fn called(method: &'static str, code: i32, took: Duration) {
    thread_local! {
        // Finding these by their labels costs more than counting.
        static KNOWN: RefCell<HashMap<Outcome, (Counter, Histogram)>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        let (calls, seconds) = known.entry((method, code)).or_insert_with(|| {
            let calls = counter!(CALLS, "method" => method, "code" => code.to_string());
            (calls, histogram!(CALL_SECONDS, "method" => method))
        });
        calls.increment(1);
        seconds.record(took);
    });
}

/// Counts a commit of that many commands.
pub fn committed(commands: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a commit holds at most a thousand")]
    histogram!(GROUP_SIZE).record(commands as f64);
}

/// Counts somebody who follows this instance, until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

/// Somebody follows this instance.
pub fn follower() -> Counted {
    let followers = gauge!("milvus_rbac_followers");
    followers.increment(1.0);
    Counted(followers)
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Whether the policy that an instance is to keep holds, as far as known; each failure counts.
pub fn policy(holds: bool) {
    gauge!("milvus_rbac_policy_in_force").set(if holds { 1.0 } else { 0.0 });
    counter!("milvus_rbac_policy_failures_total").increment(u64::from(!holds));
}

/// An error with its causes, as logs tell it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
