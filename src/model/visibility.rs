//! Which databases and collections a user may see in listings.

use std::collections::HashSet;

use super::builtin::{BuiltInGroups, legacy_members};
use super::grants;
use super::privilege::{
    ANY, GROUP_PREFIX, Level, ObjectType, Privilege, PrivilegeKind, PrivilegeSet, defined,
};
use super::state::{ADMIN, Grant, Name, PUBLIC, ROOT, State};

/// The names that a caller may see.
#[derive(Debug, Clone)]
pub enum Visible {
    /// All.
    Every,
    /// Those named.
    Named(HashSet<Name>),
}

impl Visible {
    /// Whether that name is seen.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

/// What `user` sees: everything for `root`, for holders of `admin` and of any grant on database
/// `*`; else the databases that grants of the bound roles name. `public`'s grants do not count.
pub fn visible_databases(state: &State, user: &str) -> Visible {
    let mut names = HashSet::new();
    if user == ROOT {
        return Visible::Every;
    }
    for role in state.effective_roles(user).filter(|role| *role != PUBLIC) {
        if role == ADMIN {
            return Visible::Every;
        }
        for database in state.roles.get(role).into_iter().flat_map(grants::databases) {
            if database == ANY {
                return Visible::Every;
            }
            names.insert(database.clone());
        }
    }
    Visible::Named(names)
}

/// What `user` sees of the collections of `database`: everything for `root`, for holders of
/// `admin`, of `ShowCollections` there, or of anything that a collection can have on all of
/// them; else the collections that grants of the bound roles name. `public`'s grants do not count.
pub fn visible_collections(
    state: &State,
    groups: &BuiltInGroups,
    user: &str,
    database: &str,
) -> Visible {
    let mut names = HashSet::new();
    if user == ROOT {
        return Visible::Every;
    }
    for role in state.effective_roles(user).filter(|role| *role != PUBLIC) {
        if role == ADMIN {
            return Visible::Every;
        }
        let here = |role| grants::in_database(role, database);
        for (grant, _) in state.roles.get(role).into_iter().flat_map(here) {
            match shown(grant, state, groups) {
                Shown::Everything => return Visible::Every,
                Shown::Object if &*grant.object == ANY => return Visible::Every,
                Shown::Object => {
                    names.insert(grant.object.clone());
                }
                Shown::Nothing => {}
            }
        }
    }
    Visible::Named(names)
}

/// Which collections of its database a grant shows.
enum Shown {
    Everything,
    Object,
    Nothing,
}

fn shown(grant: &Grant, state: &State, groups: &BuiltInGroups) -> Shown {
    if grant.object_type == ObjectType::Collection {
        return Shown::Object;
    }
    if &*grant.privilege == ANY {
        return if grant.object_type == ObjectType::Global {
            Shown::Object
        } else {
            Shown::Nothing
        };
    }
    let members: PrivilegeSet = match Privilege::stored_as(&grant.privilege) {
        Some(privilege) => match privilege.kind() {
            PrivilegeKind::Everything => return Shown::Everything,
            PrivilegeKind::LegacyGroup => legacy_members(privilege),
            PrivilegeKind::BuiltInGroup => {
                groups.members(privilege.name()).unwrap_or_default().iter().copied().collect()
            }
            PrivilegeKind::Single => [privilege].into_iter().collect(),
        },
        None => {
            let name = grant.privilege.strip_prefix(GROUP_PREFIX).unwrap_or_default();
            let privileges = state.groups.get(name).into_iter().flat_map(|g| g.privileges.iter());
            privileges.filter_map(|member| defined(member)).collect()
        }
    };
    if members
        .iter()
        .any(|p| p.name() == "ShowCollections" || p.kind() == PrivilegeKind::Everything)
    {
        Shown::Everything
    } else if members.iter().any(|p| p.level() == Some(Level::Collection)) {
        Shown::Object
    } else {
        Shown::Nothing
    }
}
