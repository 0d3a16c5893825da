//! The whole access-control state, and the changes that lead from one state to the next.
//!
//! A state is a persistent value: cloning it takes constant time, and the clone shares everything
//! that does not change. One writer derives the next state from the last, readers keep the one
//! that they started with.

use std::collections::BTreeMap;
use std::fmt;

use imbl::{OrdMap, OrdSet};

use super::map::{Map, Set};
use super::privilege::{ObjectType, custom_group};

/// A shared text: the names of users, roles, databases, …
pub type Name = arcstr::ArcStr;

/// The user that no rule can refuse and nobody can delete.
pub const ROOT: &str = "root";
/// The role that permits everything.
pub const ADMIN: &str = "admin";
/// The role that every user holds without being bound to it.
pub const PUBLIC: &str = "public";
/// The database that requests mean when they name none.
pub const DEFAULT_DATABASE: &str = "default";

/// Someone who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The password in bcrypt's text form.
    pub password_hash: Name,
    /// Free text.
    pub description: Name,
    /// The roles bound to the user; `public` is not among them unless bound.
    pub roles: Set<Name>,
}

/// A named set of grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// Free text.
    pub description: Name,
    /// The users bound to the role.
    pub users: Set<Name>,
    /// What the role permits, each with the user who granted it, in listing order.
    pub grants: Map<Grant, Name>,
}

impl Role {
    /// The grants of what is stored as `privilege` at one place, whatever their object type.
    pub fn held_at<'a>(
        &'a self,
        database: &str,
        object: &str,
        privilege: &str,
    ) -> impl Iterator<Item = Grant> + use<'a> {
        let (database, object) = (Name::from(database), Name::from(object));
        let privilege = Name::from(privilege);
        ObjectType::ALL
            .map(|object_type| Grant {
                object_type,
                database: database.clone(),
                object: object.clone(),
                privilege: privilege.clone(),
            })
            .into_iter()
            .filter(|grant| self.grants.contains_key(grant))
    }
}

/// One permission of a role. The derived order is the listing order: byte order of object type,
/// `<database>.<object>`, stored privilege name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// The type under which the grant was stored.
    pub object_type: ObjectType,
    /// The database, or `*`.
    pub database: Name,
    /// The object's name, or `*`.
    pub object: Name,
    /// The stored name of the privilege or group, or `*`.
    pub privilege: Name,
}

/// A custom privilege group: the API names of its members, in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The members.
    pub privileges: OrdSet<Name>,
}

/// A database, kept so that grants have something to be scoped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Unique among the databases; not used again unless the clock goes back.
    pub id: u64,
    /// When it was created: a hybrid timestamp (milliseconds shifted left by 18 bits).
    pub created: u64,
    /// Free settings.
    pub properties: BTreeMap<String, String>,
}

/// Users, roles, grants, groups and databases at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// All users by name.
    pub users: OrdMap<Name, User>,
    /// All roles by name.
    pub roles: OrdMap<Name, Role>,
    /// The custom privilege groups by name.
    pub groups: OrdMap<Name, Group>,
    /// All databases by name.
    pub databases: OrdMap<Name, Database>,
    /// How many grants of which roles use which custom groups: (group, role).
    pub group_uses: OrdMap<(Name, Name), usize>,
}

/// One step from a state to the next. Each stands for exactly one record that is written or
/// removed, so that storing a list of changes and applying it lead to the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the records above")]
pub enum Change {
    /// Creates a user or replaces the password and description, keeping the bindings.
    PutUser { name: Name, password_hash: Name, description: Name },
    /// Removes a user, whose bindings are gone already.
    DeleteUser { name: Name },
    /// Creates a role or replaces the description, keeping grants and bindings.
    PutRole { name: Name, description: Name },
    /// Removes a role, whose grants and bindings are gone already.
    DeleteRole { name: Name },
    /// Binds a role to a user.
    Bind { user: Name, role: Name },
    /// Undoes a binding.
    Unbind { user: Name, role: Name },
    /// Adds a grant to a role.
    Grant { role: Name, grant: Grant, grantor: Name },
    /// Takes a grant from a role.
    Revoke { role: Name, grant: Grant },
    /// Creates a custom group or replaces its members.
    PutGroup { name: Name, group: Group },
    /// Removes a custom group.
    DeleteGroup { name: Name },
    /// Creates a database or replaces its properties.
    PutDatabase { name: Name, database: Database },
    /// Removes a database.
    DeleteDatabase { name: Name },
}

/// A change that does not fit the state: a binding or grant without its user or role, or a removal
/// that would leave some behind. Commands never lead to it; a damaged store does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inconsistent(pub(super) String);

impl fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Inconsistent {}

pub(super) fn missing(what: &str, name: &str) -> Inconsistent {
    Inconsistent(format!("{what} `{name}` does not exist"))
}

impl State {
    /// Takes one step.
    ///
    /// # Errors
    /// The change does not fit; the state is then as before.
    pub fn apply(&mut self, change: &Change) -> Result<(), Inconsistent> {
        match change.clone() {
            Change::PutUser { name, password_hash, description } => {
                let roles = self.users.get(&name).map(|u| u.roles.clone()).unwrap_or_default();
                self.users.insert(name, User { password_hash, description, roles });
            }
            Change::DeleteUser { name } => {
                if self.users.get(&name).is_some_and(|user| !user.roles.is_empty()) {
                    return Err(Inconsistent(format!("user `{name}` is still bound to roles")));
                }
                self.users.remove(&name);
            }
            Change::PutRole { name, description } => match self.roles.get_mut(&name) {
                Some(role) => role.description = description,
                None => {
                    self.roles.insert(name, Role { description, ..Role::default() });
                }
            },
            Change::DeleteRole { name } => {
                let role = self.roles.get(&name);
                if role.is_some_and(|r| !r.grants.is_empty() || !r.users.is_empty()) {
                    return Err(Inconsistent(format!("role `{name}` is still in use")));
                }
                self.roles.remove(&name);
            }
            Change::Bind { user, role } => {
                let (u, r) = self.pair(&user, &role)?;
                u.roles.insert(role, ());
                r.users.insert(user, ());
            }
            Change::Unbind { user, role } => {
                let (u, r) = self.pair(&user, &role)?;
                u.roles.remove(&role);
                r.users.remove(&user);
            }
            Change::Grant { role: name, grant, grantor } => {
                let role = self.roles.get_mut(&name).ok_or_else(|| missing("role", &name))?;
                let group = custom_group(&grant.privilege).map(Name::from);
                if let (true, Some(group)) = (role.grants.insert(grant, grantor), group) {
                    *self.group_uses.entry((group, name)).or_default() += 1;
                }
            }
            Change::Revoke { role: name, grant } => {
                let role = self.roles.get_mut(&name).ok_or_else(|| missing("role", &name))?;
                let group = custom_group(&grant.privilege).map(Name::from);
                if let (true, Some(group)) = (role.grants.remove(&grant), group) {
                    let key = (group, name);
                    match self.group_uses.get_mut(&key) {
                        Some(uses) if *uses > 1 => *uses -= 1,
                        _ => {
                            self.group_uses.remove(&key);
                        }
                    }
                }
            }
            Change::PutGroup { name, group } => {
                self.groups.insert(name, group);
            }
            Change::DeleteGroup { name } => {
                self.groups.remove(&name);
            }
            Change::PutDatabase { name, database } => {
                self.databases.insert(name, database);
            }
            Change::DeleteDatabase { name } => {
                self.databases.remove(&name);
            }
        }
        Ok(())
    }

    /// Whether the change takes something away that somebody could do: a privilege, or to log in.
    pub fn loses_by(&self, change: &Change) -> bool {
        match change {
            Change::DeleteUser { .. }
            | Change::DeleteRole { .. }
            | Change::DeleteGroup { .. }
            | Change::DeleteDatabase { .. }
            | Change::Unbind { .. }
            | Change::Revoke { .. } => true,
            Change::PutUser { name, password_hash, .. } => {
                self.users.get(name).is_some_and(|user| user.password_hash != *password_hash)
            }
            Change::PutGroup { name, group } => self
                .groups
                .get(name)
                .is_some_and(|before| !before.privileges.is_subset(&group.privileges)),
            Change::PutRole { .. }
            | Change::Bind { .. }
            | Change::Grant { .. }
            | Change::PutDatabase { .. } => false,
        }
    }

    fn pair(&mut self, user: &str, role: &str) -> Result<(&mut User, &mut Role), Inconsistent> {
        let u = self.users.get_mut(user).ok_or_else(|| missing("user", user))?;
        let r = self.roles.get_mut(role).ok_or_else(|| missing("role", role))?;
        Ok((u, r))
    }

    /// The roles with grants of a custom group, in byte order.
    pub fn roles_using<'a>(&'a self, group: &'a Name) -> impl Iterator<Item = &'a Name> {
        let uses = self.group_uses.range((group.clone(), Name::new())..);
        uses.take_while(move |((used, _), _)| used == group).map(|((_, role), _)| role)
    }

    /// The roles that count for a user: those bound to it, and `public`, which everybody holds.
    pub fn effective_roles<'a>(&'a self, user: &str) -> impl Iterator<Item = &'a str> {
        let bound = self.users.get(user).into_iter().flat_map(|user| user.roles.keys());
        bound.map(|role| &**role).filter(|role| *role != PUBLIC).chain([PUBLIC])
    }
}
