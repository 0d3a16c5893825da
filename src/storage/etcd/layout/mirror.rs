//! What the layout holds, kept up to date record by record.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::keys::{Grantee, Range, Record, Scope};
use super::values::{self, Credential, Head};
use crate::model::names::Names;
use crate::model::privilege::ObjectType;
use crate::model::state::{Database, Group, Name};
use crate::storage::{Revision, StoreError};

/// All records that are understood, and which of them have changed.
///
/// Each takes part in what is visible only with those that it needs: a grant with its role, a
/// binding with its user and its role.
#[derive(Debug, Default)]
pub(in crate::storage::etcd) struct Mirror {
    names: Names,
    head: Option<Result<Head, StoreError>>,
    /// What each instance has in force, by its id.
    instances: BTreeMap<Name, Revision>,
    pub(super) users: BTreeMap<Name, Credential>,
    /// With the description.
    pub(super) roles: BTreeMap<Name, Name>,
    pub(super) groups: BTreeMap<Name, Group>,
    pub(super) databases: BTreeMap<Name, Result<Database, StoreError>>,
    /// User and role.
    bindings: BTreeSet<(Name, Name)>,
    /// Role and user.
    bound: BTreeSet<(Name, Name)>,
    /// With the id under which their grants are, if it can be one.
    pub(super) grantees: BTreeMap<Grantee, Option<Name>>,
    /// Ids, with the grantees whose grants may be there: by their record, or by what they are.
    referrers: BTreeSet<(Name, Grantee)>,
    /// Id and privilege, with the grantor.
    grants: BTreeMap<(Name, Name), Name>,
    pub(super) touched: Touched,
}

/// What may look different from what it was when changes were last asked for.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) users: BTreeSet<Name>,
    pub(super) roles: BTreeSet<Name>,
    pub(super) groups: BTreeSet<Name>,
    pub(super) databases: BTreeSet<Name>,
    /// User and role.
    pub(super) bindings: BTreeSet<(Name, Name)>,
    pub(super) scopes: BTreeSet<Scope>,
}

impl Mirror {
    /// Takes in a record that was written.
    pub(in crate::storage::etcd) fn put(&mut self, key: &str, value: &[u8]) {
        let Some(record) = self.touch(key) else { return };
        match record {
            Record::Head => self.head = Some(Head::decode(value)),
            Record::Instance(id) => {
                let revision = values::decode_instance(value).unwrap_or_else(|| odd(key));
                self.instances.insert(id, revision);
            }
            Record::Database(name) => {
                let database = values::decode_database(&name, value);
                self.databases.insert(name, database);
            }
            Record::User(name) => {
                let user = Credential::decode(value).unwrap_or_else(|| odd(key));
                self.users.insert(name, user);
            }
            Record::Role(name) => {
                let description = values::decode_role(value).unwrap_or_else(|| odd(key));
                self.roles.insert(name, description);
            }
            Record::Binding { user, role } => {
                self.bound.insert((role.clone(), user.clone()));
                self.bindings.insert((user, role));
            }
            Record::Grantee(grantee) => {
                self.unlink(&grantee);
                let id = std::str::from_utf8(value).ok();
                let id = id.filter(|id| !id.is_empty() && !id.contains('/'));
                let id = id.map(|id| self.names.name(id)).or_else(|| odd(key));
                let own = self.names.name(&grantee.id());
                self.referrers.extend(
                    [id.clone(), Some(own)].into_iter().flatten().map(|id| (id, grantee.clone())),
                );
                self.grantees.insert(grantee, id);
            }
            Record::Grant { id, privilege } => {
                let grantor = self.names.name(&String::from_utf8_lossy(value));
                self.grants.insert((id, privilege), grantor);
            }
            Record::Group(name) => {
                let group = values::decode_group(value).unwrap_or_else(|| odd(key));
                self.groups.insert(name, group);
            }
        }
    }

    /// Takes in that a record was removed.
    pub(in crate::storage::etcd) fn delete(&mut self, key: &str) {
        let Some(record) = self.touch(key) else { return };
        match record {
            Record::Head => self.head = None,
            Record::Instance(id) => drop(self.instances.remove(&id)),
            Record::Database(name) => drop(self.databases.remove(&name)),
            Record::User(name) => drop(self.users.remove(&name)),
            Record::Role(name) => drop(self.roles.remove(&name)),
            Record::Binding { user, role } => {
                self.bound.remove(&(role.clone(), user.clone()));
                self.bindings.remove(&(user, role));
            }
            Record::Grantee(grantee) => {
                self.unlink(&grantee);
                self.grantees.remove(&grantee);
            }
            Record::Grant { id, privilege } => drop(self.grants.remove(&(id, privilege))),
            Record::Group(name) => drop(self.groups.remove(&name)),
        }
    }

    /// The last commit; none where nobody of us has written yet.
    ///
    /// # Errors
    /// The record cannot be understood.
    pub(in crate::storage::etcd) fn head(&self) -> Result<Option<&Head>, StoreError> {
        self.head.as_ref().map(Result::as_ref).transpose().map_err(Clone::clone)
    }

    /// What an instance has told that it has in force; none for one that is not there.
    pub(in crate::storage::etcd) fn instance(&self, id: &str) -> Option<Revision> {
        self.instances.get(id).copied()
    }

    /// What all instances have in force.
    pub(in crate::storage::etcd) fn in_force(&self) -> Option<Revision> {
        self.instances.values().min().copied()
    }

    /// The record of that key, and a note that it changes.
    fn touch(&mut self, key: &str) -> Option<Record> {
        let Ok(record) = Record::of(key, &mut self.names) else {
            warn!(?key, "a malformed key is passed over");
            return None;
        };
        let record = record?;
        let touched = &mut self.touched;
        match record.clone() {
            Record::Head | Record::Instance(_) => {}
            Record::Database(name) => drop(touched.databases.insert(name)),
            Record::User(name) => drop(touched.users.insert(name)),
            Record::Role(name) => drop(touched.roles.insert(name)),
            Record::Binding { user, role } => drop(touched.bindings.insert((user, role))),
            Record::Grantee(grantee) => drop(touched.scopes.insert(grantee.scope())),
            Record::Grant { id, .. } => {
                let scopes: Vec<_> = self.referrers(&id).map(Grantee::scope).collect();
                self.touched.scopes.extend(scopes);
            }
            Record::Group(name) => drop(touched.groups.insert(name)),
        }
        Some(record)
    }

    fn unlink(&mut self, grantee: &Grantee) {
        let Some(id) = self.grantees.get(grantee) else { return };
        for id in [id.clone(), Some(grantee.id())].into_iter().flatten() {
            self.referrers.remove(&(id, grantee.clone()));
        }
    }

    /// The grantees whose grants may be under that id.
    pub(super) fn referrers<'a>(&'a self, id: &'a Name) -> impl Iterator<Item = &'a Grantee> {
        let from = self.referrers.range((id.clone(), first_of(&Name::new()))..);
        from.take_while(move |(other, _)| other == id).map(|(_, grantee)| grantee)
    }

    /// The privileges under an id, each with its grantor.
    pub(super) fn under<'a>(&'a self, id: &'a Name) -> impl Iterator<Item = (&'a Name, &'a Name)> {
        let from = self.grants.range((id.clone(), Name::new())..);
        let under = from.take_while(move |((other, _), _)| other == id);
        under.map(|((_, privilege), grantor)| (privilege, grantor))
    }

    /// The grantees of a role.
    pub(super) fn of_role<'a>(
        &'a self,
        role: &'a Name,
    ) -> impl Iterator<Item = (&'a Grantee, &'a Option<Name>)> {
        let from = self.grantees.range(first_of(role)..);
        from.take_while(move |(grantee, _)| grantee.role == *role)
    }

    /// The grantees that stand for a scope, the one that grants are written to first.
    pub(super) fn grantees(&self, scope: &Scope) -> impl Iterator<Item = Grantee> {
        let both = [Grantee::old_of(scope), Some(Grantee::of(scope))].into_iter().flatten();
        both.filter(|grantee| self.grantees.contains_key(grantee))
    }

    /// The id under which a grantee's grants are read. A move from an id of the older form to its
    /// own may have stopped halfway.
    fn effective(&self, grantee: &Grantee) -> Name {
        let stored = self.grantees.get(grantee).and_then(Option::as_ref);
        let stored = stored.filter(|id| self.under(id).next().is_some());
        stored.cloned().unwrap_or_else(|| grantee.id())
    }

    /// The privileges of a grantee, each with its grantor.
    pub(super) fn shown(&self, grantee: &Grantee) -> BTreeMap<Name, Name> {
        let id = self.effective(grantee);
        self.under(&id).map(|(privilege, grantor)| (privilege.clone(), grantor.clone())).collect()
    }

    /// The ids that lead to a grantee's grants.
    fn ids(&self, grantee: &Grantee) -> Vec<Name> {
        let stored = self.grantees.get(grantee).cloned().flatten();
        stored.into_iter().chain([self.effective(grantee)]).collect()
    }

    /// INVARIANT: what is granted to one role on one object is never taken for a grant to another,
    /// as ids of the older form could make it. Defended by `examples.rs`.
    pub(super) fn check_sole(&self, grantee: &Grantee, ids: &[Name]) -> Result<(), StoreError> {
        for id in ids {
            let other = self.referrers(id).find(|o| *o != grantee && self.ids(o).contains(id));
            if let Some(other) = other {
                let (a, b) = (grantee.min(other), grantee.max(other));
                return Err(StoreError::Damaged(format!(
                    "IO failed: shared legacy grantee id {id} is referenced by both {a} and {b}"
                )));
            }
        }
        Ok(())
    }

    /// See [`Self::check_sole`].
    pub(super) fn check_shared(&self, scope: &Scope) -> Result<(), StoreError> {
        self.grantees(scope).try_for_each(|grantee| self.check_sole(&grantee, &self.ids(&grantee)))
    }

    pub(super) fn is_bound(&self, user: &Name, role: &Name) -> bool {
        self.bindings.contains(&(user.clone(), role.clone()))
    }

    /// The roles bound to a user.
    pub(super) fn roles_of<'a>(&'a self, user: &'a Name) -> impl Iterator<Item = &'a Name> {
        pairs_of(&self.bindings, user)
    }

    /// The users bound to a role.
    pub(super) fn users_of<'a>(&'a self, role: &'a Name) -> impl Iterator<Item = &'a Name> {
        pairs_of(&self.bound, role)
    }

    /// The keys of a range.
    pub(super) fn keys(&self, range: &Range) -> Vec<String> {
        match range {
            Range::Bindings(user) => {
                let record =
                    |role: &Name| Record::Binding { user: user.clone(), role: role.clone() };
                self.roles_of(user).map(|role| record(role).to_string()).collect()
            }
            Range::Grantees(role) => self.of_role(role).map(|(g, _)| g.to_string()).collect(),
            Range::Grants(id) => {
                let record = |p: &Name| Record::Grant { id: id.clone(), privilege: p.clone() };
                self.under(id).map(|(privilege, _)| record(privilege).to_string()).collect()
            }
        }
    }
}

/// No grantee of the role comes before it.
fn first_of(role: &Name) -> Grantee {
    let [object_type, ..] = ObjectType::ALL;
    Grantee { role: role.clone(), object_type, database: None, object: Name::new() }
}

fn pairs_of<'a>(
    pairs: &'a BTreeSet<(Name, Name)>,
    first: &'a Name,
) -> impl Iterator<Item = &'a Name> {
    let from = pairs.range((first.clone(), Name::new())..);
    from.take_while(move |(other, _)| other == first).map(|(_, second)| second)
}

/// Stands in for a value that cannot be understood.
fn odd<T: Default>(key: &str) -> T {
    warn!(?key, "the value of this key is not understood, and taken for an empty one");
    T::default()
}
