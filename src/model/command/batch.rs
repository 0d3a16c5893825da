//! Several privileges on several resources, granted to a role or revoked from it as one change: a
//! batch of MongoDB's `grantPrivilegesToRole` and `revokePrivilegesFromRole`.
//!
//! A grant follows the rules of a v2 grant. A revoke takes what was granted on just this resource: one
//! that names another place, a narrower one too, changes nothing.

use std::collections::BTreeSet;

use super::grants::{self, group_level, related};
use super::{MemberOperation, PrivilegeOperation, Rules, Target};
use crate::model::error::Error;
use crate::model::name::{self, Kind, shortened};
use crate::model::privilege::{ANY, Level, Privilege, is_defined, stored_name};
use crate::model::state::{Change, State};

/// The most actions in a batch.
const MAX_ACTIONS: usize = 10_000;

/// MongoDB's names for what Milvus calls otherwise.
const ACTIONS: [(&str, &str); 13] = [
    ("find", "Query"),
    ("insert", "Insert"),
    ("update", "Upsert"),
    ("remove", "Delete"),
    ("createCollection", "CreateCollection"),
    ("dropCollection", "DropCollection"),
    ("createIndex", "CreateIndex"),
    ("dropIndex", "DropIndex"),
    ("listCollections", "ShowCollections"),
    ("listIndexes", "IndexDetail"),
    ("collStats", "GetStatistics"),
    ("compact", "Compaction"),
    ("search", "Search"),
];

/// A batch on one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose privileges.
    pub role: String,
    /// The current user.
    pub grantor: String,
    /// Whether they come or go.
    pub operation: MemberOperation,
    /// Where, and which.
    pub privileges: Vec<ResourcePrivileges>,
}

impl Batch {
    /// Checks that it is not more than one change should be.
    ///
    /// # Errors
    /// It is.
    pub fn check_size(&self) -> Result<(), Error> {
        let actions: usize = self.privileges.iter().map(|p| p.actions.len()).sum();
        if actions > MAX_ACTIONS {
            return Err(Error::invalid(format_args!(
                "privileges: {actions} actions, and {MAX_ACTIONS} are the most"
            )));
        }
        Ok(())
    }
}

/// Privileges on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePrivileges {
    /// Where.
    pub resource: Resource,
    /// The API names of privileges and groups, or MongoDB's names of the same.
    pub actions: Vec<String>,
}

/// Where privileges are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A collection of a database; either may be `*`.
    Place {
        /// The database.
        database: String,
        /// The collection.
        collection: String,
    },
    /// The instance as a whole, for what is done to it.
    Cluster,
    /// Everything, the instance included.
    Any,
}

impl Resource {
    /// The database and the collection.
    fn place(&self) -> (&str, &str) {
        match self {
            Self::Place { database, collection } => (database, collection),
            Self::Cluster | Self::Any => (ANY, ANY),
        }
    }
}

pub(super) fn plan(state: &State, rules: &Rules, batch: &Batch) -> Result<Vec<Change>, Error> {
    batch.check_size()?;
    name::check(Kind::Role, &batch.role)?;
    if !state.roles.contains_key(&*batch.role) {
        let role = &batch.role;
        return Err(Error::invalid(format_args!("the role \"{role}\" does not exist")));
    }
    let (mut changes, mut touched) = (Vec::new(), BTreeSet::new());
    for (index, privileges) in batch.privileges.iter().enumerate() {
        let field = format!("privileges[{index}]");
        check_resource(&privileges.resource)
            .map_err(|e| e.context(&format!("{field}.resource")))?;
        if privileges.actions.is_empty() {
            return Err(Error::invalid(format_args!("{field}.actions is empty")));
        }
        for (index, action) in privileges.actions.iter().enumerate() {
            let planned = one(state, rules, batch, &privileges.resource, action)
                .map_err(|e| e.context(&format!("{field}.actions[{index}]")))?;
            for change in planned {
                let (Change::Grant { grant, .. } | Change::Revoke { grant, .. }) = &change else {
                    continue;
                };
                if touched.insert(grant.clone()) {
                    changes.push(change);
                }
            }
        }
    }
    Ok(changes)
}

fn check_resource(resource: &Resource) -> Result<(), Error> {
    let (database, collection) = resource.place();
    name::check_grant_database(database)?;
    name::check(Kind::Collection, collection)
}

fn one(
    state: &State,
    rules: &Rules,
    batch: &Batch,
    resource: &Resource,
    action: &str,
) -> Result<Vec<Change>, Error> {
    let privilege = privilege_of(state, action)?;
    let single = Privilege::named(privilege).and_then(Privilege::level);
    let level = || single.or(group_level(rules, state, privilege).flatten());
    if *resource == Resource::Cluster && level() != Some(Level::Cluster) {
        return Err(Error::invalid(format_args!(
            "{privilege} is nothing that is done to the cluster: name a database and a collection, \
             \"\" for all of them, or anyResource"
        )));
    }
    let (database, collection) = resource.place();
    if batch.operation == MemberOperation::Add {
        if single.is_some() {
            // A grant that could never permit anything helps nobody.
            grants::check_level(single, privilege, database, collection)?;
        }
        let operation = PrivilegeOperation {
            operation: Ok(batch.operation),
            role: batch.role.clone(),
            grantor: batch.grantor.clone(),
            privilege: privilege.to_owned(),
            database: database.to_owned(),
            target: Target::V2 { collection: collection.to_owned() },
        };
        return grants::operate(state, rules, &operation);
    }
    let Some((name, role)) = state.roles.get_key_value(&*batch.role) else {
        return Ok(Vec::new());
    };
    let names = std::iter::once(privilege).chain(related(privilege).iter().copied());
    let held = names.flat_map(|name| role.held_at(database, collection, &stored_name(name)));
    Ok(held.map(|grant| Change::Revoke { role: name.clone(), grant }).collect())
}

/// What Milvus calls an action.
///
/// # Errors
/// There is none of that name, or it could be two.
pub fn privilege_of<'a>(state: &State, action: &'a str) -> Result<&'a str, Error> {
    let known = ACTIONS.iter().find(|(name, _)| *name == action);
    if let Some((name, privilege)) = known {
        // Whoever may create groups must not decide what an action means.
        if state.groups.contains_key(action) {
            return Err(Error::invalid(format_args!(
                "`{name}` is MongoDB's name for {privilege}, and there is a group of that name: \
                 say {privilege}, or rename the group"
            )));
        }
        return Ok(privilege);
    }
    if action == ANY || is_defined(action) || state.groups.contains_key(action) {
        return Ok(action);
    }
    Err(Error::invalid(format_args!(
        "`{}` is no privilege, no privilege group, and no action of MongoDB's that Milvus has too",
        shortened(action)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::command::Command;
    use crate::model::state::{Name, Role, User};

    fn place(database: &str, collection: &str) -> Resource {
        Resource::Place { database: database.to_owned(), collection: collection.to_owned() }
    }

    fn on(resource: Resource, actions: &[&str]) -> ResourcePrivileges {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        ResourcePrivileges { resource, actions }
    }

    struct World(State);

    impl World {
        fn new() -> Self {
            let mut state = State::default();
            state.roles.insert("r".into(), Role::default());
            let user = User {
                password_hash: Name::new(),
                description: Name::new(),
                roles: Default::default(),
            };
            state.users.insert("root".into(), user);
            Self(state)
        }

        fn run(
            &mut self,
            operation: MemberOperation,
            privileges: &[ResourcePrivileges],
        ) -> Result<usize, Error> {
            let batch = Batch {
                role: "r".to_owned(),
                grantor: "root".to_owned(),
                operation,
                privileges: privileges.to_vec(),
            };
            let changes = Command::OperatePrivileges(batch).plan(&self.0, &Rules::default())?;
            for change in &changes {
                self.0.apply(change).unwrap();
            }
            Ok(changes.len())
        }

        fn grant(&mut self, privileges: &[ResourcePrivileges]) -> Result<usize, Error> {
            self.run(MemberOperation::Add, privileges)
        }

        fn revoke(&mut self, privileges: &[ResourcePrivileges]) -> Result<usize, Error> {
            self.run(MemberOperation::Remove, privileges)
        }

        fn held(&self) -> Vec<String> {
            let grants = self.0.roles["r"].grants.keys();
            grants
                .map(|g| {
                    format!("{} {}.{} {}", g.object_type.name(), g.database, g.object, g.privilege)
                })
                .collect()
        }
    }

    #[test]
    fn a_resource_matches_exactly_or_not_at_all() {
        let mut world = World::new();
        assert_eq!(world.grant(&[on(place("products", "*"), &["find", "update"])]), Ok(2));
        let before = world.held();
        assert_eq!(
            before,
            ["Collection products.* PrivilegeQuery", "Collection products.* PrivilegeUpsert"]
        );
        for narrower in [place("products", "gadgets"), place("*", "*"), place("other", "*")] {
            assert_eq!(world.revoke(&[on(narrower, &["find", "update"])]), Ok(0));
            assert_eq!(world.held(), before);
        }
        assert_eq!(world.revoke(&[on(place("products", "*"), &["find"])]), Ok(1));
        assert_eq!(world.held(), ["Collection products.* PrivilegeUpsert"]);
    }

    #[test]
    fn it_is_all_or_nothing_and_the_field_is_named() {
        let mut world = World::new();
        let good = on(place("products", "*"), &["find"]);
        for (bad, text) in [
            (
                on(place("products", "*"), &["find", "frobnicate"]),
                "privileges[1].actions[1]: `frobnicate` is no privilege",
            ),
            (
                on(place("products", "c"), &["createCollection"]),
                "privileges[1].actions[0]: collectionName should be *",
            ),
            (on(place("products", "*"), &[]), "privileges[1].actions is empty"),
            (on(place("a b", "*"), &["find"]), "privileges[1].resource: "),
            (on(place("d", "a-b"), &["find"]), "privileges[1].resource: "),
            (
                on(Resource::Cluster, &["find"]),
                "privileges[1].actions[0]: Query is nothing that is done to the cluster",
            ),
            (
                on(place("products", "*"), &["ListDatabases"]),
                "privileges[1].actions[0]: dbName and collectionName should be *",
            ),
        ] {
            let refused = world.grant(&[good.clone(), bad]).unwrap_err();
            assert!(refused.text().starts_with(text), "{text}: {refused}");
            assert_eq!(world.held(), [""; 0]);
        }
        let many = vec!["find"; MAX_ACTIONS + 1];
        let refused = world.grant(&[on(place("d", "*"), &many)]).unwrap_err();
        assert!(refused.text().starts_with("privileges: 10001 actions"), "{refused}");
    }

    #[test]
    fn what_is_named_twice_comes_and_goes_once() {
        let mut world = World::new();
        let twice = [on(place("d", "c"), &["find", "Query"]), on(place("d", "c"), &["Query"])];
        assert_eq!(world.grant(&twice), Ok(1));
        assert_eq!(world.grant(&twice), Ok(0));
        assert_eq!(world.revoke(&twice), Ok(1));
        assert_eq!(world.revoke(&twice), Ok(0));
    }

    #[test]
    fn groups_wildcards_and_the_whole_instance_can_be_named() {
        let mut world = World::new();
        let privileges = [
            on(Resource::Cluster, &["ClusterReadOnly", "ListDatabases"]),
            on(Resource::Any, &["All"]),
            on(place("d", "*"), &["DatabaseReadOnly", "*"]),
            on(place("d", "c"), &["Load"]),
        ];
        // Load brings two others along, as in Milvus.
        assert_eq!(world.grant(&privileges), Ok(8));
        assert_eq!(world.revoke(&privileges), Ok(8));
        assert_eq!(world.held(), [""; 0]);
    }

    #[test]
    fn a_group_with_the_name_of_an_action_decides_nothing() {
        let mut world = World::new();
        let query = [on(place("d", "*"), &["Query"])];
        assert_eq!(world.grant(&query), Ok(1));
        world.0.groups.insert("find".into(), Default::default());
        let find = [on(place("d", "*"), &["find"])];
        for refused in [world.revoke(&find), world.grant(&find)] {
            assert!(refused.unwrap_err().text().contains("say Query"));
        }
        assert_eq!(world.revoke(&query), Ok(1));
    }

    #[test]
    fn a_custom_group_of_the_clusters_level_is_held_on_the_cluster() {
        let mut world = World::new();
        let group = |name: &str, member: &str| Change::PutGroup {
            name: name.into(),
            group: crate::model::state::Group {
                privileges: [Name::from(member)].into_iter().collect(),
            },
        };
        world.0.apply(&group("g", "ListDatabases")).unwrap();
        world.0.apply(&group("h", "Query")).unwrap();
        let cluster = [on(Resource::Cluster, &["g"])];
        assert_eq!((world.grant(&cluster), world.revoke(&cluster)), (Ok(1), Ok(1)));
        assert!(world.grant(&[on(Resource::Cluster, &["h"])]).is_err());
    }

    #[test]
    fn every_name_of_mongodbs_is_that_of_a_privilege() {
        for (_, privilege) in ACTIONS {
            assert!(Privilege::named(privilege).is_some(), "{privilege}");
        }
    }
}
