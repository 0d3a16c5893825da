//! Milvus' REST v2 on the data port: routes, bodies, envelope. Each route stands for a gRPC call
//! and goes through the same gate: to the same service, or to the Milvus behind it.

mod actions;
mod body;
#[cfg(test)]
mod body_fuzz;
mod call;
mod data;
mod envelope;
mod openapi;
mod routes;
mod upstream;

pub use upstream::RestUpstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use http_body_util::{BodyExt, Limited};
use tracing::debug;

use crate::gate::{Gate, Login};
use crate::rpc::{Service, status};
use crate::telemetry::{self, Ended, Protocol};
use body::Body;
use call::{Call, Told};
use data::DataRoute;
use envelope::Refusal;
use routes::{Action, Kind, Route};

/// The largest body that is read.
const MAX_BODY: usize = 4 << 20;
/// How much of a body is still taken after the answer, and for how long.
const DRAINED: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// How long a request may take if it does not say so itself.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Rest {
    gate: Arc<Gate>,
    service: Service,
    upstream: Option<Arc<RestUpstream>>,
}

/// A route, whoever answers it.
enum Found {
    Own(&'static Route),
    Data(&'static DataRoute),
}

/// Everything on the data port that is not gRPC. What concerns data goes to `upstream`.
pub fn router(gate: Arc<Gate>, service: Service, upstream: Option<RestUpstream>) -> Router {
    Router::new()
        .route("/v2/openapi.json", get(openapi::document))
        .fallback(answer)
        .with_state(Arc::new(Rest { gate, service, upstream: upstream.map(Arc::new) }))
}

async fn answer(State(rest): State<Arc<Rest>>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let response = rest.respond(&parts, &mut body).await;
    drain(body).await;
    response
}

/// Takes what is left of a small body: over HTTP/2 some clients lose an answer that comes before
/// they have sent everything.
async fn drain(body: axum::body::Body) {
    if body.size_hint().lower() <= DRAINED as u64 {
        let left = Limited::new(body, DRAINED).collect();
        // Whether all of it came makes no difference to the answer.
        let _ = tokio::time::timeout(DRAIN_TIME, left).await;
    }
}

impl Rest {
    /// Answers; `body` is taken if it was read.
    async fn respond(&self, parts: &Parts, body: &mut axum::body::Body) -> Response {
        let started = Instant::now();
        let path = parts.uri.path();
        let own = routes::find(path).map(Found::Own);
        let Some(route) = own.or_else(|| data::find(path).map(Found::Data)) else {
            return Refusal::not_found().into_response();
        };
        if parts.method == Method::OPTIONS {
            return preflight();
        }
        if parts.method != Method::POST {
            return Refusal::not_found().into_response();
        }
        let told = Told::default();
        let (headers, extensions) = (&parts.headers, &parts.extensions);
        let call = telemetry::Call::begin(Protocol::Rest, route.path(), headers, extensions);
        let answered = match timeout(&parts.headers) {
            Some(limit) => {
                let serve = call.clone().on(self.serve(&route, parts, body, &told));
                tokio::time::timeout(limit, serve).await
            }
            None => Ok(Err(Refusal::timeout())),
        };
        let mut response = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(refusal)) => route.refuse(refusal),
            Err(_) => route.refuse(Refusal::timeout()),
        };
        let known = call.is_identified();
        let headers = response.headers_mut();
        // Strangers need not know how much happens here.
        if known {
            let revision = told.revision().unwrap_or_else(|| self.gate.revision());
            headers.insert(status::REVISION, HeaderValue::from(revision));
        }
        let login = parts.headers.get(AUTHORIZATION);
        if login.is_some_and(|login| login.as_bytes().starts_with(b"Basic ")) {
            let realm = HeaderValue::from_static("Basic realm=\"restricted\", charset=\"UTF-8\"");
            headers.insert(WWW_AUTHENTICATE, realm);
        }
        let status = response.status();
        call.on_now(|| debug!(method = route.path(), status = status.as_u16(), "answered"));
        call.end(Ended::Http(status));
        telemetry::called(route.path(), i32::from(status.as_u16()), started.elapsed());
        response
    }

    async fn serve(
        &self,
        route: &Found,
        parts: &Parts,
        body: &mut axum::body::Body,
        told: &Told,
    ) -> Result<Response, Refusal> {
        match route {
            Found::Own(route) => self.serve_own(route, parts, body, told).await,
            Found::Data(route) => self.serve_data(route, parts, body, told).await,
        }
    }

    async fn serve_own(
        &self,
        route: &Route,
        parts: &Parts,
        body: &mut axum::body::Body,
        told: &Told,
    ) -> Result<Response, Refusal> {
        let login = Login::from_http(&parts.headers);
        let grpc_login = login.as_ref().ok().and_then(Login::to_grpc);
        let certified = parts.extensions.get();
        let identity = match route.action.forwarded() {
            Some(method) => {
                self.gate.identify_for(method, &parts.headers, login, certified).await?
            }
            None => self.gate.identify(&parts.headers, login, certified).await?,
        }
        .with(parts);
        if body.size_hint().lower() > MAX_BODY as u64 {
            return Err(Refusal::too_large(MAX_BODY));
        }
        let (bytes, _room) = self.gate.read_all(&identity, std::mem::take(body), MAX_BODY).await?;
        let is_command = route.action == Action::RunCommand;
        let body = if is_command { Body::default() } else { Body::bind(route, &bytes)? };
        // The body's database counts where the route has one.
        let own = route.fields.iter().any(|f| f.key == "dbName" && f.kind == Kind::Text);
        let named = if own { body.text("dbName") } else { "" };
        let database = if named.is_empty() { database(&parts.headers) } else { named };
        let call = Call {
            gate: &self.gate,
            service: &self.service,
            identity,
            database: database.to_owned(),
            login: grpc_login,
            told,
        };
        let answer = if is_command {
            actions::run_command(&call, &bytes).await?
        } else {
            actions::perform(route.action, &call, &body).await?.into_response()
        };
        Ok(self.gate.hold(&call.identity, answer).await?)
    }
}

/// The database that the headers name; empty if they name none.
fn database(headers: &HeaderMap) -> &str {
    headers.get("db-name").and_then(|name| name.to_str().ok()).unwrap_or_default()
}

impl Found {
    /// Tells in the form of the route.
    fn refuse(&self, refusal: Refusal) -> Response {
        match self {
            Self::Own(route) if route.action == Action::RunCommand => refusal.as_of_command(),
            Self::Own(_) | Self::Data(_) => refusal.into_response(),
        }
    }

    fn path(&self) -> &'static str {
        match self {
            Self::Own(route) => route.path,
            Self::Data(route) => route.path,
        }
    }
}

/// How long the client waits: whole seconds, none if it does not at all.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let Some(header) = headers.get("request-timeout") else {
        return Some(TIMEOUT);
    };
    match header.to_str().ok().and_then(|text| text.parse::<i64>().ok()) {
        None => Some(TIMEOUT),
        Some(seconds) => u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs),
    }
}

/// What browsers ask before they send a request to another origin.
fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization, DB-Name, Request-Timeout"),
        (CONTENT_TYPE, "text/plain"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
