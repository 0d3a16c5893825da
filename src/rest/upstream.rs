//! The REST of the Milvus behind the gate. Bytes go through in both directions.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, EXPECT, TRAILER};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tonic::Status;
use tower::Service;
use tracing::warn;

use crate::gate::{Credentials, OF_CLIENT, OF_CONNECTION};
use crate::rpc::status;
use crate::telemetry::{self, Protocol, Shed, with_causes};
use crate::tls::{self, Tls, TlsFiles};

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Calls that wait for the upstream at a time.
const CALLS: usize = 512;
/// How long a connection is kept that nobody uses.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// An upstream's REST, connected to when it is first needed.
#[derive(Debug)]
pub struct RestUpstream {
    client: Client<Connector, Body>,
    authority: Authority,
    scheme: Scheme,
    credentials: Credentials,
    /// Whether this instance itself shows a certificate there.
    certified: bool,
    /// Calls that may still be sent: each takes a connection.
    places: Semaphore,
}

impl RestUpstream {
    /// The upstream at `authority`, `HOST:PORT`.
    pub fn new(authority: Authority, tls: Option<TlsFiles>, credentials: Credentials) -> Self {
        let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let certified = tls.as_ref().is_some_and(|tls| tls.own.is_some());
        let connector = Connector { authority: authority.clone(), tls };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .build(connector);
        Self { client, authority, scheme, credentials, certified, places: Semaphore::new(CALLS) }
    }

    /// Sends a call on that was allowed for `database`. What the client said about that in its
    /// headers is replaced; the answer may be compressed if it is `shown_whole`.
    pub(super) async fn forward(
        &self,
        path: &'static str,
        headers: &HeaderMap,
        database: &str,
        shown_whole: bool,
        body: Bytes,
    ) -> Result<Response, Status> {
        let mut carried = headers.clone();
        for name in of_connection(headers) {
            carried.remove(name);
        }
        for name in OF_CONNECTION.into_iter().chain(OF_CLIENT) {
            carried.remove(name);
        }
        for name in [EXPECT, TRAILER] {
            carried.remove(name);
        }
        if !shown_whole {
            carried.remove(ACCEPT_ENCODING);
        }
        let name = HeaderValue::from_bytes(database.as_bytes())
            .map_err(|_| status::malformed(&"dbName is not the name of a database"))?;
        carried.insert("db-name", name);
        match self.credentials.over_rest(headers.get(AUTHORIZATION)) {
            Some(login) => drop(carried.insert(AUTHORIZATION, login.clone())),
            // INVARIANT: our own certificate does not speak for a caller without a login. Defended by
            // `tests/it/tls/upstream.rs`.
            None if self.certified && matches!(self.credentials, Credentials::Passthrough) => {
                return Err(status::unauthenticated("missing authorization in header"));
            }
            None => {}
        }
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(PathAndQuery::from_static(path));
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|e| status::malformed(&e))?;
        let span = telemetry::span("upstream");
        telemetry::pass_on(span.as_ref(), &mut carried);
        *request.headers_mut() = carried;
        let _place = self.places.try_acquire().map_err(|_| {
            status::overloaded(Shed::RestCalls, "too many REST calls at once, try again later")
        })?;
        let started = Instant::now();
        let answer = self.client.request(request).await;
        telemetry::answered_upstream(Protocol::Rest, started.elapsed(), answer.is_ok());
        let answer = answer.map_err(|e| {
            warn!(error = %with_causes(&e), "a call did not reach the upstream's REST");
            status::unavailable("the upstream Milvus does not answer".to_owned())
        })?;
        let mut answer = answer.map(Body::new);
        let named = of_connection(answer.headers());
        for name in named {
            answer.headers_mut().remove(name);
        }
        for name in OF_CONNECTION {
            answer.headers_mut().remove(name);
        }
        Ok(answer)
    }
}

/// Connects to the one upstream.
#[derive(Debug, Clone)]
struct Connector {
    authority: Authority,
    tls: Option<TlsFiles>,
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<Box<dyn tls::Stream>>> {
        let tls = self.tls.as_ref().map(TlsFiles::read).transpose().map_err(io::Error::other)?;
        let tls = tls.map(Tls::for_http1);
        let connected = tls::connect(&self.authority, tls.as_ref());
        Ok(TokioIo::new(tokio::time::timeout(CONNECT_TIME, connected).await??))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn tls::Stream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

/// The headers that `Connection` says are of this connection alone.
fn of_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lists = headers.get_all(CONNECTION).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}
