//! The state that is measured: every part of it follows from its number, so nothing is kept.

use milvus_rbac::model::builtin::BuiltInGroups;
use milvus_rbac::model::command::{Command, Rules};
use milvus_rbac::model::privilege::{ANY, ObjectType};
use milvus_rbac::model::state::{Change, Grant, Group, Name, State};

/// How much there is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) grants: usize,
    pub(crate) roles: usize,
    pub(crate) users: usize,
}

impl Size {
    pub(crate) fn of(grants: usize) -> Self {
        Self { grants, roles: grants / 50, users: grants / 10 }
    }
}

const COLLECTIONS: usize = 50_000;
const DATABASES: usize = 64;
const ROLES_OF_A_USER: usize = 3;

/// Privileges of a collection's own type.
pub(crate) const PRIVILEGES: [&str; 16] = [
    "Search",
    "Query",
    "Insert",
    "Delete",
    "Upsert",
    "Load",
    "Release",
    "Flush",
    "Compaction",
    "CreateIndex",
    "DropIndex",
    "IndexDetail",
    "GetStatistics",
    "Import",
    "LoadBalance",
    "CreatePartition",
];

/// Without limits.
pub(crate) fn rules() -> Rules {
    Rules { max_users: 0, max_roles: 0, groups: BuiltInGroups::default() }
}

/// A number that looks random and follows from these two.
pub(crate) fn mixed(a: usize, b: usize) -> usize {
    let mut x = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (b as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((x ^ (x >> 31)) >> 1).unwrap()
}

pub(crate) fn user(index: usize) -> String {
    format!("user_{index:06}")
}

pub(crate) fn role(index: usize) -> String {
    format!("role_{index:05}")
}

pub(crate) fn collection(index: usize) -> String {
    format!("collection_{index:05}")
}

/// The database that a collection is in.
pub(crate) fn database(collection: usize) -> String {
    format!("database_{:02}", collection % DATABASES)
}

pub(crate) fn random_collection(seed: usize) -> usize {
    mixed(seed, 7) % COLLECTIONS
}

/// What a role's nth grant is: the collection, its privilege, and how much of it is `*`.
pub(crate) struct Drawn {
    pub(crate) collection: usize,
    pub(crate) privilege: &'static str,
    wide: usize,
}

impl Drawn {
    pub(crate) fn new(role: usize, index: usize) -> Self {
        let drawn = mixed(role, index);
        let collection = drawn % COLLECTIONS;
        let privilege = PRIVILEGES[(drawn >> 20) % PRIVILEGES.len()];
        Self { collection, privilege, wide: (drawn >> 30) % 1000 }
    }

    /// 2 % are on all collections of a database, 2 in 1,000 on all of all.
    pub(crate) fn grant(&self) -> Grant {
        let (database, object) = match self.wide {
            0..2 => (ANY.into(), ANY.into()),
            2..22 => (database(self.collection), ANY.into()),
            _ => (database(self.collection), collection(self.collection)),
        };
        grant(&database, &object, self.privilege)
    }
}

pub(crate) fn grant(database: &str, object: &str, privilege: &str) -> Grant {
    Grant {
        object_type: ObjectType::Collection,
        database: database.into(),
        object: object.into(),
        privilege: format!("Privilege{privilege}").as_str().into(),
    }
}

pub(crate) fn role_of(size: Size, user: usize, nth: usize) -> usize {
    mixed(user + 1_000_000, nth) % size.roles
}

/// What leads from nothing to a state of that size, in portions that a store takes well.
pub(crate) fn changes(size: Size) -> impl Iterator<Item = Vec<Change>> {
    let seed = Command::Seed { root_password_hash: hash().as_str().into(), created: 1 };
    let first = seed.plan(&State::default(), &rules()).unwrap();
    let privileges = ["Search", "Query"].into_iter().map(Name::from).collect();
    let group = Change::PutGroup { name: "readers".into(), group: Group { privileges } };
    let roles = (0..size.roles).step_by(200).map(move |from| {
        let roles = from..(from + 200).min(size.roles);
        roles.flat_map(|index| grants_of(size, index)).collect()
    });
    let users = (0..size.users).step_by(5_000).map(move |from| {
        let users = from..(from + 5_000).min(size.users);
        users.flat_map(|index| user_and_roles(size, index)).collect()
    });
    std::iter::once([first, vec![group]].concat()).chain(roles).chain(users)
}

fn grants_of(size: Size, index: usize) -> Vec<Change> {
    let name = role(index);
    let mut changes = vec![Change::PutRole { name: name.as_str().into(), description: "".into() }];
    changes.extend((0..size.grants / size.roles).map(|nth| Change::Grant {
        role: name.as_str().into(),
        grant: Drawn::new(index, nth).grant(),
        grantor: "root".into(),
    }));
    changes
}

fn user_and_roles(size: Size, index: usize) -> Vec<Change> {
    let name = user(index);
    let mut changes = vec![Change::PutUser {
        name: name.as_str().into(),
        password_hash: hash().as_str().into(),
        description: "".into(),
    }];
    changes.extend((0..ROLES_OF_A_USER).map(|nth| Change::Bind {
        user: name.as_str().into(),
        role: role(role_of(size, index, nth)).as_str().into(),
    }));
    changes
}

/// Of the length and form of bcrypt's.
fn hash() -> String {
    format!("$2b$10${}", "a".repeat(53))
}
