//! The gate: every call is identified, its requirement looked up and decided, before anything else
//! sees it. What it lets through carries a [`Caller`], which only the gate can make.

mod identity;
mod methods;
mod peek;

pub use self::identity::{Identity, Login};

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};
use tracing::{debug, info};

use crate::authz::{Object, Query};
use crate::engine::{Engine, Snapshot};
use crate::model::name::{MAX_NAME, shortened};
use crate::model::privilege::{ANY, Level, ObjectType};
use crate::model::state::DEFAULT_DATABASE;
use crate::model::visibility::{Visible, visible_databases};
use crate::passwords::Passwords;
use crate::rpc::status;
use crate::storage::Revision;
use crate::telemetry;
use methods::{Access, Method, Requirement};

/// The largest backup that is restored: the largest message that Milvus takes.
pub const MAX_MESSAGE: usize = 64 << 20;
/// The largest of all other requests.
const MAX_SMALL_MESSAGE: usize = 4 << 20;
/// Bytes of requests that are held at a time.
const MAX_HELD: usize = 256 << 20;
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long the end of a request may take after its one message: a client that repeats a call may
/// never tell the end (Node's does not), and Milvus does not wait for it.
const END: Duration = Duration::from_millis(20);
/// How long a call without a deadline waits for a revision.
const REVISION_WAIT: Duration = Duration::from_secs(10);
/// How long a call waits for one at most.
const MAX_REVISION_WAIT: Duration = Duration::from_secs(60);

/// Proof that a call passed the gate: who called, for which database, and the state on which it
/// was decided and from which it is answered.
#[derive(Debug, Clone)]
pub struct Caller {
    user: String,
    database: String,
    snapshot: Arc<Snapshot>,
    sees_all: bool,
}

impl Caller {
    /// The user, who exists.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database of the connection.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The database that a request names, or that of the connection if it names none.
    pub fn database_or_own(&self, named: String) -> String {
        if named.is_empty() { self.database.clone() } else { named }
    }

    /// The state of this call.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The databases that listings may show.
    pub fn visible_databases(&self) -> Visible {
        if self.sees_all {
            return Visible::Every;
        }
        visible_databases(&self.snapshot.state, &self.user)
    }
}

/// What the gate decides with.
#[derive(Debug, Clone)]
pub struct Gate {
    engine: Engine,
    passwords: Passwords,
    authorization: bool,
    /// Bytes of requests that may still be taken.
    room: Arc<Semaphore>,
}

impl Gate {
    /// With `authorization` off nothing is refused, and credentials are not verified.
    pub fn new(engine: Engine, passwords: Passwords, authorization: bool) -> Self {
        let room = Arc::new(Semaphore::new(MAX_HELD));
        Self { engine, passwords, authorization, room }
    }

    /// Who calls.
    ///
    /// # Errors
    /// The login is missing or wrong, or the state that the call asks for is not reached in time.
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        login: Result<Login, Status>,
    ) -> Result<Identity, Status> {
        if !self.authorization {
            self.wait_for_revision(headers).await?;
            return Ok(Login::claimed(login.ok(), &self.engine.snapshot().state));
        }
        let login = login?;
        self.wait_for_revision(headers).await?;
        login.verified(&self.engine.snapshot().state, &self.passwords).await
    }

    /// Decides whether the caller may make the call at `path`, on its encoded message. `database`
    /// is that of the connection, empty for the default one.
    ///
    /// # Errors
    /// The login no longer holds, a privilege is missing, or the call is not served.
    pub fn admit(
        &self,
        identity: &Identity,
        database: &str,
        path: &str,
        message: &[u8],
    ) -> Result<Caller, Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        if database.len() > MAX_NAME {
            return Err(status::malformed(&"dbname is not the name of a database"));
        }
        let database = if database.is_empty() { DEFAULT_DATABASE } else { database };
        // INVARIANT: the newest state decides, however long the login and the message took: what
        // was revoked before this moment is refused. Defended by `tests/it/in_force.rs`.
        let snapshot = self.engine.snapshot();
        identity.check(&snapshot.state)?;
        let user = identity.user.clone();
        let sees_all = !self.authorization;
        let caller = Caller { user, database: database.to_owned(), snapshot, sees_all };
        if let (Access::Privileged(requirement), true) = (&method.access, self.authorization) {
            decide(&caller, method, requirement, message)?;
        }
        if method.served { Ok(caller) } else { Err(not_served(method)) }
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.engine.snapshot().revision
    }

    /// Waits until the state is as new as the caller asks.
    async fn wait_for_revision(&self, headers: &HeaderMap) -> Result<(), Status> {
        let Some(wanted) = headers.get(status::MIN_REVISION) else {
            return Ok(());
        };
        let wanted = wanted.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            status::malformed(&format_args!("{} is not a number", status::MIN_REVISION))
        })?;
        let limit = deadline(headers).unwrap_or(REVISION_WAIT).min(MAX_REVISION_WAIT);
        self.engine.wait_for(wanted, limit).await.map_err(|reached| {
            status::too_late(format!(
                "revision {wanted} was asked for, and {reached} was reached in time"
            ))
        })
    }

    /// Identifies the caller, reads the message, decides. Returns the call for the service, with
    /// the room that it takes.
    async fn pass(
        &self,
        method: &Method,
        request: Request,
    ) -> Result<(Request, OwnedSemaphorePermit), Status> {
        let (mut parts, body) = request.into_parts();
        let identity = self.identify(&parts.headers, Login::from_grpc(&parts.headers)).await?;
        // Some of these are streams, which one would wait for in vain.
        if !method.served && matches!(method.access, Access::Authenticated) {
            return Err(not_served(method));
        }
        let database = header_database(&parts.headers)?;
        let limit = if method.row.name == "RestoreRBAC" { MAX_MESSAGE } else { MAX_SMALL_MESSAGE };
        let (frame, room) = self.read(body, limit).await?;
        let caller = self.admit(&identity, database, parts.uri.path(), message_of(&frame)?)?;
        parts.extensions.insert(caller);
        // INVARIANT: the bytes checked are the bytes that the service decodes.
        Ok((Request::from_parts(parts, Body::from(frame)), room))
    }

    /// Reads a request whole, within its limit and the room that is left. It is one message.
    ///
    /// # Errors
    /// It is too large, for itself or beside the others, breaks off, or takes too long.
    pub async fn read(
        &self,
        body: Body,
        limit: usize,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        self.read_until(body, limit, Self::has_message).await
    }

    /// Reads a request of whatever kind, to its end.
    ///
    /// # Errors
    /// The same.
    pub async fn read_all(
        &self,
        body: Body,
        limit: usize,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        self.read_until(body, limit, |_| false).await
    }

    /// Whether a frame is there to its end.
    fn has_message(frame: &[u8]) -> bool {
        let Some((&[_, length @ ..], message)) = frame.split_first_chunk::<FRAME_HEAD>() else {
            return false;
        };
        usize::try_from(u32::from_be_bytes(length)).is_ok_and(|length| length <= message.len())
    }

    async fn read_until(
        &self,
        mut body: Body,
        limit: usize,
        complete: fn(&[u8]) -> bool,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        let no_room = |_| status::overloaded("too many large requests at once, try again later");
        let mut room = self.room.clone().try_acquire_many_owned(0).map_err(no_room)?;
        let mut frame = BytesMut::new();
        let arrive = async {
            loop {
                let part = if complete(&frame) {
                    tokio::time::timeout(END, body.frame()).await.unwrap_or_default()
                } else {
                    body.frame().await
                };
                let Some(part) = part else { break };
                let part = part.map_err(|e| status::malformed(&e))?;
                let Ok(data) = part.into_data() else { continue };
                if frame.len() + data.len() > limit + FRAME_HEAD {
                    return Err(status::too_large(limit));
                }
                let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                room.merge(self.room.clone().try_acquire_many_owned(bytes).map_err(no_room)?);
                frame.extend_from_slice(&data);
            }
            Ok(())
        };
        match tokio::time::timeout(ARRIVAL, arrive).await {
            Ok(arrived) => arrived?,
            Err(_) => {
                return Err(status::too_late(format!(
                    "the request did not arrive within {} s",
                    ARRIVAL.as_secs()
                )));
            }
        }
        Ok((frame.freeze(), room))
    }
}

/// The layer around all gRPC services.
pub async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let revision = gate.revision();
    let path = request.uri().path();
    let (name, mut response) = if let Some(method) = methods::find(path) {
        let response = match gate.pass(method, request).await {
            Ok((request, _room)) => next.run(request).await,
            Err(refusal) => refusal.into_http(),
        };
        (method.row.name, response)
    } else if path.starts_with("/grpc.health.v1.Health/") {
        ("Health", next.run(request).await)
    } else if path.starts_with("/grpc.reflection.") {
        // Its streams are short questions about the protos; they need an identity and no more.
        let response =
            match gate.identify(request.headers(), Login::from_grpc(request.headers())).await {
                Ok(_) => next.run(request).await,
                Err(refusal) => refusal.into_http(),
            };
        ("Reflection", response)
    } else {
        // INVARIANT: what nobody classified is refused.
        ("unknown", unknown(path).into_http())
    };
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |s| s.code());
    // Strangers need not know how much happens here.
    if code != Code::Unauthenticated && !response.headers().contains_key(status::REVISION) {
        response.headers_mut().insert(status::REVISION, HeaderValue::from(revision));
    }
    debug!(method = name, ?code, "answered");
    telemetry::called(name, code as i32, started.elapsed());
    response
}

fn not_served(method: &Method) -> Status {
    status::unimplemented(format!(
        "{} is not answered by milvus-rbac itself, and forwarding it to a Milvus (--upstream) is not supported by this version",
        method.row.name
    ))
}

fn unknown(path: &str) -> Status {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let short = |text: &str| text.chars().take(MAX_NAME).collect::<String>();
    status::unimplemented(format!(
        "unknown method {} for service {}",
        short(method),
        short(service)
    ))
}

/// A flag and a length stand before each message.
const FRAME_HEAD: usize = 5;

/// The one message of a unary call.
fn message_of(frame: &[u8]) -> Result<&[u8], Status> {
    let Some(([compressed, length @ ..], message)) = frame.split_first_chunk::<FRAME_HEAD>() else {
        return Err(status::malformed(&"there is no message"));
    };
    if *compressed != 0 {
        return Err(status::unimplemented("compressed requests are not supported".to_owned()));
    }
    if usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| length == message.len()) {
        return Ok(message);
    }
    Err(status::malformed(&"its length is not what its head says"))
}

/// Whether the caller may make this call. Names are read from the very bytes that go on.
fn decide<'m>(
    caller: &'m Caller,
    method: &Method,
    requirement: &Requirement,
    message: &'m [u8],
) -> Result<(), Status> {
    let Snapshot { state, policy, .. } = caller.snapshot();
    let peek = |path: &[u32]| peek::string(message, path).map_err(|e| status::malformed(&e));
    let privilege = requirement.privilege;
    let named = peek(&[method.row.database])?;
    let or_own = |name: &'m str| if name.is_empty() { &*caller.database } else { name };
    let database = or_own(named);
    // What moves data into another database needs the privilege in every database.
    let moves = requirement.target_database != 0
        && or_own(peek(&[requirement.target_database])?) != database;
    let database = if moves { ANY } else { database };
    let allowed = |object: Object<'_>| {
        let query = Query { user: &caller.user, privilege, database, object };
        policy.decide(state, &query).is_allowed()
    };

    let own_role = peek(requirement.own_role)?;
    if !own_role.is_empty() && state.effective_roles(&caller.user).any(|role| role == own_role) {
        return Ok(());
    }
    let is_allowed = match requirement.object_type {
        ObjectType::Global => {
            let concerns_one = privilege.level() == Some(Level::Collection);
            let collection = if concerns_one { peek(&[method.row.collection])? } else { "" };
            allowed(Object::Global { collection: Some(collection).filter(|c| !c.is_empty()) })
        }
        ObjectType::User => {
            let user = peek(requirement.name)?;
            allowed(Object::User(if user.is_empty() { ANY } else { user }))
        }
        ObjectType::Collection if requirement.many => {
            let names =
                peek::strings(message, requirement.name).map_err(|e| status::malformed(&e))?;
            // No name means all of the database.
            let names = if names.is_empty() { vec![""] } else { names };
            names.into_iter().all(|name| allowed(Object::Collection(name)))
        }
        ObjectType::Collection => allowed(Object::Collection(peek(requirement.name)?)),
    };
    if is_allowed {
        return Ok(());
    }
    let shown = if privilege.level() == Some(Level::Cluster) { ANY } else { database };
    let (shown, stored_name, user) = (shortened(shown), privilege.stored_name(), &caller.user);
    info!(method = method.row.name, user, privilege = stored_name, database = shown, "denied");
    Err(status::denied(format!(
        "{stored_name}: permission deny to {user} in the `{shown}` database"
    )))
}

/// The database that the connection is for; empty if it names none.
fn header_database(headers: &HeaderMap) -> Result<&str, Status> {
    headers.get("dbname").map_or(Ok(""), |name| {
        name.to_str().map_err(|_| status::malformed(&"dbname is not the name of a database"))
    })
}

/// The caller's deadline, from now.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount.checked_mul(3600)?)),
        "M" => Some(Duration::from_secs(amount.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}
