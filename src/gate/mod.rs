//! The gate: every call is identified, its requirement looked up and decided, before anything else
//! sees it. What it lets through carries a [`Caller`], which only the gate can make.

mod alias;
mod answering;
mod arrival;
mod asked;
mod audit;
mod center;
mod classes;
mod connections;
mod counted;
mod deadline;
mod decide;
mod departure;
mod external;
mod fate;
mod filter;
mod forward;
mod frame;
mod gather;
mod guard;
#[cfg(test)]
mod header_fuzz;
mod identity;
mod methods;
mod origin;
mod outline;
mod peek;
#[cfg(test)]
mod peek_fuzz;
mod rest;
mod rpc;
mod steps;

pub use self::alias::Aliases;
pub use self::center::Center;
pub use self::decide::Purpose;
pub use self::external::External;
pub use self::fate::{Fate, until_done};
pub use self::forward::{Credentials, OF_CLIENT, OF_CONNECTION, Upstream};
pub use self::guard::guard;
pub use self::identity::{Identity, Login};
pub use self::rest::Names;
pub use self::rpc::{Named, Rpc, object};
pub use self::steps::Encoded;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use crate::authz::{Object, Query};
use crate::engine::{Engine, Snapshot};
use crate::model::builtin::BuiltInGroups;
use crate::model::name::MAX_NAME;
use crate::model::origin::Origin;
use crate::model::privilege::{ANY, Privilege};
use crate::model::state::DEFAULT_DATABASE;
use crate::model::visibility::{Visible, visible_collections, visible_databases};
use crate::passwords::Passwords;
use crate::rpc::status;
use crate::storage::Revision;
use crate::telemetry::{self, Decision, Shed};
use crate::tls::subject::Certified;

use arrival::Room;
use audit::Audit;
use identity::Proof;
use methods::{Answered, Method};

/// The largest message that is read: the largest that Milvus takes.
pub const MAX_MESSAGE: usize = 64 << 20;
/// The largest of those that are answered here, but for backups that are restored.
const MAX_SMALL_MESSAGE: usize = 4 << 20;
/// The largest of those that drop or rename a collection: they may be under way when their caller is
/// gone, and his room with him.
pub const MAX_SEALING_MESSAGE: usize = 64 << 10;
/// Bytes of requests that are held at a time, and of answers that are made here.
const MAX_HELD: usize = 512 << 20;
/// Collections that are dropped or renamed at a time.
const MAX_SEALS: usize = 256;
/// How long a call without a deadline waits for a revision.
const REVISION_WAIT: Duration = Duration::from_secs(10);
/// Calls that wait for one at a time: nobody knows yet whether they may be made at all.
const MAX_WAITING: usize = 1024;
/// How long a call waits for one at most.
const MAX_REVISION_WAIT: Duration = Duration::from_secs(60);

/// Proof that a call passed the gate: who called, for which database, and the state on which it
/// was decided and from which it is answered.
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Identity,
    database: String,
    snapshot: Arc<Snapshot>,
    groups: Arc<BuiltInGroups>,
    sees_all: bool,
    /// Whether nothing is refused.
    may_all: bool,
}

impl Caller {
    /// The user, who exists.
    pub fn user(&self) -> &str {
        &self.identity.user
    }

    /// The login, for calls that are made of others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where what this call changes comes from.
    pub fn origin(&self) -> Origin {
        self.identity.origin()
    }

    /// Whether the caller may do what needs that privilege on everything.
    pub fn holds(&self, privilege: Privilege) -> bool {
        let object = Object::Global { collection: None };
        let query = Query { user: self.user(), privilege, database: ANY, object };
        self.may_all || self.snapshot.policy.decide(&query).is_allowed()
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
        visible_databases(&self.snapshot.state, self.user())
    }

    /// The collections of `database` that listings may show.
    pub fn visible_collections(&self, database: &str) -> Visible {
        if self.sees_all {
            return Visible::Every;
        }
        visible_collections(&self.snapshot.state, &self.groups, self.user(), database)
    }
}

/// How the gate decides.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Off: nothing is refused, and credentials are not verified.
    pub authorization: bool,
    /// Calls that go to the upstream go there even if they are refused, which is only recorded.
    pub audit_only: bool,
    /// One in so many allowed decisions is recorded; none for 0.
    pub audit_allowed: u64,
    /// Whether grants on a collection cover its aliases.
    pub resolve_aliases: bool,
    /// Whether Envoy, which has no login, may ask for decisions.
    pub ext_authz: bool,
}

/// What the gate decides with.
#[derive(Debug)]
pub struct Gate {
    engine: Engine,
    passwords: Passwords,
    groups: Arc<BuiltInGroups>,
    options: Options,
    upstream: Option<Arc<Upstream>>,
    /// Where changes are made, if not here.
    center: Option<Arc<Center>>,
    aliases: Option<Arc<Aliases>>,
    audit: Audit,
    /// Collections that may be dropped or renamed at a time.
    seals: Arc<Semaphore>,
    /// Calls that may wait for a revision.
    waiting: Semaphore,
    /// Where requests are held while they arrive and are answered.
    room: Room,
    /// Where answers are held until they are taken.
    answers: Room,
}

impl Gate {
    /// With an `upstream`, what is not answered here goes there; with a `center`, changes do.
    pub fn new(
        engine: Engine,
        passwords: Passwords,
        groups: Arc<BuiltInGroups>,
        upstream: Option<Arc<Upstream>>,
        center: Option<Center>,
        options: Options,
    ) -> Self {
        let aliases =
            upstream.clone().filter(|upstream| options.resolve_aliases && upstream.can_be_asked());
        Self {
            engine,
            passwords,
            groups,
            options,
            upstream,
            center: center.map(Arc::new),
            aliases: aliases.map(|upstream| Arc::new(Aliases::new(upstream))),
            audit: Audit::new(options.audit_allowed),
            seals: Arc::new(Semaphore::new(MAX_SEALS)),
            waiting: Semaphore::new(MAX_WAITING),
            room: Room::new(MAX_HELD),
            answers: Room::new(MAX_HELD),
        }
    }

    /// Whether there is a Milvus behind.
    pub fn has_upstream(&self) -> bool {
        self.upstream.is_some()
    }

    /// Names of collections as the upstream knows them, where grants cover aliases.
    pub fn aliases(&self) -> Option<Arc<Aliases>> {
        self.aliases.clone()
    }

    /// Who calls: by the login that was sent, or by the certificate of the connection, where that
    /// names the user.
    ///
    /// # Errors
    /// The login is missing or wrong, or is not that of the certificate's user, who may also be
    /// unknown; or the state that the call asks for is not reached in time.
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        login: Result<Login, Status>,
        certified: Option<&Certified>,
    ) -> Result<Identity, Status> {
        let identity = self.logged_in(headers, login, certified).await;
        if identity.as_ref().is_err_and(|e| e.code() == Code::Unauthenticated) {
            telemetry::decided(Decision::Unauthenticated, self.revision());
        }
        identity
    }

    /// The same, where a refusal is counted by whoever asks.
    async fn logged_in(
        &self,
        headers: &HeaderMap,
        login: Result<Login, Status>,
        certified: Option<&Certified>,
    ) -> Result<Identity, Status> {
        let identity = if self.options.authorization {
            self.proven(headers, login, certified).await?
        } else {
            self.wait_for_revision(headers).await?;
            Login::claimed(login.ok(), &self.current()?.state)
        };
        telemetry::identified(&identity.user);
        Ok(identity)
    }

    /// Who calls, by a login or by a certificate.
    async fn proven(
        &self,
        headers: &HeaderMap,
        login: Result<Login, Status>,
        certified: Option<&Certified>,
    ) -> Result<Identity, Status> {
        let named = match certified {
            Some(Certified(named)) => {
                Some(named.as_deref().map_err(|e| status::unauthenticated(e))?)
            }
            None => None,
        };
        // INVARIANT: who shows a certificate that names a user is this user or nobody, whatever
        // login is sent. Defended by `tests/it/tls/users.rs`.
        let login = match named {
            Some(user) if headers.contains_key(AUTHORIZATION) => Some(login?.of(user)?),
            Some(_) => None,
            None => Some(login?),
        };
        self.wait_for_revision(headers).await?;
        let state = &self.engine.snapshot().state;
        match login {
            Some(login) => login.verified(state, &self.passwords).await,
            None => Identity::certified(named.unwrap_or_default(), state),
        }
    }

    /// Decides whether the caller may make the call at `path`, on its encoded message. `database`
    /// is that of the connection, empty for the default one.
    ///
    /// # Errors
    /// The login no longer holds, a privilege is missing, or nobody answers the call.
    pub async fn admit(
        &self,
        identity: &Identity,
        database: &str,
        path: &str,
        message: &[u8],
    ) -> Result<Caller, Status> {
        self.admit_to(identity, Purpose::Call, database, path, message).await
    }

    async fn admit_to(
        &self,
        identity: &Identity,
        purpose: Purpose,
        database: &str,
        path: &str,
        message: &[u8],
    ) -> Result<Caller, Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        let database = connection_database(database)?;
        let heeded = !self.options.audit_only || !self.forwards(method);
        if matches!(identity.proof, Proof::Certificate) && self.wants_login(method) && heeded {
            return Err(status::unauthenticated(
                "a client certificate alone is not enough for this call: whoever answers it is shown \
                 the caller's own login, so send that too",
            ));
        }
        if self.forwards(method) {
            asked::check_names(method, database, message)?;
        }
        let snapshot = self.decided(method, identity, purpose, database, message).await?;
        if method.answered == Answered::Upstream && self.upstream.is_none() {
            return Err(status::refused_at(snapshot.revision, not_served(method)));
        }
        Ok(Caller {
            identity: identity.clone(),
            database: database.to_owned(),
            snapshot,
            groups: self.groups.clone(),
            sees_all: !self.options.authorization || self.options.audit_only,
            may_all: !self.options.authorization,
        })
    }

    /// Whether the upstream answers the method.
    fn forwards(&self, method: &Method) -> bool {
        self.upstream.is_some() && method.answered != Answered::Here
    }

    /// Where the method is answered, if it changes what is kept and that is not done here.
    fn center_of(&self, method: &Method) -> Option<&Center> {
        self.center.as_deref().filter(|_| method.changes && !self.forwards(method))
    }

    /// Whether whoever answers the method is shown the caller's own login.
    fn wants_login(&self, method: &Method) -> bool {
        let upstream = self.upstream.as_ref().filter(|_| self.forwards(method));
        self.center_of(method).is_some() || upstream.is_some_and(|to| !to.can_be_asked())
    }

    /// The newest state, unless it may be too old to decide on.
    fn current(&self) -> Result<Arc<Snapshot>, Status> {
        self.engine.current().map_err(|e| status::unavailable(e.to_string()))
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
        if self.revision() >= wanted {
            return Ok(());
        }
        let _place = self.waiting.try_acquire().map_err(|_| {
            status::overloaded(
                Shed::RevisionWaits,
                "too many calls wait for a revision, try again later",
            )
        })?;
        let limit = deadline::of(headers).unwrap_or(REVISION_WAIT).min(MAX_REVISION_WAIT);
        self.engine.wait_for(wanted, limit).await.map_err(|reached| {
            status::too_late(format!(
                "revision {wanted} was asked for, and {reached} was reached in time"
            ))
        })
    }

    /// INVARIANT: what a follower decided on the records of one store is not done to those of another.
    /// Defended by `tests/it/follow/replaced.rs`.
    fn check_store(&self, headers: &HeaderMap, caller: &Caller) -> Result<(), Status> {
        match headers.get(status::STORE) {
            Some(store) if store.as_bytes() != caller.snapshot.store.as_bytes() => {
                Err(status::unavailable(
                    "this was decided on the records of another store; nothing was changed"
                        .to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The database of a connection that names one, or none.
fn connection_database(named: &str) -> Result<&str, Status> {
    match named {
        "" => Ok(DEFAULT_DATABASE),
        _ if named.len() > MAX_NAME => {
            Err(status::malformed(&"dbname is not the name of a database"))
        }
        _ => Ok(named),
    }
}

fn not_served(method: &Method) -> Status {
    status::unimplemented(format!(
        "{} is not answered by milvus-rbac itself; with --upstream it goes to a Milvus",
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
