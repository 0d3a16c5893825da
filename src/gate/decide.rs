//! The decision on one call, on the newest state, and its line in the log.

use std::sync::Arc;

use tonic::Status;

use super::asked::Asked;
use super::audit::Subject;
use super::methods::{Access, Method};
use super::{Gate, Identity, methods, peek, unknown};
use crate::authz::{Decision, Need, Path, Reason};
use crate::engine::Snapshot;
use crate::model::state::{DEFAULT_DATABASE, Grant};
use crate::rpc::status;
use crate::telemetry;

/// What is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A call: what is denied is refused.
    Call,
    /// A part of another call's answer, which is left out if it is denied.
    Part,
}

impl Gate {
    /// The state on which the call was allowed.
    pub(super) async fn decided(
        &self,
        method: &'static Method,
        identity: &Identity,
        purpose: Purpose,
        database: &str,
        message: &[u8],
    ) -> Result<Arc<Snapshot>, Status> {
        // INVARIANT: the newest state decides, however long the login and the message took: what
        // was revoked before this moment is refused. Defended by `tests/it/in_force.rs`.
        let snapshot = self.current()?;
        identity.check(&snapshot.state)?;
        if !self.options.authorization {
            telemetry::decided(telemetry::Decision::Unchecked, snapshot.revision);
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
            return match nameless(method, &snapshot, user) {
                Decision::Allowed(reason) => {
                    self.audit.allowed(&subject, reason, || None);
                    Ok(snapshot)
                }
                Decision::Denied => {
                    let text = || nameless_refusal(method, user);
                    self.refuse(method, purpose, &subject, text)?;
                    Ok(snapshot)
                }
            };
        };
        let holds_some = asked.id != 0 && asked.anywhere(&snapshot, user);
        if asked.id != 0 && !(holds_some && self.is_id_of_name(&asked).await) {
            asked.go_by_id();
        }
        let (snapshot, names) = self.named(identity, &asked, snapshot).await?;
        let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let decision = asked.on(&snapshot, user, &names);
        names.extend(&asked.beside);
        let subject = Subject {
            database: asked.database,
            objects: &names,
            ..subject(method, user, &snapshot)
        };
        match decision {
            Decision::Allowed(reason) => self.audit.allowed(&subject, reason, || {
                let query = asked.query(user, names.first().copied().unwrap_or_default());
                let view = snapshot.view(&self.groups);
                Path::of(&view, reason, &Need::from(query)).grant.map(described)
            }),
            Decision::Denied => self.refuse(method, purpose, &subject, || asked.refusal(user))?,
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
            let snapshot = self.current()?;
            let denied = !asked.on(&snapshot, user, &[&*name]).is_allowed();
            names.push(NameOf::Resolved(name));
            if denied {
                identity.check(&snapshot.state)?;
                return Ok((snapshot, names));
            }
        }
        let snapshot = self.current()?;
        identity.check(&snapshot.state)?;
        Ok((snapshot, names))
    }

    /// Whether a call that goes on for long, and names nothing, would still be admitted on the newest
    /// state. What is still allowed is not recorded once more.
    ///
    /// # Errors
    /// The login no longer holds, or the privilege is gone.
    pub async fn uphold(&self, identity: &Identity, path: &str) -> Result<(), Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        let snapshot = self.current()?;
        identity.check(&snapshot.state)?;
        let Access::Privileged(requirement) = &method.access else {
            return self.admit(identity, "", path, &[]).await.map(|_| ());
        };
        let asked = Asked::read(method, requirement, DEFAULT_DATABASE, &[]);
        let asked = asked.map_err(|e| status::malformed(&e))?;
        if !self.options.authorization || asked.on_all(&snapshot, &identity.user).is_allowed() {
            return Ok(());
        }
        self.admit(identity, "", path, &[]).await.map(|_| ())
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
        purpose: Purpose,
        subject: &Subject<'_>,
        text: impl FnOnce() -> String,
    ) -> Result<(), Status> {
        let (would_be, is) = match purpose {
            Purpose::Call => (telemetry::Decision::WouldBeDenied, telemetry::Decision::Denied),
            Purpose::Part => (telemetry::Decision::WouldBeHidden, telemetry::Decision::Hidden),
        };
        if self.options.audit_only && self.forwards(method) {
            self.audit.refused(subject, would_be);
            return Ok(());
        }
        self.audit.refused(subject, is);
        // INVARIANT: an answer tells the revision that it was decided on, not a newer one. Defended by
        // `tests/it/in_force.rs`.
        Err(status::refused_at(subject.revision, status::denied(text())))
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

pub(super) fn subject<'a>(method: &Method, user: &'a str, snapshot: &Snapshot) -> Subject<'a> {
    let revision = snapshot.revision;
    Subject { method: method.row.name, user, database: "", objects: &[], revision }
}

fn described(grant: &Grant) -> String {
    let Grant { object_type, database, object, privilege, .. } = grant;
    format!("{privilege} on {} {object} in {database}", object_type.name())
}

/// The decision on a call that names nothing.
fn nameless<'a>(method: &Method, snapshot: &'a Snapshot, user: &str) -> Decision<'a> {
    let policy = &snapshot.policy;
    match &method.access {
        Access::Authenticated => Decision::Allowed(Reason::Authenticated),
        Access::Administrators => policy.decide_on_administration(user),
        Access::Anywhere(privileges) => policy.decide_anywhere(user, privileges),
        // Only where nothing is named that would need it.
        Access::Privileged(requirement) if requirement.only_if_named => {
            Decision::Allowed(Reason::Authenticated)
        }
        Access::Privileged(_) => Decision::Denied,
    }
}

/// The text of such a refusal.
fn nameless_refusal(method: &Method, user: &str) -> String {
    match &method.access {
        Access::Anywhere(privileges) => {
            let names: Vec<_> = privileges.iter().map(|p| p.stored_name()).collect();
            format!("{}: permission deny to {user}", names.join(" or "))
        }
        _ => format!("{}: permission deny to {user}, it is for root and admin", method.row.name),
    }
}
