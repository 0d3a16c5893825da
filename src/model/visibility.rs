//! Which databases a user may see in listings.

use std::collections::HashSet;

use super::privilege::ANY;
use super::state::{ADMIN, Name, PUBLIC, ROOT, State};

/// The databases that a caller may see.
#[derive(Debug, Clone)]
pub enum Visible {
    /// All.
    Every,
    /// Those named.
    Named(HashSet<Name>),
}

impl Visible {
    /// Whether the database of that name is seen.
    pub fn contains(&self, database: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Named(names) => names.contains(database),
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
        for grant in state.roles.get(role).into_iter().flat_map(|role| role.grants.keys()) {
            if &*grant.database == ANY {
                return Visible::Every;
            }
            names.insert(grant.database.clone());
        }
    }
    Visible::Named(names)
}
