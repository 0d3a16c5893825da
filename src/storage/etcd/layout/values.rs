//! What values say.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::{Map, Value};

use crate::model::state::{Database, Group, Name};
use crate::storage::{BatchId, Revision, StoreError};

/// The format of our own records.
const FORMAT: u64 = 1;

/// The last commit, and which store this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage::etcd) struct Head {
    pub(in crate::storage::etcd) store_id: u128,
    pub(in crate::storage::etcd) revision: Revision,
    /// None until there is a commit.
    pub(in crate::storage::etcd) batch: Option<BatchId>,
    /// The last commit that all instances are to tell of; 0 where there is none.
    pub(in crate::storage::etcd) strict: Revision,
}

/// A user as Milvus keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Credential {
    pub(super) password_hash: Name,
    pub(super) description: Name,
    /// When it was written: Milvus takes no update that is not newer.
    pub(super) time_tick: u64,
}

#[derive(Message)]
struct PrivilegeGroupInfo {
    #[prost(string, tag = "1")]
    group_name: String,
    #[prost(message, repeated, tag = "2")]
    privileges: Vec<PrivilegeEntity>,
}

#[derive(Message)]
struct PrivilegeEntity {
    #[prost(string, tag = "1")]
    name: String,
}

impl Head {
    pub(in crate::storage::etcd) fn encode(&self) -> Vec<u8> {
        let mut fields = vec![
            ("store_id", format!("{:032x}", self.store_id).into()),
            ("revision", self.revision.into()),
            ("format", FORMAT.into()),
        ];
        fields.extend(self.batch.map(|batch| ("batch", format!("{batch:032x}").into())));
        fields.extend((self.strict > 0).then(|| ("strict", self.strict.into())));
        object(fields)
    }

    pub(in crate::storage::etcd) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        let fields = ours(value, "the record of the last commit")?;
        let number = |name: &str| {
            let id = fields.get(name).and_then(Value::as_str);
            id.and_then(|id| u128::from_str_radix(id, 16).ok())
        };
        let damaged = || StoreError::Damaged(format!("the last commit is {fields:?}"));
        match fields.get("format").and_then(Value::as_u64) {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(StoreError::Damaged(format!(
                    "its format is {other}, of another version of milvus-rbac: run that one"
                )));
            }
            None => return Err(damaged()),
        }
        let revision = fields.get("revision").and_then(Value::as_u64).ok_or_else(damaged)?;
        let (store_id, batch) = (number("store_id").ok_or_else(damaged)?, number("batch"));
        if batch.is_none() && (revision > 0 || fields.contains_key("batch")) {
            return Err(damaged());
        }
        let strict = fields.get("strict").map_or(Some(0), Value::as_u64);
        let strict = strict.filter(|strict| *strict <= revision).ok_or_else(damaged)?;
        Ok(Self { store_id, revision, batch, strict })
    }
}

impl Credential {
    /// The form of the newest Milvus, the fields in its order.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { password_hash, description, time_tick } = self;
        let mut fields = Vec::new();
        if !password_hash.is_empty() {
            fields.push(("encrypted_password", password_hash.as_str().into()));
        }
        if *time_tick > 0 {
            fields.push(("time_tick", (*time_tick).into()));
        }
        if !description.is_empty() {
            fields.push(("description", description.as_str().into()));
        }
        object(fields)
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let fields = fields(value)?;
        Some(Self {
            password_hash: text(&fields, "encrypted_password")?,
            description: text(&fields, "description")?,
            time_tick: match fields.get("time_tick") {
                None | Some(Value::Null) => 0,
                Some(tick) => tick.as_u64()?,
            },
        })
    }
}

pub(super) fn encode_role(description: &str) -> Vec<u8> {
    object(vec![("description", description.into())])
}

/// The description of a role. Older ones have no value at all.
pub(super) fn decode_role(value: &[u8]) -> Option<Name> {
    if value.is_empty() { Some(Name::new()) } else { text(&fields(value)?, "description") }
}

pub(super) fn encode_group(name: &str, group: &Group) -> Vec<u8> {
    let entity = |name: &Name| PrivilegeEntity { name: name.to_string() };
    let privileges = group.privileges.iter().map(entity).collect();
    PrivilegeGroupInfo { group_name: name.to_owned(), privileges }.encode_to_vec()
}

pub(super) fn decode_group(value: &[u8]) -> Option<Group> {
    let PrivilegeGroupInfo { privileges, .. } = PrivilegeGroupInfo::decode(value).ok()?;
    Some(Group { privileges: privileges.into_iter().map(|p| Name::from(p.name)).collect() })
}

pub(super) fn encode_database(database: &Database) -> Vec<u8> {
    let Database { id, created, properties } = database;
    let properties = properties.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
    object(vec![
        ("id", (*id).into()),
        ("created", (*created).into()),
        ("properties", Value::Object(properties.collect())),
    ])
}

/// Databases are ours alone: one that cannot be read is damaged.
pub(super) fn decode_database(name: &str, value: &[u8]) -> Result<Database, StoreError> {
    let fields = ours(value, name)?;
    let read = || {
        let number = |name: &str| fields.get(name).and_then(Value::as_u64);
        let mut properties = BTreeMap::new();
        for (key, value) in fields.get("properties")?.as_object()? {
            properties.insert(key.clone(), value.as_str()?.to_owned());
        }
        Some(Database { id: number("id")?, created: number("created")?, properties })
    };
    read().ok_or_else(|| StoreError::Damaged(format!("the record of database `{name}`")))
}

/// What an instance has in force.
pub(in crate::storage::etcd) fn encode_instance(in_force: Revision) -> Vec<u8> {
    object(vec![("in_force", in_force.into())])
}

pub(super) fn decode_instance(value: &[u8]) -> Option<Revision> {
    fields(value)?.get("in_force").and_then(Value::as_u64)
}

/// The fields of an object, in the order given.
fn object(fields: Vec<(&str, Value)>) -> Vec<u8> {
    let fields = fields.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(",")).into_bytes()
}

fn fields(value: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(value) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

fn ours(value: &[u8], what: &str) -> Result<Map<String, Value>, StoreError> {
    fields(value).ok_or_else(|| StoreError::Damaged(format!("{what} is no JSON object")))
}

/// A text field as Go reads it: what is not there is empty.
fn text(fields: &Map<String, Value>, name: &str) -> Option<Name> {
    match fields.get(name) {
        None | Some(Value::Null) => Some(Name::new()),
        Some(Value::String(text)) => Some(text.as_str().into()),
        Some(_) => None,
    }
}
