//! Records as bytes, for stores of keys and values.
//!
//! A key is a tag and the names that identify the record, each after its length, so that no name
//! can look like two. A value is a format version and a protobuf message.

use std::collections::BTreeMap;

use prost::Message;

use super::StoreError;
use crate::model::names::Names;
use crate::model::privilege::ObjectType;
use crate::model::state::{Change, Database, Grant, Group};

/// The format of every value; a value of another one is refused.
const VERSION: u8 = 1;

/// The largest value. The rules of the model keep all records below.
const MAX_VALUE: usize = 8 << 10;

const USER: u8 = b'u';
const ROLE: u8 = b'r';
// Bindings and grants sort behind the users and roles that they need.
const BINDING: u8 = b'v';
const GRANT: u8 = b'w';
const GROUP: u8 = b'p';
const DATABASE: u8 = b'd';

/// The most parts of a key: those of a grant's.
const MAX_PARTS: usize = 5;

/// A record to be written or, without a value, removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which record.
    pub key: Vec<u8>,
    /// What it holds from now on.
    pub value: Option<Vec<u8>>,
}

#[derive(Message)]
struct UserRecord {
    #[prost(string, tag = "1")]
    password_hash: String,
    #[prost(string, tag = "2")]
    description: String,
}

#[derive(Message)]
struct RoleRecord {
    #[prost(string, tag = "1")]
    description: String,
}

#[derive(Message)]
struct BindingRecord {}

#[derive(Message)]
struct GrantRecord {
    #[prost(string, tag = "1")]
    grantor: String,
}

#[derive(Message)]
struct GroupRecord {
    #[prost(string, repeated, tag = "1")]
    privileges: Vec<String>,
}

#[derive(Message)]
struct DatabaseRecord {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    created: u64,
    #[prost(btree_map = "string, string", tag = "3")]
    properties: BTreeMap<String, String>,
}

fn key(tag: u8, parts: &[&str]) -> Result<Vec<u8>, StoreError> {
    let mut key = vec![tag];
    for part in parts {
        let length =
            u16::try_from(part.len()).map_err(|_| too_large(part.len(), usize::from(u16::MAX)))?;
        key.extend(length.to_be_bytes());
        key.extend(part.as_bytes());
    }
    Ok(key)
}

fn value(record: &impl Message) -> Result<Option<Vec<u8>>, StoreError> {
    let mut value = Vec::with_capacity(1 + record.encoded_len());
    value.push(VERSION);
    record.encode(&mut value).map_err(damaged)?;
    let length = value.len();
    if length > MAX_VALUE { Err(too_large(length, MAX_VALUE)) } else { Ok(Some(value)) }
}

fn too_large(length: usize, most: usize) -> StoreError {
    StoreError::TooLarge(format!("a record of {length} bytes, and {most} are the most"))
}

fn grant_key(role: &str, grant: &Grant) -> Result<Vec<u8>, StoreError> {
    let Grant { object_type, database, object, privilege } = grant;
    key(GRANT, &[role, object_type.name(), database, object, privilege])
}

/// The record that a change writes or removes.
///
/// # Errors
/// A name is longer than a key can hold, or the record larger than a value may be.
pub fn encode(change: &Change) -> Result<Entry, StoreError> {
    let (key, value) = match change {
        Change::PutUser { name, password_hash, description } => {
            let (password_hash, description) = (password_hash.to_string(), description.to_string());
            (key(USER, &[name])?, value(&UserRecord { password_hash, description })?)
        }
        Change::DeleteUser { name } => (key(USER, &[name])?, None),
        Change::PutRole { name, description } => {
            (key(ROLE, &[name])?, value(&RoleRecord { description: description.to_string() })?)
        }
        Change::DeleteRole { name } => (key(ROLE, &[name])?, None),
        Change::Bind { user, role } => (key(BINDING, &[user, role])?, value(&BindingRecord {})?),
        Change::Unbind { user, role } => (key(BINDING, &[user, role])?, None),
        Change::Grant { role, grant, grantor } => {
            (grant_key(role, grant)?, value(&GrantRecord { grantor: grantor.to_string() })?)
        }
        Change::Revoke { role, grant } => (grant_key(role, grant)?, None),
        Change::PutGroup { name, group } => {
            let privileges = group.privileges.iter().map(ToString::to_string).collect();
            (key(GROUP, &[name])?, value(&GroupRecord { privileges })?)
        }
        Change::DeleteGroup { name } => (key(GROUP, &[name])?, None),
        Change::PutDatabase { name, database } => {
            let Database { id, created, properties } = database.clone();
            (key(DATABASE, &[name])?, value(&DatabaseRecord { id, created, properties })?)
        }
        Change::DeleteDatabase { name } => (key(DATABASE, &[name])?, None),
    };
    Ok(Entry { key, value })
}

fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(what.to_string())
}

/// The change that wrote the record, its names out of the pool.
///
/// # Errors
/// The bytes are not those of a record that this version writes.
pub fn decode(key: &[u8], value: &[u8], names: &mut Names) -> Result<Change, StoreError> {
    let mut parts = [""; MAX_PARTS];
    let (tag, parts) = split_key(key, &mut parts)?;
    Ok(match (tag, parts) {
        (USER, [name]) => {
            let UserRecord { password_hash, description } = record(value)?;
            Change::PutUser {
                name: names.name(name),
                password_hash: password_hash.into(),
                description: names.name(&description),
            }
        }
        (ROLE, [name]) => {
            let RoleRecord { description } = record(value)?;
            Change::PutRole { name: names.name(name), description: names.name(&description) }
        }
        (BINDING, [user, role]) => {
            let BindingRecord {} = record(value)?;
            Change::Bind { user: names.name(user), role: names.name(role) }
        }
        (GRANT, [role, object_type, database, object, privilege]) => {
            let GrantRecord { grantor } = record(value)?;
            let grant = grant(object_type, [database, object, privilege], names)?;
            Change::Grant { role: names.name(role), grant, grantor: names.name(&grantor) }
        }
        (GROUP, [name]) => {
            let GroupRecord { privileges } = record(value)?;
            let privileges = privileges.iter().map(|name| names.name(name)).collect();
            Change::PutGroup { name: (*name).into(), group: Group { privileges } }
        }
        (DATABASE, [name]) => {
            let DatabaseRecord { id, created, properties } = record(value)?;
            let database = Database { id, created, properties };
            Change::PutDatabase { name: (*name).into(), database }
        }
        (tag, _) => return Err(damaged(format_args!("record of kind {tag:#04x}"))),
    })
}

/// The change that removed the record, its names out of the pool.
///
/// # Errors
/// The bytes are not the key of a record that this version writes.
pub fn decode_removal(key: &[u8], names: &mut Names) -> Result<Change, StoreError> {
    let mut parts = [""; MAX_PARTS];
    let (tag, parts) = split_key(key, &mut parts)?;
    Ok(match (tag, parts) {
        (USER, [name]) => Change::DeleteUser { name: names.name(name) },
        (ROLE, [name]) => Change::DeleteRole { name: names.name(name) },
        (BINDING, [user, role]) => {
            Change::Unbind { user: names.name(user), role: names.name(role) }
        }
        (GRANT, [role, object_type, database, object, privilege]) => {
            let grant = grant(object_type, [database, object, privilege], names)?;
            Change::Revoke { role: names.name(role), grant }
        }
        (GROUP, [name]) => Change::DeleteGroup { name: (*name).into() },
        (DATABASE, [name]) => Change::DeleteDatabase { name: (*name).into() },
        (tag, _) => return Err(damaged(format_args!("record of kind {tag:#04x}"))),
    })
}

fn grant(
    object_type: &str,
    [database, object, privilege]: [&str; 3],
    names: &mut Names,
) -> Result<Grant, StoreError> {
    let object_type = ObjectType::named(object_type)
        .ok_or_else(|| damaged(format_args!("object type `{object_type}`")))?;
    let [database, object, privilege] = [database, object, privilege].map(|name| names.name(name));
    Ok(Grant { object_type, database, object, privilege })
}

fn record<M: Message + Default>(value: &[u8]) -> Result<M, StoreError> {
    match value.split_first() {
        Some((&VERSION, bytes)) => M::decode(bytes).map_err(damaged),
        Some((version, _)) => Err(damaged(format_args!("record format {version}"))),
        None => Err(damaged("empty record")),
    }
}

fn split_key<'p, 'k>(
    key: &'k [u8],
    parts: &'p mut [&'k str; MAX_PARTS],
) -> Result<(u8, &'p [&'k str]), StoreError> {
    let cut = || damaged(format_args!("key {key:02x?}"));
    let (&tag, mut rest) = key.split_first().ok_or_else(cut)?;
    let mut count = 0;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (text, tail) =
            tail.split_at_checked(u16::from_be_bytes(*length).into()).ok_or_else(cut)?;
        *parts.get_mut(count).ok_or_else(cut)? = std::str::from_utf8(text).map_err(|_| cut())?;
        count += 1;
        rest = tail;
    }
    if rest.is_empty() { Ok((tag, parts.get(..count).unwrap_or_default())) } else { Err(cut()) }
}
