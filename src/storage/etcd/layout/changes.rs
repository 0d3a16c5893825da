//! What changed in the layout, as changes of the state.

use std::collections::BTreeMap;

use super::keys::Scope;
use super::mirror::{Mirror, Touched};
use crate::model::grants::on_object;
use crate::model::state::{Change, Grant, State};
use crate::storage::StoreError;

/// Changes in the order in which a state takes them.
#[derive(Default)]
struct Steps {
    puts: Vec<Change>,
    /// Bindings and grants that go, then those that come: both need their users and roles.
    loosened: Vec<Change>,
    tied: Vec<Change>,
    removals: Vec<Change>,
}

impl Mirror {
    /// The changes that lead from `state`, which is what was visible when they were last asked for,
    /// to what is visible now.
    ///
    /// INVARIANT: whatever came in whatever order, the state is the one that a new mirror of the
    /// same records yields. Defended by `random.rs`.
    ///
    /// # Errors
    /// What the records say is contradictory, and stays so until others are written.
    pub(in crate::storage::etcd) fn changes(
        &mut self,
        state: &State,
    ) -> Result<Vec<Change>, StoreError> {
        for scope in &self.touched.scopes {
            self.check_shared(scope)?;
        }
        for name in &self.touched.databases {
            if let Some(Err(damage)) = self.databases.get(name) {
                return Err(damage.clone());
            }
        }
        let touched = std::mem::take(&mut self.touched);
        let touched = self.with_dependants(touched, state);
        let mut steps = Steps::default();
        self.compare_named(&touched, state, &mut steps);
        for (user, role) in touched.bindings {
            let old = state.users.get(&user).is_some_and(|user| user.roles.contains_key(&role));
            let new = self.users.contains_key(&user) && self.roles.contains_key(&role);
            match (old, new && self.is_bound(&user, &role)) {
                (false, true) => steps.tied.push(Change::Bind { user, role }),
                (true, false) => steps.loosened.push(Change::Unbind { user, role }),
                _ => {}
            }
        }
        for scope in touched.scopes {
            self.compare_grants(&scope, state, &mut steps);
        }
        let Steps { mut puts, loosened, tied, removals } = steps;
        puts.extend(loosened.into_iter().chain(tied).chain(removals));
        Ok(puts)
    }

    /// Users and roles that come bring what has been waiting for them; those that go take along
    /// what they had.
    fn with_dependants(&self, mut touched: Touched, state: &State) -> Touched {
        for user in &touched.users {
            match state.users.get(user) {
                None => {
                    touched.bindings.extend(self.roles_of(user).map(|r| (user.clone(), r.clone())))
                }
                Some(_) if self.users.contains_key(user) => {}
                Some(old) => {
                    touched.bindings.extend(old.roles.keys().map(|r| (user.clone(), r.clone())));
                }
            }
        }
        for role in &touched.roles {
            match state.roles.get(role) {
                None => {
                    let users = self.users_of(role);
                    touched.bindings.extend(users.map(|user| (user.clone(), role.clone())));
                    touched.scopes.extend(self.of_role(role).map(|(grantee, _)| grantee.scope()));
                }
                Some(_) if self.roles.contains_key(role) => {}
                Some(old) => {
                    let users = old.users.keys();
                    touched.bindings.extend(users.map(|user| (user.clone(), role.clone())));
                    touched.scopes.extend(old.grants.keys().map(|grant| Scope::of(role, grant)));
                }
            }
        }
        touched
    }

    /// Users, roles, groups and databases.
    fn compare_named(&self, touched: &Touched, state: &State, steps: &mut Steps) {
        let Steps { puts, removals, .. } = steps;
        for name in touched.users.iter().cloned() {
            let old = state.users.get(&name);
            let Some(new) = self.users.get(&name) else {
                removals.extend(old.map(|_| Change::DeleteUser { name }));
                continue;
            };
            let (password_hash, description) = (&new.password_hash, &new.description);
            if old.map(|old| (&old.password_hash, &old.description))
                != Some((password_hash, description))
            {
                let (password_hash, description) = (password_hash.clone(), description.clone());
                puts.push(Change::PutUser { name, password_hash, description });
            }
        }
        for name in touched.roles.iter().cloned() {
            let old = state.roles.get(&name);
            match self.roles.get(&name) {
                Some(new) if old.is_some_and(|old| old.description == *new) => {}
                Some(new) => puts.push(Change::PutRole { name, description: new.clone() }),
                None => removals.extend(old.map(|_| Change::DeleteRole { name })),
            }
        }
        for name in touched.groups.iter().cloned() {
            let old = state.groups.get(&name);
            match self.groups.get(&name) {
                Some(new) if old == Some(new) => {}
                Some(new) => puts.push(Change::PutGroup { name, group: new.clone() }),
                None => removals.extend(old.map(|_| Change::DeleteGroup { name })),
            }
        }
        for name in touched.databases.iter().cloned() {
            let old = state.databases.get(&name);
            match self.databases.get(&name).and_then(|database| database.as_ref().ok()) {
                Some(new) if old == Some(new) => {}
                Some(new) => puts.push(Change::PutDatabase { name, database: new.clone() }),
                None => removals.extend(old.map(|_| Change::DeleteDatabase { name })),
            }
        }
    }

    /// What a role may do with one object.
    fn compare_grants(&self, scope: &Scope, state: &State, steps: &mut Steps) {
        let Scope { role, object_type, database, object } = scope;
        let mut new = BTreeMap::new();
        for grantee in self.grantees(scope).filter(|_| self.roles.contains_key(role)) {
            for (privilege, grantor) in self.shown(&grantee) {
                new.entry(privilege).or_insert(grantor);
            }
        }
        let old = state.roles.get(role).into_iter();
        for (grant, grantor) in old.flat_map(|role| on_object(role, *object_type, database, object))
        {
            match new.get(&grant.privilege) {
                Some(same) if same == grantor => drop(new.remove(&grant.privilege)),
                Some(_) => {}
                None => {
                    let (role, grant) = (role.clone(), grant.clone());
                    steps.loosened.push(Change::Revoke { role, grant });
                }
            }
        }
        steps.tied.extend(new.into_iter().map(|(privilege, grantor)| {
            let (database, object) = (database.clone(), object.clone());
            let grant = Grant { object_type: *object_type, database, object, privilege };
            Change::Grant { role: role.clone(), grant, grantor }
        }));
    }
}
