//! The layer around all gRPC services.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};
use tower::Service as _;

use super::connections::Content;
use super::counted::counted;
use super::decide::subject;
use super::external::CHECK;
use super::frame::Frame;
use super::methods::{self, Answered, Method};
use super::steps::{self, Encoded};
use super::{
    Caller, Gate, Identity, Login, MAX_MESSAGE, MAX_SEALING_MESSAGE, MAX_SMALL_MESSAGE, Upstream,
    deadline, fate, filter, frame, not_served, origin, peek, unknown,
};
use crate::model::visibility::Visible;
use crate::rpc::{health, status};
use crate::telemetry::{self, Call, Decision, Protocol};
use crate::tls::subject::Certified;

/// Calls whose answers are shortened to what the caller may see.
const FILTERED: [&str; 2] = ["ListDatabases", "ShowCollections"];

const HEALTH: &str = "/grpc.health.v1.Health/";
const REFLECTION: &str = "/grpc.reflection.";

/// The user of requests without one.
const NOBODY: &str = "";
const UNKNOWN: &str = "unknown";

/// Lets a call through to the `services` or to the upstream, or refuses it.
pub async fn guard(gate: &Gate, services: Router, request: Request) -> Response {
    let started = Instant::now();
    let path = request.uri().path();
    let method = methods::find(path);
    let (name, path) = match method {
        Some(method) => (method.row.name, method.row.path),
        None if gate.options.ext_authz && path == CHECK => ("Check", CHECK),
        None if path.starts_with(HEALTH) => ("Health", HEALTH),
        None if path.starts_with(REFLECTION) => ("Reflection", REFLECTION),
        None => (UNKNOWN, UNKNOWN),
    };
    let call = Call::begin(Protocol::Grpc, path, request.headers(), request.extensions());
    let mut response = call.clone().on(gate.answered(method, path, request, services)).await;
    // Strangers need not know how much happens here. Defended by `tests/it/rpc/hostile_messages.rs`.
    if !call.is_identified() {
        response.headers_mut().remove(status::REVISION);
    } else if !response.headers().contains_key(status::REVISION) {
        response.headers_mut().insert(status::REVISION, HeaderValue::from(gate.revision()));
    }
    counted(name, started.elapsed(), call, response)
}

impl Gate {
    /// The answer to a call of that method, or to one that is not in the table.
    async fn answered(
        &self,
        method: Option<&'static Method>,
        path: &'static str,
        request: Request,
        services: Router,
    ) -> Response {
        if let Some(method) = method {
            let response = self.pass(method, request, services).await;
            return response.unwrap_or_else(Status::into_http);
        }
        match path {
            CHECK => {
                let (parts, body) = request.into_parts();
                match self.read(NOBODY, body, MAX_MESSAGE).await {
                    Ok((pieces, _room)) => {
                        answer(services, Request::from_parts(parts, body_of(pieces))).await
                    }
                    Err(refusal) => refusal.into_http(),
                }
            }
            // Whoever asks is told.
            HEALTH => match health::whole(request).await {
                Ok(request) => answer(services, request).await,
                Err(refusal) => refusal.into_http(),
            },
            REFLECTION => {
                // Its streams are short questions about the protos; they need an identity and no
                // more.
                let (headers, certified) = (request.headers(), request.extensions().get());
                match self.identify(headers, Login::from_grpc(headers), certified).await {
                    Ok(_) => answer(services, request).await,
                    Err(refusal) => refusal.into_http(),
                }
            }
            // INVARIANT: what nobody classified is refused.
            _ => unknown(request.uri().path()).into_http(),
        }
    }

    /// Identifies the caller, reads the message, decides, and has the call answered.
    async fn pass(
        &self,
        method: &'static Method,
        request: Request,
        services: Router,
    ) -> Result<Response, Status> {
        let (mut parts, body) = request.into_parts();
        if self.forwards(method) && !is_protobuf(&parts.headers) {
            return Err(status::malformed(&"its content type is not application/grpc"));
        }
        let deadline = deadline::moment(&parts.headers);
        let login = Login::from_grpc(&parts.headers);
        let certified = parts.extensions.get();
        let identity =
            self.identified(method, &parts.headers, login, certified).await?.with(&parts);
        let connection = header_database(&parts.headers)?.to_owned();
        let path = parts.uri.path();
        if method.row.streaming {
            // One would wait in vain for the end of a stream; what these need is not in a message.
            let caller = self.admit(&identity, &connection, path, &[]).await?;
            if method.answered == Answered::Here {
                // Whoever answers asks again while the stream goes on.
                parts.extensions.insert(caller);
                parts.extensions.insert(identity);
                return Ok(answer(services, Request::from_parts(parts, body)).await);
            }
            let upstream = self.upstream_of(method)?;
            return forwarded(upstream, &parts, &connection, None, Content::Stream(body)).await;
        }
        let large = self.forwards(method) || matches!(method.row.name, "RestoreRBAC" | "Transact");
        let limit = match large {
            _ if fate::is_sealed_by(method) => MAX_SEALING_MESSAGE,
            true => MAX_MESSAGE,
            false => MAX_SMALL_MESSAGE,
        };
        let (pieces, mut room) = self.read(&identity.user, body, limit).await?;
        // What is answered here is put together anyway.
        let pieces = if self.forwards(method) { pieces } else { vec![frame::joined(pieces)] };
        let frame = Frame::arrived(pieces, |field| method.reads(field))?;
        room.add(frame.beside())?;
        let caller = self.admit(&identity, &connection, path, frame.outline()).await?;
        steps::check_bounds(method.row.name, frame.outline())?;
        if method.row.name == "Transact" {
            self.admit_steps(&identity, &connection, frame.outline()).await?;
            parts.extensions.insert(Encoded(frame.encoded()));
        }
        self.check_store(&parts.headers, &caller)?;
        if let Some(center) = self.center_of(method) {
            origin::forward(&mut parts.headers, &caller.origin())?;
            return center
                .change(parts, caller.snapshot(), &connection, deadline, frame.pieces())
                .await;
        }
        if self.forwards(method) {
            if FILTERED.contains(&method.row.name) || fate::is_sealed_by(method) {
                // It is read here, so it must not come compressed.
                parts.headers.remove("grpc-accept-encoding");
            }
            let answer = self.forward(method, &caller, &parts, &connection, deadline, &frame).await;
            match answer {
                Err(e) if e.code() == Code::Unavailable && method.answered_while_down => {}
                answer => return answer,
            }
        }
        parts.extensions.insert(caller);
        // INVARIANT: the bytes checked are the bytes that the service decodes.
        let answer = answer(services, Request::from_parts(parts, body_of(frame.pieces()))).await;
        self.hold(&identity, answer).await
    }

    /// Who calls. Where refusals are only recorded, a wrong login is one of them.
    pub(super) async fn identified(
        &self,
        method: &Method,
        headers: &HeaderMap,
        login: Result<Login, Status>,
        certified: Option<&Certified>,
    ) -> Result<Identity, Status> {
        if !self.options.audit_only || !self.forwards(method) {
            return self.identify(headers, login, certified).await;
        }
        match self.logged_in(headers, login, certified).await {
            Err(e) if e.code() == Code::Unauthenticated => {
                let subject = subject(method, "", &self.engine.snapshot());
                self.audit.refused(&subject, Decision::WouldBeUnauthenticated);
                Ok(Identity::nobody())
            }
            identified => identified,
        }
    }

    /// Sends an allowed call on. Listings come back with what the caller may see of them.
    pub(super) async fn forward(
        &self,
        method: &Method,
        caller: &Caller,
        parts: &Parts,
        connection: &str,
        deadline: Option<Instant>,
        frame: &Frame,
    ) -> Result<Response, Status> {
        let named = peek::field(frame.outline(), method.row.database);
        let named = named.map_err(|e| status::malformed(&e))?;
        // INVARIANT: the bytes checked are the bytes forwarded; only the database that the check
        // added is added to them, since not every Milvus looks for it where the client put it.
        let pieces = if method.in_database && named.is_empty() && !connection.is_empty() {
            frame.with_text(method.row.database, connection)
        } else {
            frame.pieces()
        };
        let forgetting = self.forgetting(method);
        let content = Content::Whole(pieces);
        let upstream = self.upstream_of(method)?.clone();
        let fate = self.fate_by(method, caller.identity(), connection, frame.outline()).await?;
        let (mut answer, revision) = if let Some(fate) = fate {
            let (parts, connection) = (parts.clone(), connection.to_owned());
            let answer = fate::until_done(async move {
                let _forgetting = forgetting;
                let answer = forwarded(&upstream, &parts, &connection, deadline, content).await?;
                fate.seal(answer).await
            });
            // Even if the caller's time is over before the answer is.
            (Upstream::within(deadline, answer).await??, self.revision())
        } else {
            let answer = forwarded(&upstream, parts, connection, deadline, content).await?;
            drop(forgetting);
            (answer, caller.snapshot.revision)
        };
        // Chained gates have revisions of their own.
        let revision = HeaderValue::from(revision);
        answer.headers_mut().insert(status::REVISION, revision);
        if caller.sees_all {
            return Ok(answer);
        }
        let visible = match method.row.name {
            "ListDatabases" => caller.visible_databases(),
            "ShowCollections" => {
                caller.visible_collections(&caller.database_or_own(named.to_owned()))
            }
            _ => return Ok(answer),
        };
        if matches!(visible, Visible::Every) {
            return Ok(answer);
        }
        let shortened = filter::shorten(method.row.name, answer, &visible);
        Upstream::within(deadline, shortened).await?
    }

    fn upstream_of(&self, method: &Method) -> Result<&Arc<Upstream>, Status> {
        let upstream = self.upstream.as_ref().filter(|_| method.answered != Answered::Here);
        upstream.ok_or_else(|| not_served(method))
    }
}

/// The upstream's answer, whose beginning is timed.
async fn forwarded(
    upstream: &Upstream,
    parts: &Parts,
    connection: &str,
    deadline: Option<Instant>,
    content: Content,
) -> Result<Response, Status> {
    let started = Instant::now();
    let answer = upstream.forward(parts, connection, deadline, content).await;
    telemetry::answered_upstream(Protocol::Grpc, started.elapsed(), answer.is_ok());
    answer
}

/// Whether the messages of a call are what the gate can read: what is behind it may know other
/// encodings too.
pub(super) fn is_protobuf(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    types.next().is_some_and(|t| t == "application/grpc" || t == "application/grpc+proto")
        && types.next().is_none()
}

fn body_of(pieces: Vec<Bytes>) -> Body {
    Body::from(frame::joined(pieces))
}

async fn answer(mut services: Router, request: Request) -> Response {
    services.call(request).await.unwrap_or_else(|never| match never {})
}

/// The database that the connection is for; empty if it names none.
pub(super) fn header_database(headers: &HeaderMap) -> Result<&str, Status> {
    headers.get("dbname").map_or(Ok(""), |name| {
        name.to_str().map_err(|_| status::malformed(&"dbname is not the name of a database"))
    })
}
