//! What a new store starts with.

use std::collections::BTreeMap;

use crate::model::privilege::{self, ANY, stored_name};
use crate::model::state::{
    ADMIN, Change, DEFAULT_DATABASE, Database, Grant, Name, PUBLIC, ROOT, State,
};

pub(super) fn changes(state: &State, root_password_hash: &Name, created: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    if !state.users.contains_key(ROOT) {
        changes.push(Change::PutUser {
            name: ROOT.into(),
            password_hash: root_password_hash.clone(),
            description: "".into(),
        });
    }
    for role in [ADMIN, PUBLIC] {
        if !state.roles.contains_key(role) {
            changes.push(Change::PutRole { name: role.into(), description: "".into() });
        }
    }
    // Only once, unlike Milvus: what was revoked from `public` stays revoked after a restart.
    if !state.roles.contains_key(PUBLIC) {
        changes.extend(["DescribeCollection", "ListAliases", "IndexDetail"].map(|privilege| {
            Change::Grant {
                role: PUBLIC.into(),
                grant: Grant {
                    object_type: privilege::object_type_of(privilege),
                    database: ANY.into(),
                    object: ANY.into(),
                    privilege: stored_name(privilege).into(),
                },
                grantor: ROOT.into(),
            }
        }));
    }
    if !state.databases.contains_key(DEFAULT_DATABASE) {
        let database = Database { id: 1, created, properties: BTreeMap::new() };
        changes.push(Change::PutDatabase { name: DEFAULT_DATABASE.into(), database });
    }
    changes
}
