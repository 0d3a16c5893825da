//! A state made of records at once, which is far less work than a change for each.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::map::Map;
use super::names::Names;
use super::privilege::custom_group;
use super::state::{Change, Grant, Inconsistent, Name, Role, State, User, missing};

/// Takes the changes that wrote the records of a state, users and roles before what needs them.
#[derive(Debug, Default)]
pub struct Loader {
    /// The pool of all names.
    pub names: Names,
    users: HashMap<Name, UserRecords, RandomState>,
    roles: HashMap<Name, RoleRecords, RandomState>,
    /// All but users and roles.
    state: State,
}

#[derive(Debug)]
struct UserRecords {
    password_hash: Name,
    description: Name,
    roles: Vec<Name>,
}

#[derive(Debug)]
struct RoleRecords {
    description: Name,
    users: Vec<Name>,
    grants: Vec<(Grant, Name)>,
}

impl Loader {
    /// Takes one record.
    ///
    /// # Errors
    /// It needs a user or role that there is not, or it is none that a state has.
    pub fn add(&mut self, record: Change) -> Result<(), Inconsistent> {
        match record {
            Change::PutUser { name, password_hash, description } => {
                let roles = Vec::new();
                self.users.insert(name, UserRecords { password_hash, description, roles });
            }
            Change::PutRole { name, description } => {
                let (users, grants) = (Vec::new(), Vec::new());
                self.roles.insert(name, RoleRecords { description, users, grants });
            }
            Change::Bind { user, role } => {
                let u = self.users.get_mut(&user).ok_or_else(|| missing("user", &user))?;
                let r = self.roles.get_mut(&role).ok_or_else(|| missing("role", &role))?;
                u.roles.push(role);
                r.users.push(user);
            }
            Change::Grant { role, grant, grantor } => {
                let r = self.roles.get_mut(&role).ok_or_else(|| missing("role", &role))?;
                r.grants.push((grant, grantor));
            }
            Change::PutGroup { .. } | Change::PutDatabase { .. } => self.state.apply(&record)?,
            Change::DeleteUser { .. }
            | Change::DeleteRole { .. }
            | Change::Unbind { .. }
            | Change::Revoke { .. }
            | Change::DeleteGroup { .. }
            | Change::DeleteDatabase { .. } => {
                return Err(Inconsistent("a removal is no record".to_owned()));
            }
        }
        Ok(())
    }

    /// The state that holds all of them.
    pub fn state(self) -> State {
        let Self { users, roles, mut state, .. } = self;
        for (name, UserRecords { password_hash, description, roles }) in users {
            let roles = roles.into_iter().collect();
            state.users.insert(name, User { password_hash, description, roles });
        }
        for (name, RoleRecords { description, users, grants }) in roles {
            let users = users.into_iter().collect();
            let grants: Map<Grant, Name> = grants.into_iter().collect();
            for group in grants.keys().filter_map(|grant| custom_group(&grant.privilege)) {
                *state.group_uses.entry((group.into(), name.clone())).or_default() += 1;
            }
            state.roles.insert(name, Role { description, users, grants });
        }
        state
    }
}
