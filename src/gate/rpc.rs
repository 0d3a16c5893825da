//! What a call would need, for those who ask without making it.

use super::methods::{self, Access, METHODS, Method};
use crate::authz::{Need, Object};
use crate::model::privilege::{ANY, Level, ObjectType};

/// A call that the gate knows.
#[derive(Debug, Clone, Copy)]
pub struct Rpc(&'static Method);

/// What such a call names; empty for nothing.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The database; `*` for all of them.
    pub database: &'a str,
    /// The collection.
    pub collection: &'a str,
    /// The user.
    pub user: &'a str,
}

impl Rpc {
    /// The call of that name, such as `Search`, or of that path, such as
    /// `/milvus.proto.milvus.MilvusService/Search`.
    pub fn named(name: &str) -> Option<Self> {
        let row = METHODS.iter().find(|row| row.name == name || row.path == name)?;
        methods::find(row.path).map(Self)
    }

    /// What a call that names these needs, as it is decided. One that concerns a role is taken for
    /// one about a role that the caller does not hold, one that moves something for one that moves
    /// it within its database.
    pub fn need<'a>(self, named: Named<'a>) -> Need<'a> {
        let Named { database, collection, user } = named;
        let requirement = match &self.0.access {
            Access::Privileged(requirement) => requirement,
            Access::Anywhere(privileges) => return Need::Anywhere(privileges),
            Access::Administrators => return Need::Administrators,
            Access::Authenticated => return Need::Authenticated,
        };
        let name = |name: &'a str| if requirement.names.is_empty() { "" } else { name };
        if requirement.only_if_named && name(collection).is_empty() {
            return Need::Authenticated;
        }
        let cluster = requirement.privilege.level() == Some(Level::Cluster);
        Need::Privilege {
            privilege: requirement.privilege,
            database: if cluster { ANY } else { database },
            object: object(requirement.object_type, name(collection), name(user)),
        }
    }
}

/// What a call acts on that names these; of a collection or a user, the empty name stands for all.
pub fn object<'a>(object_type: ObjectType, collection: &'a str, user: &'a str) -> Object<'a> {
    let or_any = |name: &'a str| if name.is_empty() { ANY } else { name };
    match object_type {
        ObjectType::Collection => Object::Collection(or_any(collection)),
        ObjectType::User => Object::User(or_any(user)),
        ObjectType::Global => {
            Object::Global { collection: Some(collection).filter(|name| !name.is_empty()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::privilege::Privilege;

    fn need(rpc: &str, collection: &'static str, user: &'static str) -> Need<'static> {
        Rpc::named(rpc).unwrap().need(Named { database: "db", collection, user })
    }

    #[test]
    fn calls_are_known_by_name_and_by_path() {
        let rpc = |name| Rpc::named(name).map(|rpc| rpc.0.row.path);
        let search = Some("/milvus.proto.milvus.MilvusService/Search");
        assert_eq!(rpc("Search"), search);
        assert_eq!(rpc("/milvus.proto.milvus.MilvusService/Search"), search);
        assert_eq!(rpc("WhoCan"), Some("/milvus_rbac.v1.AccessService/WhoCan"));
        for unknown in ["", "search", "MilvusService/Search", "/Search", "Search "] {
            assert_eq!(rpc(unknown), None, "{unknown}");
        }
        let mut names: Vec<_> = METHODS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len(), "a name stands for two calls");
    }

    #[test]
    fn every_class_becomes_a_need() {
        let on = |need: Need<'static>| match need {
            Need::Privilege { privilege, database, object } => (privilege.name(), database, object),
            other => panic!("{other:?}"),
        };
        let global = |collection| Object::Global { collection };
        assert_eq!(on(need("Search", "c", "u")), ("Search", "db", Object::Collection("c")));
        assert_eq!(on(need("Search", "", "")), ("Search", "db", Object::Collection("*")));
        assert_eq!(
            on(need("DescribeCollection", "c", "")),
            ("DescribeCollection", "db", global(Some("c")))
        );
        // Those name none, or what they name does not count.
        assert_eq!(on(need("CreateCollection", "c", "")), ("CreateCollection", "db", global(None)));
        assert_eq!(on(need("CreateRole", "c", "")), ("CreateOwnership", "*", global(None)));
        assert_eq!(on(need("SelectUser", "c", "u")), ("SelectUser", "*", Object::User("u")));
        assert_eq!(on(need("SelectUser", "", "")), ("SelectUser", "*", Object::User("*")));
        assert_eq!(on(need("WhoCan", "", "")), ("SelectOwnership", "*", global(None)));
        assert_eq!(on(need("RunAnalyzer", "c", "")), ("Search", "db", Object::Collection("c")));
        assert!(matches!(need("RunAnalyzer", "", ""), Need::Authenticated));
        assert!(matches!(need("Connect", "c", ""), Need::Authenticated));
        assert!(matches!(need("Dummy", "", ""), Need::Administrators));
        let import = [Privilege::named("Import").unwrap()];
        assert!(matches!(need("GetImportState", "", ""), Need::Anywhere(p) if *p == import));
    }
}
