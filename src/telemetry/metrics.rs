//! Numbers for Prometheus. deploy/observability/METRICS.md is their documentation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::storage::Revision;

const CALLS: &str = "milvus_rbac_requests_total";
const CALL_SECONDS: &str = "milvus_rbac_request_seconds";
const DECISIONS: &str = "milvus_rbac_decisions_total";
const UPSTREAM_SECONDS: &str = "milvus_rbac_upstream_seconds";
const UPSTREAM_FAILURES: &str = "milvus_rbac_upstream_failures_total";
const COMMIT_SIZE: &str = "milvus_rbac_commit_changes";
const COMMIT_SECONDS: &str = "milvus_rbac_commit_seconds";
const COMMIT_FAILURES: &str = "milvus_rbac_commit_failures_total";
const LOGINS: &str = "milvus_rbac_login_cache_total";
const SHED: &str = "milvus_rbac_shed_total";
const FOLLOWERS: &str = "milvus_rbac_followers";
const POLICY: &str = "milvus_rbac_policy_in_force";
const POLICY_FAILURES: &str = "milvus_rbac_policy_failures_total";
const CHANGED: &str = "milvus_rbac_revision_timestamp_seconds";
const STARTED: &str = "milvus_rbac_start_time_seconds";
const BUILD: &str = "milvus_rbac_build_info";
const STORE_STATE: &str = "milvus_rbac_store_state";
pub(super) const SPANS: &str = "milvus_rbac_spans_total";

const COUNTERS: [(&str, &str); 8] = [
    (CALLS, "Calls by method and by the number of the status that they ended with."),
    (DECISIONS, "Decisions by outcome."),
    (UPSTREAM_FAILURES, "Calls that did not arrive at the upstream."),
    (COMMIT_FAILURES, "Commits that the store did not take, or not for certain."),
    (LOGINS, "Logins: remembered ones are hits, those that had to be hashed are misses."),
    (SHED, "What was refused or let go of because there was too much of it."),
    (POLICY_FAILURES, "Attempts to keep the policy that failed."),
    (SPANS, "Spans for the collector, sent and lost."),
];
const GAUGES: [(&str, &str); 24] = [
    (FOLLOWERS, "Instances that follow this one."),
    (POLICY, "Whether the policy holds that is to be kept."),
    (CHANGED, "When the newest change became visible here, in seconds since 1970."),
    (STARTED, "When the process started, in seconds since 1970."),
    (BUILD, "Always 1; the label is the version."),
    (STORE_STATE, "1 for the state in which the store is."),
    (REVISION, "The revision of the newest state."),
    (STORE_HEALTHY, "Whether changes can be stored."),
    (READY, "Whether /readyz says so."),
    (AUTHORIZATION, "Whether anything is refused."),
    (AUDIT_ONLY, "Whether refusals are recorded alone."),
    (STALENESS, "The time since the state was last known to be the newest."),
    (MAX_STALENESS, "How much of that is allowed; beyond, nothing is decided."),
    (UPSTREAM_READY, "Whether the upstream answered when it was last asked."),
    (LOGIN_ENTRIES, "Logins that are remembered."),
    (WRITER_QUEUE, "Changes that wait for the writer."),
    (WRITER_QUEUE_LIMIT, "How many may."),
    (PASSWORD_QUEUE, "Passwords that wait to be hashed, or are."),
    (PASSWORD_QUEUE_LIMIT, "How many may."),
    (USERS, "Users, root included."),
    (ROLES, "Roles, admin and public included."),
    (GRANTS, "Grants of all roles."),
    (GROUPS, "Custom privilege groups."),
    (DATABASES, "Databases that are kept here."),
];
const HISTOGRAMS: [(&str, &str); 4] = [
    (CALL_SECONDS, "How long answers took to begin."),
    (UPSTREAM_SECONDS, "How long the upstream's answers took to begin."),
    (COMMIT_SIZE, "Changes that shared a commit."),
    (COMMIT_SECONDS, "How long the store took for a commit."),
];
const REVISION: &str = "milvus_rbac_revision";
const STORE_HEALTHY: &str = "milvus_rbac_store_healthy";
const READY: &str = "milvus_rbac_ready";
const AUTHORIZATION: &str = "milvus_rbac_authorization";
const AUDIT_ONLY: &str = "milvus_rbac_audit_only";
const STALENESS: &str = "milvus_rbac_staleness_seconds";
const MAX_STALENESS: &str = "milvus_rbac_max_staleness_seconds";
const UPSTREAM_READY: &str = "milvus_rbac_upstream_ready";
const LOGIN_ENTRIES: &str = "milvus_rbac_login_cache_entries";
const WRITER_QUEUE: &str = "milvus_rbac_writer_queue";
const WRITER_QUEUE_LIMIT: &str = "milvus_rbac_writer_queue_limit";
const PASSWORD_QUEUE: &str = "milvus_rbac_password_queue";
const PASSWORD_QUEUE_LIMIT: &str = "milvus_rbac_password_queue_limit";
const USERS: &str = "milvus_rbac_users";
const ROLES: &str = "milvus_rbac_roles";
const GRANTS: &str = "milvus_rbac_grants";
const GROUPS: &str = "milvus_rbac_privilege_groups";
const DATABASES: &str = "milvus_rbac_databases";

/// Starts collecting metrics; the handle renders them.
///
/// # Errors
/// Something else collects already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    const SECONDS: [f64; 11] =
        [0.0001, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
    let mut builder = PrometheusBuilder::new().set_buckets_for_metric(
        Matcher::Full(COMMIT_SIZE.to_owned()),
        &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0],
    )?;
    for name in [CALL_SECONDS, UPSTREAM_SECONDS, COMMIT_SECONDS] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &SECONDS)?;
    }
    let handle = builder.install_recorder()?;
    COUNTERS.iter().for_each(|(name, help)| describe_counter!(*name, *help));
    GAUGES.iter().for_each(|(name, help)| describe_gauge!(*name, *help));
    HISTOGRAMS.iter().for_each(|(name, help)| describe_histogram!(*name, *help));
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(STARTED).set(now());
    // A counter that begins with its first event hides it from whoever asks how much it rose.
    counter!(COMMIT_FAILURES).increment(0);
    Shed::ALL.iter().for_each(|what| shed(*what, 0));
    Ok(handle)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Folds what the histograms have collected, which grows until then.
pub async fn keep_metrics(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// The states in which a store can be.
pub const STORE_STATES: [&str; 5] = ["healthy", "failed", "silent", "behind", "stopped"];

/// What is looked up when somebody asks for the metrics.
#[derive(Debug)]
pub struct Numbers {
    /// The newest state's.
    pub revision: Revision,
    /// Whether this instance can be used.
    pub ready: bool,
    /// The store's state, one of [`STORE_STATES`]; healthy is the first.
    pub store: &'static str,
    /// Whether anything is refused.
    pub authorization: bool,
    /// Whether refusals are recorded alone.
    pub audit_only: bool,
    /// See [`crate::engine::Engine::staleness`], and how much is allowed.
    pub staleness: Option<(Duration, Duration)>,
    /// Whether the upstream answers, where there is one.
    pub upstream: Option<bool>,
    /// Logins that are remembered.
    pub logins: u64,
    /// Changes that wait, and how many may.
    pub changes: (usize, usize),
    /// Passwords that wait, and how many may.
    pub passwords: (usize, usize),
    /// Users, roles, grants, groups, databases.
    pub kept: [usize; 5],
}

impl Numbers {
    /// Sets the gauges.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats alone")]
    pub fn tell(&self) {
        let flag = |on: bool| if on { 1.0 } else { 0.0 };
        for state in STORE_STATES {
            gauge!(STORE_STATE, "state" => state).set(flag(self.store == state));
        }
        gauge!(STORE_HEALTHY).set(flag(self.store == STORE_STATES[0]));
        gauge!(READY).set(flag(self.ready));
        gauge!(REVISION).set(self.revision as f64);
        gauge!(AUTHORIZATION).set(flag(self.authorization));
        gauge!(AUDIT_ONLY).set(flag(self.audit_only));
        if let Some((staleness, allowed)) = self.staleness {
            gauge!(STALENESS).set(staleness.as_secs_f64());
            gauge!(MAX_STALENESS).set(allowed.as_secs_f64());
        }
        if let Some(ready) = self.upstream {
            gauge!(UPSTREAM_READY).set(flag(ready));
        }
        gauge!(LOGIN_ENTRIES).set(self.logins as f64);
        gauge!(WRITER_QUEUE).set(self.changes.0 as f64);
        gauge!(WRITER_QUEUE_LIMIT).set(self.changes.1 as f64);
        gauge!(PASSWORD_QUEUE).set(self.passwords.0 as f64);
        gauge!(PASSWORD_QUEUE_LIMIT).set(self.passwords.1 as f64);
        for (name, number) in [USERS, ROLES, GRANTS, GROUPS, DATABASES].iter().zip(self.kept) {
            gauge!(*name).set(number as f64);
        }
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

/// What was decided of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may be made.
    Allowed,
    /// Authorization is off.
    Unchecked,
    /// It may not.
    Denied,
    /// It would not, where refusals are recorded alone.
    WouldBeDenied,
    /// A part of an answer is left out.
    Hidden,
    /// It would be.
    WouldBeHidden,
    /// Nobody knows who calls.
    Unauthenticated,
    /// It would be refused for that.
    WouldBeUnauthenticated,
}

impl Decision {
    const ALL: [Self; 8] = [
        Self::Allowed,
        Self::Unchecked,
        Self::Denied,
        Self::WouldBeDenied,
        Self::Hidden,
        Self::WouldBeHidden,
        Self::Unauthenticated,
        Self::WouldBeUnauthenticated,
    ];

    /// How it is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Unchecked => "unchecked",
            Self::Denied => "denied",
            Self::WouldBeDenied => "would be denied",
            Self::Hidden => "hidden",
            Self::WouldBeHidden => "would be hidden",
            Self::Unauthenticated => "unauthenticated",
            Self::WouldBeUnauthenticated => "would be unauthenticated",
        }
    }

    pub(super) const fn is_of_part(self) -> bool {
        matches!(self, Self::Hidden | Self::WouldBeHidden)
    }

    pub(super) fn count(self) {
        static KNOWN: LazyLock<[Counter; 8]> = LazyLock::new(|| {
            Decision::ALL.map(|decision| counter!(DECISIONS, "outcome" => decision.as_str()))
        });
        if let Some(counter) = KNOWN.get(self as usize) {
            counter.increment(1);
        }
    }
}

/// How a call came, or went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// REST.
    Rest,
}

/// The upstream has begun to answer a call after that time, or it did not arrive there.
pub fn answered_upstream(protocol: Protocol, took: Duration, arrived: bool) {
    static KNOWN: LazyLock<[(Histogram, Counter); 2]> = LazyLock::new(|| {
        ["grpc", "rest"].map(|name| {
            let seconds = histogram!(UPSTREAM_SECONDS, "protocol" => name);
            (seconds, counter!(UPSTREAM_FAILURES, "protocol" => name))
        })
    });
    if let Some((seconds, failures)) = KNOWN.get(protocol as usize) {
        seconds.record(took);
        failures.increment(u64::from(!arrived));
    }
}

/// Counts a commit of that many commands.
pub fn committed(commands: u64, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "a commit holds at most a thousand")]
    histogram!(COMMIT_SIZE).record(commands as f64);
    histogram!(COMMIT_SECONDS).record(took);
}

/// Counts a commit that the store did not take.
pub fn store_refused() {
    counter!(COMMIT_FAILURES).increment(1);
}

/// A new state has become visible.
pub fn published() {
    gauge!(CHANGED).set(now());
}

/// Whether a login was remembered, or has to be hashed.
pub fn login_known(known: bool) {
    static KNOWN: LazyLock<[Counter; 2]> =
        LazyLock::new(|| ["miss", "hit"].map(|result| counter!(LOGINS, "result" => result)));
    if let Some(counter) = KNOWN.get(usize::from(known)) {
        counter.increment(1);
    }
}

/// Something of which there is too much at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// Answers that nobody takes.
    Answers,
    /// Listings of the audit trail.
    AuditListings,
    /// Batches that nobody waits for.
    Batches,
    /// Changes that wait for the writer.
    Changes,
    /// Connections.
    Connections,
    /// Streams of long answers.
    Listings,
    /// Those who follow.
    Followers,
    /// Those who watch the health.
    HealthWatches,
    /// Passwords that wait to be hashed.
    Passwords,
    /// Bytes of requests.
    Requests,
    /// REST calls for the upstream.
    RestCalls,
    /// Calls that wait for a revision.
    RevisionWaits,
    /// Collections that are dropped or renamed.
    Seals,
}

impl Shed {
    const ALL: [Self; 13] = [
        Self::Answers,
        Self::AuditListings,
        Self::Batches,
        Self::Changes,
        Self::Connections,
        Self::Listings,
        Self::Followers,
        Self::HealthWatches,
        Self::Passwords,
        Self::Requests,
        Self::RestCalls,
        Self::RevisionWaits,
        Self::Seals,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::AuditListings => "audit listings",
            Self::Batches => "batches",
            Self::Changes => "changes",
            Self::Connections => "connections",
            Self::Listings => "listings",
            Self::Followers => "followers",
            Self::HealthWatches => "health watches",
            Self::Passwords => "passwords",
            Self::Requests => "requests",
            Self::RestCalls => "rest calls",
            Self::RevisionWaits => "revision waits",
            Self::Seals => "collection drops",
        }
    }
}

/// There was too much of something, so that many were refused or let go of.
pub fn shed(what: Shed, many: u64) {
    counter!(SHED, "what" => what.as_str()).increment(many);
}

/// Counts somebody who follows this instance, until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

/// Somebody follows this instance.
pub fn follower() -> Counted {
    let followers = gauge!(FOLLOWERS);
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
    gauge!(POLICY).set(if holds { 1.0 } else { 0.0 });
    counter!(POLICY_FAILURES).increment(u64::from(!holds));
}
