//! Everybody who may do something, and everything that somebody may do.

use super::Reason;
use super::need::{Need, Subject, View};
use super::path::Path;
use super::reach::{self, EVERY};
use crate::model::privilege::{Privilege, PrivilegeKind, PrivilegeSet};
use crate::model::state::{ADMIN, Name, ROOT};

/// One who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// A role that is enough by itself, or a user.
    pub holder: Subject<'a>,
    /// Why.
    pub path: Path<'a>,
}

/// All who may do what needs this: the roles that are enough by themselves, then the users, both in
/// byte order. That everybody may do something to oneself is not among it.
///
/// INVARIANT: those are listed for whom it is decided so. Defended by `tests/it/property.rs`.
pub fn who_can<'a>(view: View<'a>, need: &Need<'_>) -> impl Iterator<Item = Holder<'a>> + use<'a> {
    let may = |role: &'a Name| {
        let reason = view.reason(role, need)?;
        Some((&**role, Path::of(&view, reason, need)))
    };
    let roles: Vec<(&str, Path<'_>)> = view.state.roles.keys().filter_map(may).collect();
    let of_roles = roles.clone().into_iter();
    let of_roles = of_roles.map(|(role, path)| Holder { holder: Subject::Role(role), path });
    let authenticated = matches!(need, Need::Authenticated);
    let of_users = view.state.users.keys().filter_map(move |user| {
        let path = match &**user {
            _ if authenticated => Path { reason: Reason::Authenticated, grant: None },
            ROOT => Path { reason: Reason::Root, grant: None },
            user => view.policy.effective_roles(user).find_map(|role| {
                let at = roles.binary_search_by_key(&role, |(name, _)| name).ok()?;
                roles.get(at).map(|(_, path)| *path)
            })?,
        };
        Some(Holder { holder: Subject::User(user), path })
    });
    of_roles.chain(of_users)
}

/// What one grant permits, or what being `root` or `admin` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability<'a> {
    /// Whence.
    pub path: Path<'a>,
    /// At which places; none for a grant that counts for nothing.
    pub reaches: Vec<Reach>,
}

/// Privileges at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The database, or `*`.
    pub database: Name,
    /// The object, or `*`.
    pub object: Name,
    /// What is permitted there.
    pub privileges: PrivilegeSet,
}

/// Everything that the subject may do, role by role as they are looked at, and each role's grants in
/// listing order.
pub fn what_can<'a>(
    view: View<'a>,
    subject: Subject<'a>,
) -> impl Iterator<Item = Capability<'a>> + use<'a> {
    let root = (subject == Subject::User(ROOT)).then(|| everything(Reason::Root));
    let of_roles = view.roles(subject).into_iter().flat_map(move |name| {
        let admin = (name == ADMIN).then(|| everything(Reason::Admin));
        let grants = view.state.roles.get(name).into_iter().flat_map(|role| role.grants.keys());
        let of_grants = grants.map(move |grant| {
            let mut reaches: Vec<Reach> = Vec::new();
            reach::of_grant(grant, view.state, view.groups, &mut |database, object, set| {
                let same = |r: &&mut Reach| r.database == *database && r.object == *object;
                match reaches.iter_mut().find(same) {
                    Some(reach) => reach.privileges = reach.privileges.union(set),
                    None => {
                        let (database, object) = (database.clone(), object.clone());
                        reaches.push(Reach { database, object, privileges: set });
                    }
                }
            });
            Capability { path: Path { reason: Reason::Role(name), grant: Some(grant) }, reaches }
        });
        admin.into_iter().chain(of_grants)
    });
    root.into_iter().chain(of_roles)
}

fn everything(reason: Reason<'_>) -> Capability<'_> {
    let privileges = Privilege::all().filter(|p| p.kind() == PrivilegeKind::Single).collect();
    let reach = Reach { database: EVERY.clone(), object: EVERY.clone(), privileges };
    Capability { path: Path { reason, grant: None }, reaches: vec![reach] }
}
