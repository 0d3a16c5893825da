//! The Milvus behind the gate: where calls go that are allowed and not answered here. What goes
//! through is bytes in both directions; nothing is read, changed or kept.

use std::time::{Duration, Instant};

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, TE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body_util::BodyExt;
use prost::Message;
use tokio::sync::watch;
use tonic::{Code, Status};
use tracing::{info, warn};

use super::connections::{Connections, Content};
use super::frame::Frame;
use super::peek;
use crate::rpc::proto::service::DescribeCollectionRequest;
use crate::rpc::status;
use crate::telemetry;
use crate::tls::TlsFiles;

/// How often the upstream is asked how it does, and how long it may take to say so.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIME: Duration = Duration::from_secs(2);
/// How long it may take to answer a question of the gate.
pub(super) const QUESTION_TIME: Duration = Duration::from_secs(2);
const DESCRIBE_COLLECTION: &str = "/milvus.proto.milvus.MilvusService/DescribeCollection";
/// `DescribeCollectionResponse`: `collectionID`.
const DESCRIBED_ID: u32 = 3;
/// The largest answer that the gate itself reads.
const MAX_ANSWER: usize = 16 << 20;

/// Metadata that concerns one connection alone, whichever way it goes.
pub const OF_CONNECTION: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// What else of a client is not sent on: `sourceid` made older versions of Milvus skip
/// authentication.
pub const OF_CLIENT: [&str; 5] =
    ["authorization", "content-length", "host", "proxy-authorization", "sourceid"];

/// What the upstream is shown as credentials.
#[derive(Clone)]
pub enum Credentials {
    /// None.
    None,
    /// Those of the caller.
    Passthrough,
    /// These, ready to be sent: over gRPC, and over REST.
    Own(HeaderValue, HeaderValue),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Passthrough => "Passthrough",
            Self::Own(..) => "Own",
        })
    }
}

impl Credentials {
    /// `login` is `user:password`; none if it is not.
    pub fn own(login: &str) -> Option<Self> {
        let header = |text: String| {
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let encoded = login.contains(':').then(|| STANDARD.encode(login))?;
        Some(Self::Own(header(encoded)?, header(format!("Bearer {login}"))?))
    }

    /// What the upstream is shown over REST, where the caller showed `callers`.
    pub fn over_rest<'a>(&'a self, callers: Option<&'a HeaderValue>) -> Option<&'a HeaderValue> {
        match self {
            Self::None => None,
            Self::Own(_, value) => Some(value),
            Self::Passthrough => callers,
        }
    }
}

/// In the extensions of a call that no caller makes, but this instance.
#[derive(Debug, Clone)]
pub(super) struct OfOurOwn;

/// An upstream, connected to when it is first needed. Cheap to use from many tasks at a time.
#[derive(Debug)]
pub struct Upstream {
    connections: Connections,
    authority: Authority,
    scheme: Scheme,
    credentials: Credentials,
    /// Whether this instance itself shows a certificate there.
    certified: bool,
    ready: watch::Sender<bool>,
}

impl Upstream {
    /// The upstream at `authority`, `HOST:PORT`.
    pub fn new(authority: Authority, tls: Option<TlsFiles>, credentials: Credentials) -> Self {
        Self {
            scheme: if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP },
            certified: tls.as_ref().is_some_and(|tls| tls.own.is_some()),
            connections: Connections::new(authority.clone(), tls),
            authority,
            credentials,
            ready: watch::channel(false).0,
        }
    }

    /// Whether the upstream answered when it was last asked.
    pub fn watch_ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Asks the upstream how it does, for ever.
    pub async fn probe(&self) {
        let mut tick = tokio::time::interval(PROBE_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            tick.tick().await;
            let asked = self.ask("/grpc.health.v1.Health/Check", &[]);
            let answer = tokio::time::timeout(PROBE_TIME, asked).await;
            let problem = match answer {
                Err(_) => Some("no answer".to_owned()),
                Ok(Ok(message)) if message.get(..2) == Some(&[8, 1]) => None,
                Ok(Ok(_)) => Some("it is not serving".to_owned()),
                // Not every Milvus has this service, or tells strangers; it answered all the same.
                Ok(Err(s)) if s.code() != Code::Unavailable => None,
                Ok(Err(s)) => Some(s.message().to_owned()),
            };
            let changed = self.ready.send_if_modified(|ready| {
                std::mem::replace(ready, problem.is_none()) != problem.is_none()
            });
            match problem {
                None if changed => info!(upstream = %self.authority, "the upstream answers"),
                Some(why) if changed || !told => {
                    warn!(upstream = %self.authority, why, "the upstream does not answer");
                }
                _ => {}
            }
            told = true;
        }
    }

    /// Sends a call on. `connection` replaces what the client said about the database; `deadline`
    /// is the client's.
    ///
    /// # Errors
    /// The upstream cannot be reached, or does not answer before the deadline.
    pub(super) async fn forward(
        &self,
        head: &Parts,
        connection: &str,
        deadline: Option<Instant>,
        content: Content,
    ) -> Result<Response, Status> {
        let mut headers = head.headers.clone();
        for name in OF_CONNECTION.into_iter().chain(OF_CLIENT) {
            headers.remove(name);
        }
        // INVARIANT: the upstream sees the database for which the call was allowed, and no second
        // one. Defended by `tests/it/sidecar/database.rs`.
        headers.remove("dbname");
        if let Some(name) = database_header(connection) {
            headers.insert("dbname", name);
        }
        match &self.credentials {
            Credentials::None => {}
            Credentials::Own(value, _) => {
                headers.insert(AUTHORIZATION, value.clone());
            }
            Credentials::Passthrough => match head.headers.get(AUTHORIZATION) {
                Some(value) => {
                    let mut value = value.clone();
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
                // INVARIANT: our own certificate does not speak for a caller without a login.
                // Defended by `tests/it/tls/follower.rs`.
                None if self.certified && head.extensions.get::<OfOurOwn>().is_none() => {
                    return Err(status::unauthenticated("missing authorization in header"));
                }
                None => {}
            },
        }
        // Where nothing is traced, what the client said of its trace goes on as it came.
        let span = telemetry::span("upstream");
        telemetry::pass_on(span.as_ref(), &mut headers);
        // What decided was the path alone.
        let path = PathAndQuery::try_from(head.uri.path()).map_err(|e| status::malformed(&e))?;
        self.send(path, headers, deadline, content).await
    }

    /// Whether it answers what the gate asks for its own ends: not where it wants the login of a
    /// caller.
    pub(super) fn can_be_asked(&self) -> bool {
        !matches!(self.credentials, Credentials::Passthrough)
    }

    /// The id of the collection of that name.
    pub(super) async fn id_of(&self, database: &str, collection: &str) -> Result<u64, Status> {
        let request = DescribeCollectionRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
            ..Default::default()
        };
        let message = request.encode_to_vec();
        let asked = self.ask(DESCRIBE_COLLECTION, &message);
        let answer = Self::within(Some(Instant::now() + QUESTION_TIME), asked).await??;
        peek::id(&answer, DESCRIBED_ID).map_err(|e| status::malformed(&e))
    }

    /// Asks the upstream something for the gate's own ends; returns the message of the answer.
    pub(super) async fn ask(&self, path: &'static str, message: &[u8]) -> Result<Vec<u8>, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if let Credentials::Own(value, _) = &self.credentials {
            headers.insert(AUTHORIZATION, value.clone());
        }
        let path = PathAndQuery::from_static(path);
        let content = Content::Whole(Frame::of(message).pieces());
        let answer = self.send(path, headers, None, content).await?;
        Answer::read(answer).await?.message()
    }

    /// What `answer` comes to, if it does before the deadline.
    pub(super) async fn within<T>(
        deadline: Option<Instant>,
        answer: impl Future<Output = T>,
    ) -> Result<T, Status> {
        match deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), answer).await.map_err(|_| Self::late())
            }
            None => Ok(answer.await),
        }
    }

    fn late() -> Status {
        status::too_late("the upstream did not answer in time".to_owned())
    }

    async fn send(
        &self,
        path: PathAndQuery,
        mut headers: HeaderMap,
        deadline: Option<Instant>,
        content: Content,
    ) -> Result<Response, Status> {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Self::late());
            }
            headers.insert("grpc-timeout", super::deadline::header(left));
        }
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path);
        let uri = Uri::from_parts(uri).map_err(|e| status::malformed(&e))?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;

        let answered = Self::within(deadline, self.connections.send(request, content)).await?;
        answered.map_err(|error| {
            warn!(to = %self.authority, error, "a call did not arrive where it was sent");
            status::unavailable("the upstream Milvus does not answer".to_owned())
        })
    }
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    pub(super) body: bytes::Bytes,
    pub(super) trailers: Option<HeaderMap>,
    /// gRPC's status, wherever it stood.
    pub(super) status: Option<Status>,
}

impl Answer {
    /// # Errors
    /// It breaks off, or is too large.
    pub(super) async fn read(response: Response) -> Result<Self, Status> {
        let broke = |e: &dyn std::fmt::Display| {
            status::unavailable(format!("the upstream's answer cannot be read: {e}"))
        };
        let (head, body) = response.into_parts();
        let read = http_body_util::Limited::new(body, MAX_ANSWER).collect();
        let read = read.await.map_err(|e| broke(&e))?;
        let trailers = read.trailers().cloned();
        let status = Status::from_header_map(&head.headers)
            .or_else(|| trailers.as_ref().and_then(Status::from_header_map));
        Ok(Self { head, body: read.to_bytes(), trailers, status })
    }

    /// The one message of a call that went well.
    pub(super) fn message(self) -> Result<Vec<u8>, Status> {
        match self.status {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => super::frame::message(&self.body).map(<[u8]>::to_vec),
        }
    }
}

fn database_header(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(name).ok().filter(|name| !name.is_empty())
}
