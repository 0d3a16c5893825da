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

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use crate::model::builtin::{BuiltInGroups, legacy_members};
use crate::model::privilege::{
    ANY, GROUP_PREFIX, Level, ObjectType, Privilege, PrivilegeKind, PrivilegeSet, defined,
};
use crate::model::state::{ADMIN, Change, DEFAULT_DATABASE, Grant, Name, ROOT, Role, State};

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

/// The state's grants, ready for decisions.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    roles: imbl::HashMap<Name, Arc<RolePolicy>>,
}

/// What one role permits: database → object → privileges. Cluster-level privileges stand under
/// database `*`.
#[derive(Debug, Default)]
struct RolePolicy {
    scopes: HashMap<Name, HashMap<Name, PrivilegeSet>>,
    /// What is permitted on at least one object.
    anywhere: PrivilegeSet,
    /// The custom groups that were expanded: when one changes, so does this role.
    custom_groups: BTreeSet<Name>,
}

impl Policy {
    /// Compiles the whole state.
    pub fn compile(state: &State, groups: &BuiltInGroups) -> Self {
        let compile = |(name, role): (&Name, &Role)| {
            (name.clone(), Arc::new(RolePolicy::compile(role, state, groups)))
        };
        Self { roles: state.roles.iter().map(compile).collect() }
    }

    /// The policy after `changes` led to `state`: only roles that they touch are compiled again.
    #[must_use]
    pub fn updated(&self, state: &State, groups: &BuiltInGroups, changes: &[Change]) -> Self {
        let mut next = self.clone();
        for name in self.touched_roles(changes) {
            match state.roles.get(&name) {
                Some(role) => {
                    let compiled = RolePolicy::compile(role, state, groups);
                    next.roles.insert(name, Arc::new(compiled));
                }
                None => {
                    next.roles.remove(&name);
                }
            }
        }
        next
    }

    fn touched_roles(&self, changes: &[Change]) -> BTreeSet<Name> {
        let mut roles = BTreeSet::new();
        for change in changes {
            match change {
                Change::PutRole { name: role, .. }
                | Change::DeleteRole { name: role }
                | Change::Grant { role, .. }
                | Change::Revoke { role, .. } => {
                    roles.insert(role.clone());
                }
                Change::PutGroup { name: group, .. } | Change::DeleteGroup { name: group } => {
                    let holds =
                        |(_, role): &(&Name, &Arc<RolePolicy>)| role.custom_groups.contains(group);
                    roles.extend(self.roles.iter().filter(holds).map(|(name, _)| name.clone()));
                }
                Change::PutUser { .. }
                | Change::DeleteUser { .. }
                | Change::Bind { .. }
                | Change::Unbind { .. }
                | Change::PutDatabase { .. }
                | Change::DeleteDatabase { .. } => {}
            }
        }
        roles
    }

    /// Decides. `state` must be the one from which this policy was compiled.
    pub fn decide<'a>(&self, state: &'a State, query: &Query<'_>) -> Decision<'a> {
        if query.user == ROOT {
            return Decision::Allowed(Reason::Root);
        }
        if query.object == Object::User(query.user) {
            return Decision::Allowed(Reason::Oneself);
        }
        for role in state.effective_roles(query.user) {
            if role == ADMIN {
                return Decision::Allowed(Reason::Admin);
            }
            if self.roles.get(role).is_some_and(|policy| policy.covers(query)) {
                return Decision::Allowed(Reason::Role(role));
            }
        }
        Decision::Denied
    }

    /// Decides on a call that needs one of `privileges` on any object whatever.
    pub fn decide_anywhere<'a>(
        &self,
        state: &'a State,
        user: &str,
        privileges: &[Privilege],
    ) -> Decision<'a> {
        let set: PrivilegeSet = privileges.iter().copied().collect();
        let holds = |role: &&str| {
            self.roles.get(*role).is_some_and(|p| !p.anywhere.intersection(set).is_empty())
        };
        match self.decide_on_administration(state, user) {
            Decision::Denied => state
                .effective_roles(user)
                .find(holds)
                .map_or(Decision::Denied, |role| Decision::Allowed(Reason::Role(role))),
            allowed => allowed,
        }
    }

    /// Decides on a call that only `root` and holders of `admin` may make.
    pub fn decide_on_administration<'a>(&self, state: &'a State, user: &str) -> Decision<'a> {
        match user {
            ROOT => Decision::Allowed(Reason::Root),
            _ if state.effective_roles(user).any(|role| role == ADMIN) => {
                Decision::Allowed(Reason::Admin)
            }
            _ => Decision::Denied,
        }
    }
}

/// The grant by which `role` permits what is asked. Looks at the role's grants one by one.
pub fn deciding_grant<'a>(
    state: &'a State,
    groups: &BuiltInGroups,
    role: &str,
    query: &Query<'_>,
) -> Option<&'a Grant> {
    state.roles.get(role)?.grants.keys().find(|grant| {
        let mut alone = RolePolicy::default();
        alone.add(grant, state, groups);
        alone.covers(query)
    })
}

impl RolePolicy {
    fn compile(role: &Role, state: &State, groups: &BuiltInGroups) -> Self {
        let mut policy = Self::default();
        for grant in role.grants.keys() {
            policy.add(grant, state, groups);
        }
        policy
    }

    fn add(&mut self, grant: &Grant, state: &State, groups: &BuiltInGroups) {
        if &*grant.privilege == ANY {
            return self.add_any(grant);
        }
        match Privilege::stored_as(&grant.privilege) {
            Some(privilege) if privilege.kind() == PrivilegeKind::BuiltInGroup => {
                let members = groups.members(privilege.name()).unwrap_or_default();
                self.add_set(grant, members.iter().copied().collect());
            }
            Some(privilege) => self.add_member(grant, privilege),
            None => {
                let name = grant.privilege.strip_prefix(GROUP_PREFIX).unwrap_or_default();
                self.custom_groups.insert(name.into());
                if let Some(group) = state.groups.get(name) {
                    let members: Vec<_> =
                        group.privileges.iter().filter_map(|m| defined(m)).collect();
                    for member in members {
                        self.add_member(grant, member);
                    }
                }
            }
        }
    }

    /// One privilege that is not a wildcard, granted alone or as a member of a group.
    fn add_member(&mut self, grant: &Grant, privilege: Privilege) {
        match privilege.kind() {
            PrivilegeKind::Single => self.add_set(grant, [privilege].into_iter().collect()),
            PrivilegeKind::Everything => {
                let everywhere = &*grant.database == ANY;
                let set = if everywhere { MASKS.all } else { MASKS.all.minus(MASKS.cluster) };
                self.insert(&grant.database, ANY, set);
            }
            PrivilegeKind::LegacyGroup => self.add_legacy(grant, privilege),
            // One step only: a group inside a custom group matches nothing.
            PrivilegeKind::BuiltInGroup => {}
        }
    }

    /// A legacy group reaches the cluster level only where v1 clients mean the instance: on database
    /// `*`, and on `default`, which they cannot avoid.
    fn add_legacy(&mut self, grant: &Grant, group: Privilege) {
        let instance = matches!(&*grant.database, ANY | DEFAULT_DATABASE);
        let members = legacy_members(group);
        let members = if instance { members } else { members.minus(MASKS.cluster) };
        if group.object_type() == ObjectType::Global {
            self.add_set(&Grant { object: ANY.into(), ..grant.clone() }, members);
        } else {
            self.add_set(grant, members);
        }
    }

    /// Each privilege at the place that its own type tells.
    fn add_set(&mut self, grant: &Grant, set: PrivilegeSet) {
        self.insert(&grant.database, &grant.object, set.intersection(MASKS.collection_type));
        let global = set.intersection(MASKS.global_type);
        self.insert(&grant.database, ANY, global.minus(MASKS.cluster));
        self.insert(ANY, ANY, global.intersection(MASKS.cluster));
        self.insert(ANY, &grant.object, set.intersection(MASKS.user_type));
    }

    /// `*` as privilege: it never reaches further than its object.
    fn add_any(&mut self, grant: &Grant) {
        let Grant { object_type, database, object, .. } = grant;
        match object_type {
            ObjectType::Collection => self.insert(database, object, MASKS.collection_type),
            ObjectType::User => self.insert(ANY, object, MASKS.user_type),
            ObjectType::Global if &**object != ANY => {
                self.insert(database, object, MASKS.collection_level);
            }
            ObjectType::Global if &**database == ANY => {
                self.insert(ANY, ANY, MASKS.global_type);
            }
            ObjectType::Global => {
                self.insert(database, ANY, MASKS.global_type.minus(MASKS.cluster));
            }
        }
    }

    fn insert(&mut self, database: &str, object: &str, set: PrivilegeSet) {
        if !set.is_empty() {
            let objects = self.scopes.entry(database.into()).or_default();
            let present = objects.entry(object.into()).or_default();
            *present = present.union(set);
            self.anywhere = self.anywhere.union(set);
        }
    }

    fn covers(&self, query: &Query<'_>) -> bool {
        let named = match query.object {
            Object::Collection(name) | Object::User(name) => Some(name),
            Object::Global { collection } => collection,
        };
        let own = (query.privilege.level() != Some(Level::Cluster)).then_some(query.database);
        own.into_iter().chain([ANY]).filter_map(|database| self.scopes.get(database)).any(
            |objects| {
                named
                    .into_iter()
                    .chain([ANY])
                    .filter_map(|object| objects.get(object))
                    .any(|set| set.contains(query.privilege))
            },
        )
    }
}

/// The sets by which compiled grants are sorted.
struct Masks {
    all: PrivilegeSet,
    cluster: PrivilegeSet,
    collection_level: PrivilegeSet,
    collection_type: PrivilegeSet,
    global_type: PrivilegeSet,
    user_type: PrivilegeSet,
}

static MASKS: LazyLock<Masks> = LazyLock::new(|| {
    let set = |keep: fn(Privilege) -> bool| {
        Privilege::all().filter(|p| p.kind() == PrivilegeKind::Single && keep(*p)).collect()
    };
    Masks {
        all: set(|_| true),
        cluster: set(|p| p.level() == Some(Level::Cluster)),
        collection_level: set(|p| p.level() == Some(Level::Collection)),
        collection_type: set(|p| p.object_type() == ObjectType::Collection),
        global_type: set(|p| p.object_type() == ObjectType::Global),
        user_type: set(|p| p.object_type() == ObjectType::User),
    }
});
