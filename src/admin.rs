//! The admin port: liveness, readiness, metrics. Nothing that changes state.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::engine::{Engine, Health};
use crate::gate::Options;
use crate::listener::Phase;
use crate::passwords::Passwords;
use crate::telemetry::{Numbers, STORE_STATES};

/// What the admin port tells from.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The state and whether it can change.
    pub engine: Engine,
    /// How far the process has come with its end.
    pub phase: watch::Receiver<Phase>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Whether the Milvus behind the gate answers, where there is one.
    pub upstream: Option<watch::Receiver<bool>>,
    /// How calls are decided.
    pub gate: Options,
    /// How many logins wait and are remembered.
    pub passwords: Passwords,
}

impl Admin {
    /// The routes.
    pub fn into_router(self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .route("/healthz", get(readiness))
            .route("/metrics", get(render))
            .with_state(self)
    }
}

/// What is told before there is anything to tell.
pub fn loading(metrics: PrometheusHandle) -> Router {
    let loading = || async { (StatusCode::SERVICE_UNAVAILABLE, "loading\n") };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(loading))
        .route("/healthz", get(loading))
        .route("/metrics", get(async move || metrics.render()))
}

const BEHIND: Option<&str> =
    Some("what others change in the store is not heard of: nothing is decided");

/// Why this instance cannot be used, if it cannot.
fn problem(admin: &Admin) -> Option<&'static str> {
    match admin.engine.health() {
        _ if *admin.phase.borrow() != Phase::Serving => Some("stopping"),
        // The keeper looks from time to time alone.
        Health::Healthy if admin.engine.current().is_err() => BEHIND,
        Health::Healthy if !upstream_ready(admin) => {
            Some("the upstream Milvus does not answer; users, roles and grants are served")
        }
        Health::Healthy => None,
        Health::StoreFailed | Health::StoreSilent if admin.engine.current().is_err() => Some(
            "the store failed, and what others change in it is not heard of: nothing is decided; \
             the log says why",
        ),
        Health::StoreFailed => Some("the store failed: changes are refused, reads go on"),
        Health::StoreSilent => Some("the store does not answer: changes may fail, reads go on"),
        Health::Behind => BEHIND,
        Health::Stopped => Some("stopped"),
    }
}

async fn readiness(State(admin): State<Admin>) -> Response {
    let note = match admin.gate {
        Options { authorization: false, .. } => "warning: authorization is off\n",
        Options { audit_only: true, .. } => "warning: audit only, refusals are not heeded\n",
        _ => "",
    };
    match problem(&admin) {
        None => format!("ok\n{note}").into_response(),
        Some(problem) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n{note}")).into_response()
        }
    }
}

fn upstream_ready(admin: &Admin) -> bool {
    admin.upstream.as_ref().is_none_or(|ready| *ready.borrow())
}

async fn render(State(admin): State<Admin>) -> String {
    let [healthy, failed, silent, behind, stopped] = STORE_STATES;
    let (engine, snapshot) = (&admin.engine, admin.engine.snapshot());
    let state = &snapshot.state;
    let grants = state.roles.values().map(|role| role.grants.len()).sum();
    let numbers = Numbers {
        revision: snapshot.revision,
        ready: problem(&admin).is_none(),
        store: match engine.health() {
            Health::Healthy => healthy,
            Health::StoreFailed => failed,
            Health::StoreSilent => silent,
            Health::Behind => behind,
            Health::Stopped => stopped,
        },
        authorization: admin.gate.authorization,
        audit_only: admin.gate.audit_only,
        staleness: engine.staleness().map(|staleness| (staleness, engine.max_staleness())),
        upstream: admin.upstream.as_ref().map(|ready| *ready.borrow()),
        logins: admin.passwords.remembered(),
        changes: engine.waiting(),
        passwords: admin.passwords.waiting(),
        kept: [
            state.users.len(),
            state.roles.len(),
            grants,
            state.groups.len(),
            state.databases.len(),
        ],
    };
    numbers.tell();
    admin.metrics.render()
}
