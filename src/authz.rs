//! Who may do what: the state compiled into a policy, and the decision. Pure: values in, values out.
//!
//! A grant permits nothing by itself that is not compiled here. What a grant's privilege covers:
//!
//! | privilege | covers |
//! |---|---|
//! | a `Collection` privilege | the named collection, or with `*` all of the database |
//! | a `Global` privilege | its database as a whole, whatever object it was granted on |
//! | a cluster-level privilege | the instance, whatever database it was granted under |
//! | a group | what its members cover, each by its own type; groups inside custom groups count for nothing, the legacy ones excepted |
//! | `All` | everything in its database; on database `*` everything, cluster level included |
//! | `*` | every privilege of the grant's object type on its object; on a named object of type `Global` (a v2 grant) the collection-level ones of that collection alone; never the cluster level, unless on database `*` or on users |
//! | `ReadOnly`, `ReadWrite`, `Admin` | as groups; `Admin` covers the whole database; the cluster level only on database `*` and `default` |
//!
//! Everything not covered is refused.

mod explain;
mod list;
mod nearby;
mod need;
mod path;
mod reach;
mod role;
mod suggest;
mod table;

pub use self::explain::{Explanation, explain};
pub use self::list::{Capability, Holder, Reach, what_can, who_can};
pub use self::nearby::{Nearby, Why};
pub use self::need::{Need, Subject, View};
pub use self::path::Path;
pub use self::suggest::Suggestion;

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::model::builtin::BuiltInGroups;
use crate::model::privilege::{Level, Privilege, PrivilegeSet, custom_group};
use crate::model::state::{ADMIN, Change, Grant, Name, PUBLIC, ROOT, State};
use role::{Asked, RolePolicy};
use table::{Entry, Table};

/// What is to be decided.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The authenticated caller.
    pub user: &'a str,
    /// What the call needs.
    pub privilege: Privilege,
    /// The database of the call; cluster-level privileges do not look at it.
    pub database: &'a str,
    /// What the call acts on.
    pub object: Object<'a>,
}

impl<'a> Query<'a> {
    /// The database that counts.
    fn scope(&self) -> Option<&'a str> {
        (self.privilege.level() != Some(Level::Cluster)).then_some(self.database)
    }

    /// The name of the object.
    fn name(&self) -> Option<&'a str> {
        match self.object {
            Object::Collection(name) | Object::User(name) => Some(name),
            Object::Global { collection } => collection,
        }
    }
}

/// The object of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object<'a> {
    /// A collection.
    Collection(&'a str),
    /// The database or the instance; some such calls concern one collection all the same.
    Global {
        /// That collection.
        collection: Option<&'a str>,
    },
    /// A user.
    User(&'a str),
}

/// The outcome, with what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Allowed.
    Allowed(Reason<'a>),
    /// No rule allows it.
    Denied,
}

impl Decision<'_> {
    /// Whether the call may go on.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Why a call is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The caller is `root`.
    Root,
    /// The caller is the user that the call concerns.
    Oneself,
    /// The caller holds `admin`.
    Admin,
    /// A grant of this role covers the call.
    Role(&'a str),
    /// The call is open to every authenticated caller.
    Authenticated,
}

/// The state's users and grants, ready for decisions: three steps from names to what is permitted,
/// each a look into a table by hash.
///
/// Whatever a change touches is brought up to date alone, at a cost that does not depend on how much
/// there is beside it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Seeded anew each time: names are chosen by clients.
    hasher: RandomState,
    users: Table<User>,
    /// Those that permit something.
    roles: Table<Role>,
    public: RoleName,
}

/// A role's name, hashed.
#[derive(Debug, Clone)]
struct RoleName {
    hash: u64,
    name: Name,
}

/// The roles that count for a user who is bound to some, `public` included, in the order in which
/// they are looked at.
#[derive(Debug, Clone)]
struct User {
    hash: u64,
    name: Name,
    roles: Arc<[RoleName]>,
}

impl Entry for User {
    type Summary = ();

    fn hash(&self) -> u64 {
        self.hash
    }

    fn summary(&self) {}

    fn join((): (), (): ()) {}
}

#[derive(Debug, Clone)]
struct Role {
    name: RoleName,
    policy: RolePolicy,
}

impl Entry for Role {
    type Summary = ();

    fn hash(&self) -> u64 {
        self.name.hash
    }

    fn summary(&self) {}

    fn join((): (), (): ()) {}
}

impl Default for Policy {
    fn default() -> Self {
        let hasher = RandomState::default();
        let public = RoleName { hash: hasher.hash_one(PUBLIC), name: PUBLIC.into() };
        Self { hasher, users: Table::default(), roles: Table::default(), public }
    }
}

impl Policy {
    /// Compiles the whole state.
    pub fn compile(state: &State, groups: &BuiltInGroups) -> Self {
        let policy = Self::default();
        let roles = state.roles.iter().filter_map(|(name, role)| {
            let mut permitted = Vec::with_capacity(role.grants.len());
            for grant in role.grants.keys() {
                reach::of_grant(grant, state, groups, &mut |database, object, set| {
                    permitted.push((database.clone(), object.clone(), set));
                });
            }
            let compiled = RolePolicy::of(&policy.hasher, permitted.into_iter());
            (!compiled.is_empty()).then(|| Role { name: policy.role_name(name), policy: compiled })
        });
        let roles = Table::of(in_order(roles.collect()));
        let users = state.users.keys().filter_map(|name| policy.user(state, name));
        let users = Table::of(in_order(users.collect()));
        Self { users, roles, ..policy }
    }

    /// The policy after `changes` led from one state to another.
    ///
    /// INVARIANT: it decides like one compiled from the state after. What the states hold counts, not
    /// what the changes say, so that none can be counted twice. Defended by `tests/it/property.rs`.
    #[must_use]
    pub fn updated(
        &self,
        before: &State,
        after: &State,
        groups: &BuiltInGroups,
        changes: &[Change],
    ) -> Self {
        let mut next = self.clone();
        let touched = Touched::by(changes, before, after);
        for (name, grants) in touched.grants {
            let Some(role) = after.roles.get(name) else {
                next.put_role(name, RolePolicy::default());
                continue;
            };
            let held = before.roles.get(name);
            let mut policy = next.role(&next.role_name(name)).cloned().unwrap_or_default();
            for grant in grants {
                let held = held.is_some_and(|role| role.grants.contains_key(grant));
                let holds = role.grants.contains_key(grant);
                let regrouped =
                    custom_group(&grant.privilege).is_some_and(|g| touched.groups.contains(g));
                if held && (!holds || regrouped) {
                    next.forbid(&mut policy, grant, before, groups);
                }
                if holds && (!held || regrouped) {
                    next.permit(&mut policy, grant, after, groups);
                }
            }
            next.put_role(name, policy);
        }
        for user in touched.users {
            next.put_user(after, user);
        }
        next
    }

    fn permit(&self, role: &mut RolePolicy, grant: &Grant, state: &State, groups: &BuiltInGroups) {
        reach::of_grant(grant, state, groups, &mut |database, object, set| {
            role.permit(&self.hasher, database, object, set);
        });
    }

    fn forbid(&self, role: &mut RolePolicy, grant: &Grant, state: &State, groups: &BuiltInGroups) {
        reach::of_grant(grant, state, groups, &mut |database, object, set| {
            role.forbid(&self.hasher, database, object, set);
        });
    }

    fn role_name(&self, name: &Name) -> RoleName {
        RoleName { hash: self.hasher.hash_one(&**name), name: name.clone() }
    }

    fn role(&self, role: &RoleName) -> Option<&RolePolicy> {
        // Names out of one pool need not be read.
        let is = |r: &Role| Name::ptr_eq(&r.name.name, &role.name) || r.name.name == role.name;
        self.roles.get(role.hash, is).map(|role| &role.policy)
    }

    fn put_role(&mut self, name: &Name, policy: RolePolicy) {
        let name = self.role_name(name);
        let is = |r: &Role| r.name.name == name.name;
        self.roles.update(name.hash, is, |_| {
            (!policy.is_empty()).then(|| Role { name: name.clone(), policy })
        });
    }

    fn put_user(&mut self, state: &State, name: &Name) {
        let user = self.user(state, name);
        self.users.update(self.hasher.hash_one(&**name), |user| user.name == *name, |_| user);
    }

    /// None unless bound to roles.
    fn user(&self, state: &State, name: &Name) -> Option<User> {
        let bound = state.users.get(name)?.roles.keys().filter(|role| **role != PUBLIC);
        let mut roles: Vec<_> = bound.map(|role| self.role_name(role)).collect();
        if roles.is_empty() {
            return None;
        }
        roles.push(self.public.clone());
        let hash = self.hasher.hash_one(&**name);
        Some(User { hash, name: name.clone(), roles: roles.into() })
    }

    /// Those bound to the user in byte order, then `public`, which everybody holds.
    fn roles_of(&self, user: &str) -> &[RoleName] {
        let found = self.users.get(self.hasher.hash_one(user), |u| &*u.name == user);
        found.map_or(std::slice::from_ref(&self.public), |user| &user.roles)
    }

    /// The names of the roles that count for `user`, in the order in which they are looked at.
    pub fn effective_roles(&self, user: &str) -> impl Iterator<Item = &str> {
        self.roles_of(user).iter().map(|role| &*role.name)
    }

    /// Decides.
    pub fn decide(&self, query: &Query<'_>) -> Decision<'_> {
        if query.user == ROOT {
            return Decision::Allowed(Reason::Root);
        }
        if query.object == Object::User(query.user) {
            return Decision::Allowed(Reason::Oneself);
        }
        let asked = Asked::new(query, &self.hasher);
        self.first(query.user, |policy| policy.covers(&asked))
    }

    /// Decides on a call that needs one of `privileges` on any object whatever.
    pub fn decide_anywhere(&self, user: &str, privileges: &[Privilege]) -> Decision<'_> {
        let set: PrivilegeSet = privileges.iter().copied().collect();
        match self.decide_on_administration(user) {
            Decision::Denied => {
                self.first(user, |policy| !policy.anywhere().intersection(set).is_empty())
            }
            allowed => allowed,
        }
    }

    /// Decides on a call that only `root` and holders of `admin` may make.
    pub fn decide_on_administration(&self, user: &str) -> Decision<'_> {
        match user {
            ROOT => Decision::Allowed(Reason::Root),
            _ if self.effective_roles(user).any(|role| role == ADMIN) => {
                Decision::Allowed(Reason::Admin)
            }
            _ => Decision::Denied,
        }
    }

    /// Whether what `role` permits is enough, as far as grants decide.
    fn role_meets(&self, role: &str, need: &Need<'_>) -> bool {
        let found = self.roles.get(self.hasher.hash_one(role), |r| &*r.name.name == role);
        found.is_some_and(|Role { policy, .. }| match need.query("") {
            Some(query) => policy.covers(&Asked::new(&query, &self.hasher)),
            None => need.privileges().iter().any(|p| policy.anywhere().contains(*p)),
        })
    }

    /// The first of the user's roles that is `admin` or allows.
    fn first(&self, user: &str, allows: impl Fn(&RolePolicy) -> bool) -> Decision<'_> {
        for role in self.roles_of(user) {
            if role.name == ADMIN {
                return Decision::Allowed(Reason::Admin);
            }
            if self.role(role).is_some_and(&allows) {
                return Decision::Allowed(Reason::Role(&role.name));
            }
        }
        Decision::Denied
    }
}

/// The entries in the order of their hashes.
fn in_order<T: Entry>(mut entries: Vec<T>) -> Arc<[T]> {
    entries.sort_unstable_by_key(T::hash);
    entries.into()
}

/// What changes concern.
#[derive(Default)]
struct Touched<'a> {
    /// By role.
    grants: HashMap<&'a Name, HashSet<&'a Grant>>,
    users: HashSet<&'a Name>,
    /// Custom groups.
    groups: HashSet<&'a str>,
}

impl<'a> Touched<'a> {
    fn by(changes: &'a [Change], before: &'a State, after: &'a State) -> Self {
        let mut touched = Self::default();
        for change in changes {
            match change {
                Change::Grant { role, grant, .. } | Change::Revoke { role, grant } => {
                    touched.grants.entry(role).or_default().insert(grant);
                }
                Change::PutGroup { name, .. } | Change::DeleteGroup { name } => {
                    if touched.groups.insert(name) {
                        touched.add_grants_of(name, before);
                        touched.add_grants_of(name, after);
                    }
                }
                Change::Bind { user, .. } | Change::Unbind { user, .. } => {
                    touched.users.insert(user);
                }
                // They change no grant and no binding.
                Change::PutUser { .. }
                | Change::DeleteUser { .. }
                | Change::PutRole { .. }
                | Change::DeleteRole { .. }
                | Change::PutDatabase { .. }
                | Change::DeleteDatabase { .. } => {}
            }
        }
        touched
    }

    fn add_grants_of(&mut self, group: &'a Name, state: &'a State) {
        for (name, role) in state.roles_using(group).filter_map(|r| state.roles.get_key_value(r)) {
            let uses = |grant: &&Grant| custom_group(&grant.privilege) == Some(group);
            self.grants.entry(name).or_default().extend(role.grants.keys().filter(uses));
        }
    }
}
