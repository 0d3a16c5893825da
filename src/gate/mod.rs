//! The gate: every call is identified, its requirement looked up and decided, before anything else
//! sees it. What it lets through carries a [`Caller`], which only the gate can make.

mod alias;
mod arrival;
mod audit;
mod classes;
mod connections;
mod deadline;
mod decide;
mod external;
mod filter;
mod forward;
mod frame;
mod gather;
mod guard;
mod identity;
mod methods;
mod outline;
mod peek;
#[cfg(test)]
mod peek_fuzz;
mod rest;

pub use self::alias::Aliases;
pub use self::external::External;
pub(crate) use self::forward::with_causes;
pub use self::forward::{Credentials, DROPPED, Upstream};
pub use self::guard::guard;
pub use self::identity::{Identity, Login};
pub use self::rest::Names;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tonic::Status;

use crate::authz::{Decision, deciding_grant};
use crate::engine::{Engine, Snapshot};
use crate::model::builtin::BuiltInGroups;
use crate::model::name::MAX_NAME;
use crate::model::state::{DEFAULT_DATABASE, Grant};
use crate::model::visibility::{Visible, visible_collections, visible_databases};
use crate::passwords::Passwords;
use crate::rpc::status;
use crate::storage::Revision;

use arrival::Room;
use audit::{Audit, Subject};
use decide::Asked;
use methods::{Access, Answered, Method};

/// The largest message that is read: the largest that Milvus takes.
pub const MAX_MESSAGE: usize = 64 << 20;
/// The largest of those that are answered here, but for backups that are restored.
const MAX_SMALL_MESSAGE: usize = 4 << 20;
/// Bytes of requests that are held at a time.
const MAX_HELD: usize = 512 << 20;
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
    groups: Arc<BuiltInGroups>,
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

    /// The collections of `database` that listings may show.
    pub fn visible_collections(&self, database: &str) -> Visible {
        if self.sees_all {
            return Visible::Every;
        }
        visible_collections(&self.snapshot.state, &self.groups, &self.user, database)
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
    aliases: Option<Arc<Aliases>>,
    audit: Audit,
    /// Where requests are held while they arrive and are answered.
    room: Room,
}

impl Gate {
    /// With an `upstream`, what is not answered here goes there.
    pub fn new(
        engine: Engine,
        passwords: Passwords,
        groups: Arc<BuiltInGroups>,
        upstream: Option<Arc<Upstream>>,
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
            aliases: aliases.map(|upstream| Arc::new(Aliases::new(upstream))),
            audit: Audit::new(options.audit_allowed),
            room: Room::new(MAX_HELD),
        }
    }

    /// Names of collections as the upstream knows them, where grants cover aliases.
    pub fn aliases(&self) -> Option<Arc<Aliases>> {
        self.aliases.clone()
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
        if !self.options.authorization {
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
    /// The login no longer holds, a privilege is missing, or nobody answers the call.
    pub async fn admit(
        &self,
        identity: &Identity,
        database: &str,
        path: &str,
        message: &[u8],
    ) -> Result<Caller, Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        let database = connection_database(database)?;
        if self.forwards(method) {
            decide::check_names(method, database, message)?;
        }
        let snapshot = self.decided(method, identity, database, message).await?;
        if method.answered == Answered::Upstream && self.upstream.is_none() {
            return Err(not_served(method));
        }
        Ok(Caller {
            user: identity.user.clone(),
            database: database.to_owned(),
            snapshot,
            groups: self.groups.clone(),
            sees_all: !self.options.authorization || self.options.audit_only,
        })
    }

    /// The state on which the call was allowed.
    async fn decided(
        &self,
        method: &'static Method,
        identity: &Identity,
        database: &str,
        message: &[u8],
    ) -> Result<Arc<Snapshot>, Status> {
        // INVARIANT: the newest state decides, however long the login and the message took: what
        // was revoked before this moment is refused. Defended by `tests/it/in_force.rs`.
        let snapshot = self.engine.snapshot();
        identity.check(&snapshot.state)?;
        if !self.options.authorization {
            return Ok(snapshot);
        }
        let user = identity.user.as_str();
        let asked = match &method.access {
            Access::Privileged(requirement) => Some(
                Asked::read(method, requirement, database, message)
                    .map_err(|e| status::malformed(&e))?,
            ),
            Access::Anywhere(_) | Access::Authenticated | Access::Administrators => None,
        };
        let Some(mut asked) = asked.filter(|asked| !asked.is_free()) else {
            let named = peek::field(message, method.row.database);
            let named = named.map_err(|e| status::malformed(&e))?;
            let database = if named.is_empty() { database } else { named };
            let subject = Subject { database, ..subject(method, user, &snapshot) };
            return match decide::nameless(method, &snapshot, user) {
                Decision::Allowed(reason) => {
                    self.audit.allowed(&subject, reason, |_| None);
                    Ok(snapshot)
                }
                Decision::Denied => {
                    self.refuse(method, &subject, || decide::nameless_refusal(method, user))?;
                    Ok(snapshot)
                }
            };
        };
        let holds_some = asked.id != 0 && asked.anywhere(&snapshot, user);
        if asked.id != 0 && !(holds_some && self.is_id_of_name(&asked).await) {
            asked.go_by_id();
        }
        let (snapshot, names) = self.named(identity, &asked, snapshot).await?;
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let decision = asked.on(&snapshot, user, &names);
        let subject = Subject {
            database: asked.database,
            objects: &names,
            ..subject(method, user, &snapshot)
        };
        match decision {
            Decision::Allowed(reason) => self.audit.allowed(&subject, reason, |role| {
                let query = asked.query(user, names.first().copied().unwrap_or_default());
                deciding_grant(&snapshot.state, &self.groups, role, &query).map(described)
            }),
            Decision::Denied => self.refuse(method, &subject, || asked.refusal(user))?,
        }
        Ok(snapshot)
    }

    /// The collections that a call's names stand for, and the state on which to decide. Names are
    /// looked up only where they can matter: not where the caller may act on all collections, nor
    /// where on none.
    async fn named<'m>(
        &self,
        identity: &Identity,
        asked: &Asked<'m>,
        snapshot: Arc<Snapshot>,
    ) -> Result<(Arc<Snapshot>, Vec<NameOf<'m>>), Status> {
        let literal = || asked.names.iter().copied().map(NameOf::Literal).collect();
        let Some(aliases) = self.aliases.as_ref().filter(|_| asked.names_collections()) else {
            return Ok((snapshot, literal()));
        };
        let user = identity.user.as_str();
        if asked.on_all(&snapshot, user).is_allowed() || !asked.anywhere(&snapshot, user) {
            return Ok((snapshot, literal()));
        }
        let mut names = Vec::with_capacity(asked.names.len());
        for name in &asked.names {
            let name = aliases.resolve(asked.database, name).await;
            // One that is denied decides: no caller has more looked up than may be acted on.
            let snapshot = self.engine.snapshot();
            let denied = !asked.on(&snapshot, user, &[&*name]).is_allowed();
            names.push(NameOf::Resolved(name));
            if denied {
                identity.check(&snapshot.state)?;
                return Ok((snapshot, names));
            }
        }
        let snapshot = self.engine.snapshot();
        identity.check(&snapshot.state)?;
        Ok((snapshot, names))
    }

    /// Whether the upstream knows the collection that a call names by the id beside the name.
    async fn is_id_of_name(&self, asked: &Asked<'_>) -> bool {
        let (Some(upstream), [name]) = (&self.upstream, asked.names.as_slice()) else {
            return false;
        };
        let asked_for = upstream.id_of(asked.database, name).await;
        asked_for.is_ok_and(|id| id == asked.id)
    }

    /// Records a refusal; refuses, unless the call goes to the upstream and refusals are only
    /// recorded.
    fn refuse(
        &self,
        method: &Method,
        subject: &Subject<'_>,
        text: impl FnOnce() -> String,
    ) -> Result<(), Status> {
        if self.options.audit_only && self.forwards(method) {
            self.audit.refused(subject, "would be denied");
            return Ok(());
        }
        self.audit.refused(subject, "denied");
        Err(status::denied(text()))
    }

    /// Whether the upstream answers the method.
    fn forwards(&self, method: &Method) -> bool {
        self.upstream.is_some() && method.answered != Answered::Here
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
        let limit = deadline::of(headers).unwrap_or(REVISION_WAIT).min(MAX_REVISION_WAIT);
        self.engine.wait_for(wanted, limit).await.map_err(|reached| {
            status::too_late(format!(
                "revision {wanted} was asked for, and {reached} was reached in time"
            ))
        })
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

/// A name in a request, or what it stands for.
enum NameOf<'m> {
    Literal(&'m str),
    Resolved(Arc<str>),
}

impl AsRef<str> for NameOf<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Self::Literal(name) => name,
            Self::Resolved(name) => name,
        }
    }
}

fn subject<'a>(method: &Method, user: &'a str, snapshot: &Snapshot) -> Subject<'a> {
    let revision = snapshot.revision;
    Subject { method: method.row.name, user, database: "", objects: &[], revision }
}

fn described(grant: &Grant) -> String {
    let Grant { object_type, database, object, privilege, .. } = grant;
    format!("{privilege} on {} {object} in {database}", object_type.name())
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
