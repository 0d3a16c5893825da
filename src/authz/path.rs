//! How a permission comes to whoever has it: the role, the grant, and what of the grant is wide.

use super::need::{Need, View};
use super::{Reason, reach};
use crate::model::grants;
use crate::model::privilege::{ANY, Privilege, PrivilegeKind, api_name, custom_group};
use crate::model::state::{ADMIN, Grant, Role};

/// Why something is allowed, with the grant if one decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<'a> {
    /// What decided.
    pub reason: Reason<'a>,
    /// The role's first grant, in listing order, that covers it.
    pub grant: Option<&'a Grant>,
}

impl<'a> Path<'a> {
    /// The path on which a role's reason rests.
    pub fn of(view: &View<'a>, reason: Reason<'a>, need: &Need<'_>) -> Self {
        let grant = match reason {
            Reason::Role(role) => {
                view.state.roles.get(role).and_then(|role| deciding(view, role, need))
            }
            Reason::Root | Reason::Oneself | Reason::Admin | Reason::Authenticated => None,
        };
        Self { reason, grant }
    }

    /// The role, if one decided.
    pub fn role(&self) -> Option<&'a str> {
        match self.reason {
            Reason::Role(role) => Some(role),
            Reason::Admin => Some(ADMIN),
            Reason::Root | Reason::Oneself | Reason::Authenticated => None,
        }
    }

    /// The group that was granted, if one was.
    pub fn group(&self) -> Option<&'a str> {
        self.grant.and_then(group)
    }

    /// What of the grant is a wildcard: `database`, `object`, `privilege`.
    pub fn wildcards(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        let wide = |grant: &Grant| {
            let everything = Privilege::stored_as(&grant.privilege)
                .is_some_and(|p| p.kind() == PrivilegeKind::Everything);
            [
                ("database", &*grant.database == ANY),
                ("object", &*grant.object == ANY),
                ("privilege", &*grant.privilege == ANY || everything),
            ]
        };
        let parts = self.grant.into_iter().flat_map(wide);
        parts.filter_map(|(part, is_wide)| is_wide.then_some(part))
    }
}

/// The name of the group that a grant is of, if it is of one.
fn group(grant: &Grant) -> Option<&str> {
    match Privilege::stored_as(&grant.privilege).map(Privilege::kind) {
        Some(PrivilegeKind::BuiltInGroup | PrivilegeKind::LegacyGroup) => {
            Some(api_name(&grant.privilege))
        }
        Some(PrivilegeKind::Single | PrivilegeKind::Everything) => None,
        None => custom_group(&grant.privilege),
    }
}

/// Whether the grant alone is enough.
pub(super) fn covers(view: &View<'_>, grant: &Grant, need: &Need<'_>) -> bool {
    let mut covers = false;
    reach::of_grant(grant, view.state, view.groups, &mut |database, object, set| {
        covers |= need.is_met_by(database, object, set);
    });
    covers
}

/// The first grant of `role` that is enough. Looks at those one by one that may be.
pub(super) fn deciding<'a>(view: &View<'_>, role: &'a Role, need: &Need<'_>) -> Option<&'a Grant> {
    let is_deciding = |grant: &&Grant| covers(view, grant, need);
    match need.database().filter(|database| *database != ANY) {
        Some(database) => {
            let mut here = grants::in_database(role, database).map(|(grant, _)| grant);
            here.find(is_deciding)
        }
        None => role.grants.keys().find(is_deciding),
    }
}
