//! Which records changes write.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::{Grantee, Range, Record, Scope, is_part, is_place};
use super::mirror::Mirror;
use super::values::{self, Credential};
use crate::model::state::{Change, Database, Group, Name};
use crate::storage::StoreError;

/// What a transaction does. No two writes of a commit concern the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage::etcd) enum Write {
    DeletePrefix { prefix: String },
    Delete { key: String },
    Put { key: String, value: Vec<u8> },
}

/// What changes come down to. Later ones win.
#[derive(Default)]
struct Outcome {
    /// With password and description.
    users: BTreeMap<Name, Fate<(Name, Name)>>,
    /// With the description.
    roles: BTreeMap<Name, Fate<Name>>,
    groups: BTreeMap<Name, Option<Group>>,
    databases: BTreeMap<Name, Option<Database>>,
    /// User and role, and whether they are bound.
    bindings: BTreeMap<(Name, Name), bool>,
    /// The grantors of the privileges that come; none for those that go.
    grants: BTreeMap<Scope, BTreeMap<Name, Option<Name>>>,
}

/// What becomes of a user or role.
struct Fate<T> {
    /// None where it is gone.
    value: Option<T>,
    /// What was kept for one of that name is not for this one.
    anew: bool,
}

impl<T> Default for Fate<T> {
    fn default() -> Self {
        Self { value: None, anew: false }
    }
}

struct Plan<'a> {
    mirror: &'a Mirror,
    outcome: &'a Outcome,
    ranges: BTreeSet<Range>,
    deletes: BTreeSet<String>,
    puts: BTreeMap<String, Vec<u8>>,
}

/// A hybrid timestamp: milliseconds and a counter of this width.
const LOGICAL_BITS: u32 = 18;

impl Mirror {
    /// The writes that make the layout hold what `changes` lead to from what is visible now. `now`
    /// is in milliseconds since 1970.
    ///
    /// INVARIANT: what is visible afterwards is what the changes say, whatever lay about before:
    /// nothing that was kept for a user, role or object of the past comes back with a new one of
    /// that name. Defended by `random.rs`.
    ///
    /// # Errors
    /// A name has no place in the layout, or records concerned are contradictory.
    pub(in crate::storage::etcd) fn writes(
        &self,
        changes: &[Change],
        now: u64,
    ) -> Result<Vec<Write>, StoreError> {
        changes.iter().try_for_each(check_names)?;
        let mut outcome = Outcome::default();
        changes.iter().for_each(|change| outcome.add(change, self));
        let (ranges, deletes, puts) = Default::default();
        let mut plan = Plan { mirror: self, outcome: &outcome, ranges, deletes, puts };
        plan.users(now);
        plan.roles();
        for (name, group) in &outcome.groups {
            let value = group.as_ref().map(|group| values::encode_group(name, group));
            plan.write(&Record::Group(name.clone()), value);
        }
        for (name, database) in &outcome.databases {
            let value = database.as_ref().map(values::encode_database);
            plan.write(&Record::Database(name.clone()), value);
        }
        for ((user, role), bound) in &outcome.bindings {
            let record = Record::Binding { user: user.clone(), role: role.clone() };
            plan.write(&record, bound.then(Vec::new));
        }
        for (scope, privileges) in &outcome.grants {
            plan.grants(scope, privileges)?;
        }
        Ok(plan.finish())
    }
}

impl Outcome {
    fn add(&mut self, change: &Change, mirror: &Mirror) {
        match change.clone() {
            Change::PutUser { name, password_hash, description } => {
                let is_new = !mirror.users.contains_key(&name);
                let fate = self.users.entry(name).or_default();
                fate.value = Some((password_hash, description));
                fate.anew |= is_new;
            }
            Change::DeleteUser { name } => {
                self.users.insert(name, Fate { value: None, anew: true });
            }
            Change::PutRole { name, description } => {
                let is_new = !mirror.roles.contains_key(&name);
                let fate = self.roles.entry(name).or_default();
                fate.value = Some(description);
                fate.anew |= is_new;
            }
            Change::DeleteRole { name } => {
                self.roles.insert(name, Fate { value: None, anew: true });
            }
            Change::Bind { user, role } => drop(self.bindings.insert((user, role), true)),
            Change::Unbind { user, role } => drop(self.bindings.insert((user, role), false)),
            Change::Grant { role, grant, grantor } => {
                let privileges = self.grants.entry(Scope::of(&role, &grant)).or_default();
                privileges.insert(grant.privilege, Some(grantor));
            }
            Change::Revoke { role, grant } => {
                let privileges = self.grants.entry(Scope::of(&role, &grant)).or_default();
                privileges.insert(grant.privilege, None);
            }
            Change::PutGroup { name, group } => drop(self.groups.insert(name, Some(group))),
            Change::DeleteGroup { name } => drop(self.groups.insert(name, None)),
            Change::PutDatabase { name, database } => {
                self.databases.insert(name, Some(database));
            }
            Change::DeleteDatabase { name } => drop(self.databases.insert(name, None)),
        }
    }

    /// Whether nothing that the mirror knows of a role is to last.
    fn is_anew(&self, role: &Name) -> bool {
        self.roles.get(role).is_some_and(|fate| fate.anew)
    }
}

impl Plan<'_> {
    fn write(&mut self, record: &Record, value: Option<Vec<u8>>) {
        match value {
            Some(value) => drop(self.puts.insert(record.to_string(), value)),
            None => drop(self.deletes.insert(record.to_string())),
        }
    }

    fn users(&mut self, now: u64) {
        for (name, Fate { value, anew }) in &self.outcome.users {
            if *anew && (value.is_none() || self.mirror.roles_of(name).next().is_some()) {
                self.ranges.insert(Range::Bindings(name.clone()));
            }
            let value = value.clone().map(|(password_hash, description)| {
                let last = self.mirror.users.get(name).map_or(0, |user| user.time_tick);
                let time_tick = last.saturating_add(1).max(now << LOGICAL_BITS);
                Credential { password_hash, description, time_tick }.encode()
            });
            self.write(&Record::User(name.clone()), value);
        }
    }

    fn roles(&mut self) {
        for (role, Fate { value, anew }) in &self.outcome.roles {
            if *anew {
                self.clear(role, value.is_none());
            }
            let value = value.as_ref().map(|description| values::encode_role(description));
            self.write(&Record::Role(role.clone()), value);
        }
    }

    /// Removes whatever is kept for a role.
    fn clear(&mut self, role: &Name, dropped: bool) {
        for user in self.mirror.users_of(role) {
            let record = Record::Binding { user: user.clone(), role: role.clone() };
            self.write(&record, None);
        }
        if dropped || self.mirror.of_role(role).next().is_some() {
            self.ranges.insert(Range::Grantees(role.clone()));
        }
        for (grantee, stored) in self.mirror.of_role(role) {
            for id in stored.iter().chain([&grantee.id()]) {
                let is_shared = self.mirror.referrers(id).any(|other| other.role != *role);
                if !is_shared && self.mirror.under(id).next().is_some() {
                    self.ranges.insert(Range::Grants(id.clone()));
                }
            }
        }
    }

    fn grants(
        &mut self,
        scope: &Scope,
        privileges: &BTreeMap<Name, Option<Name>>,
    ) -> Result<(), StoreError> {
        let added = privileges.iter().filter_map(|(p, g)| Some((p.clone(), g.clone()?)));
        let mut added: BTreeMap<Name, Name> = added.collect();
        let anew = self.outcome.is_anew(&scope.role);
        // What is added goes to the first of them.
        for grantee in self.mirror.grantees(scope).filter(|_| !anew) {
            let mut wanted = self.mirror.shown(&grantee);
            let before = wanted.len();
            wanted.retain(|privilege, _| privileges.get(privilege) != Some(&None));
            if wanted.len() < before || !added.is_empty() {
                wanted.append(&mut added);
                self.rewrite(&grantee, &wanted)?;
            }
        }
        if added.is_empty() { Ok(()) } else { self.rewrite(&Grantee::of(scope), &added) }
    }

    /// Makes a grantee show just the privileges that are wanted, under its own id. Grants under one
    /// of the older form move with the first write on them.
    fn rewrite(
        &mut self,
        grantee: &Grantee,
        wanted: &BTreeMap<Name, Name>,
    ) -> Result<(), StoreError> {
        let own = grantee.id();
        let known = !self.outcome.is_anew(&grantee.role);
        let stored = self.mirror.grantees.get(grantee).cloned().flatten().filter(|_| known);
        let ids: Vec<Name> = stored.iter().cloned().chain([own.clone()]).collect();
        self.mirror.check_sole(grantee, &ids)?;
        let is_in_place = stored.as_ref() == Some(&own);
        if !is_in_place {
            self.puts.insert(grantee.to_string(), own.as_bytes().to_vec());
            let moved = stored.filter(|id| self.mirror.under(id).next().is_some());
            self.ranges.extend(moved.map(Range::Grants));
        }
        let there: BTreeMap<&Name, &Name> = self.mirror.under(&own).collect();
        let record =
            |privilege: &Name| Record::Grant { id: own.clone(), privilege: privilege.clone() };
        for privilege in there.keys().filter(|privilege| !wanted.contains_key(**privilege)) {
            self.write(&record(privilege), None);
        }
        for (privilege, grantor) in wanted {
            if !is_in_place || there.get(privilege) != Some(&grantor) {
                self.write(&record(privilege), Some(grantor.as_bytes().to_vec()));
            }
        }
        Ok(())
    }

    /// INVARIANT: no key is concerned twice, which etcd refuses. Defended by `random.rs`.
    fn finish(mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for range in &self.ranges {
            let prefix = range.prefix();
            let next = self.puts.range(prefix.clone()..).next();
            if next.is_some_and(|(key, _)| key.starts_with(&prefix)) {
                self.deletes.extend(self.mirror.keys(range));
                continue;
            }
            let within = self.deletes.range(prefix.clone()..);
            let within: Vec<_> = within.take_while(|k| k.starts_with(&prefix)).cloned().collect();
            for key in within {
                self.deletes.remove(&key);
            }
            writes.push(Write::DeletePrefix { prefix });
        }
        let Self { mut deletes, puts, .. } = self;
        deletes.retain(|key| !puts.contains_key(key));
        writes.extend(deletes.into_iter().map(|key| Write::Delete { key }));
        writes.extend(puts.into_iter().map(|(key, value)| Write::Put { key, value }));
        writes
    }
}

/// The names of a change, as far as they become parts of keys.
fn check_names(change: &Change) -> Result<(), StoreError> {
    let (parts, places): (&[&Name], &[&Name]) = match change {
        Change::PutUser { name, .. }
        | Change::DeleteUser { name }
        | Change::PutRole { name, .. }
        | Change::DeleteRole { name }
        | Change::PutGroup { name, .. }
        | Change::DeleteGroup { name }
        | Change::PutDatabase { name, .. }
        | Change::DeleteDatabase { name } => (&[name], &[]),
        Change::Bind { user, role } | Change::Unbind { user, role } => (&[user, role], &[]),
        Change::Grant { role, grant, .. } => {
            (&[role, &grant.privilege], &[&grant.database, &grant.object])
        }
        // What others have written can go, whatever its object.
        Change::Revoke { role, grant } => (&[role, &grant.privilege], &[]),
    };
    let parts = parts.iter().filter(|name| !is_part(name));
    let mut refused = parts.chain(places.iter().filter(|name| !is_place(name)));
    match refused.next() {
        None => Ok(()),
        Some(name) => Err(StoreError::Refused(format!("Milvus' keys have no place for `{name}`"))),
    }
}
