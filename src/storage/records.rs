//! Records on their way from one instance to another: many at once, as bytes that are made once for
//! all who take them. They are the message `Records` of `proto/access.proto`.

use bytes::Bytes;
use prost::Message;

use super::StoreError;
use super::codec::{self, Entry};
use crate::model::names::Names;
use crate::model::state::{Change, State};

/// From this size on no more records are put with others. Each stream keeps a buffer for the largest
/// message that it was told.
const CHUNK: usize = 8 << 10;
/// What a record takes beside its key and value, at most.
const FRAMING: usize = 16;

#[derive(Message)]
struct Records {
    #[prost(message, repeated, tag = "1")]
    records: Vec<Record>,
}

#[derive(Message)]
struct Record {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "2")]
    value: Option<Vec<u8>>,
}

/// The records of changes, in their order; none if they take more than so many bytes.
///
/// # Errors
/// A change has no record.
pub fn encode(changes: &[Change], most: usize) -> Result<Option<Bytes>, StoreError> {
    let mut chunk = Chunk::default();
    for change in changes {
        chunk.add(change)?;
        if chunk.bytes > most {
            return Ok(None);
        }
    }
    Ok(Some(chunk.take()))
}

/// All records of a state, in chunks, users and roles before what needs them.
///
/// # Errors
/// Something in it has no record.
pub fn encode_all(state: &State) -> Result<Vec<Bytes>, StoreError> {
    let mut chunks = Vec::new();
    let mut chunk = Chunk::default();
    for change in everything(state) {
        chunk.add(&change)?;
        if chunk.bytes >= CHUNK {
            chunks.push(chunk.take());
        }
    }
    // Even of nothing there is a last chunk.
    chunks.push(chunk.take());
    Ok(chunks)
}

/// The changes whose records these are.
///
/// # Errors
/// The bytes are not those of records that this version writes.
pub fn decode(records: &[u8], names: &mut Names) -> Result<Vec<Change>, StoreError> {
    let Records { records } =
        Records::decode(records).map_err(|e| StoreError::Damaged(e.to_string()))?;
    let change = |record: Record| match record.value {
        Some(value) => codec::decode(&record.key, &value, names),
        None => codec::decode_removal(&record.key, names),
    };
    records.into_iter().map(change).collect()
}

/// Records that go together.
#[derive(Default)]
struct Chunk {
    records: Vec<Record>,
    bytes: usize,
}

impl Chunk {
    fn add(&mut self, change: &Change) -> Result<(), StoreError> {
        let Entry { key, value } = codec::encode(change)?;
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len) + FRAMING;
        self.records.push(Record { key, value });
        Ok(())
    }

    fn take(&mut self) -> Bytes {
        let Self { records, .. } = std::mem::take(self);
        Records { records }.encode_to_vec().into()
    }
}

/// The changes that lead from nothing to a state.
pub fn everything(state: &State) -> impl Iterator<Item = Change> {
    let users = state.users.iter().map(|(name, user)| Change::PutUser {
        name: name.clone(),
        password_hash: user.password_hash.clone(),
        description: user.description.clone(),
    });
    let roles = state.roles.iter().map(|(name, role)| Change::PutRole {
        name: name.clone(),
        description: role.description.clone(),
    });
    let groups = state
        .groups
        .iter()
        .map(|(name, group)| Change::PutGroup { name: name.clone(), group: group.clone() });
    let databases = state.databases.iter().map(|(name, database)| Change::PutDatabase {
        name: name.clone(),
        database: database.clone(),
    });
    let bindings = state.users.iter().flat_map(|(user, bound)| {
        bound.roles.keys().map(|role| Change::Bind { user: user.clone(), role: role.clone() })
    });
    let grants = state.roles.iter().flat_map(|(name, role)| {
        role.grants.iter().map(|(grant, grantor)| Change::Grant {
            role: name.clone(),
            grant: grant.clone(),
            grantor: grantor.clone(),
        })
    });
    users.chain(roles).chain(groups).chain(databases).chain(bindings).chain(grants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load::Loader;
    use crate::model::privilege::ObjectType;
    use crate::model::state::{Database, Grant, Group, Name};

    /// One of each kind, and its removal.
    fn changes() -> [(Change, Change); 6] {
        let grant = Grant {
            object_type: ObjectType::Collection,
            database: "db".into(),
            object: "*".into(),
            privilege: "PrivilegeSearch".into(),
        };
        let (user, role, name) = ("u".into(), "r".into(), "n".into());
        let put_user = Change::PutUser {
            name: "u".into(),
            password_hash: "hash".into(),
            description: "what".into(),
        };
        let put_role = Change::PutRole { name: "r".into(), description: "".into() };
        let privileges = ["Search", "Query"].into_iter().map(Name::from).collect();
        let group = Group { privileges };
        let database = Database {
            id: 7,
            created: 8,
            properties: [("k".to_owned(), "v".to_owned())].into_iter().collect(),
        };
        [
            (put_user, Change::DeleteUser { name: "u".into() }),
            (put_role, Change::DeleteRole { name: "r".into() }),
            (Change::PutGroup { name, group }, Change::DeleteGroup { name: "n".into() }),
            (
                Change::PutDatabase { name: "d".into(), database },
                Change::DeleteDatabase { name: "d".into() },
            ),
            (Change::Bind { user, role }, Change::Unbind { user: "u".into(), role: "r".into() }),
            (
                Change::Grant { role: "r".into(), grant: grant.clone(), grantor: "root".into() },
                Change::Revoke { role: "r".into(), grant },
            ),
        ]
    }

    #[test]
    fn every_change_arrives_as_it_was_sent() {
        let all: Vec<Change> = changes().into_iter().flat_map(|(put, gone)| [put, gone]).collect();
        let bytes = encode(&all, usize::MAX).unwrap().unwrap();
        assert_eq!(decode(&bytes, &mut Names::default()).unwrap(), all);
        assert_eq!(encode(&all, bytes.len() / 2), Ok(None));
        assert!(decode(&bytes[..bytes.len() - 1], &mut Names::default()).is_err());
    }

    #[test]
    fn a_state_arrives_in_chunks_as_it_is() {
        let mut state = State::default();
        for (put, _) in changes() {
            state.apply(&put).unwrap();
        }
        for number in 0..10_000 {
            let grant = Grant {
                object_type: ObjectType::Collection,
                database: "db".into(),
                object: format!("collection_{number}").into(),
                privilege: "PrivilegeSearch".into(),
            };
            let change = Change::Grant { role: "r".into(), grant, grantor: "root".into() };
            state.apply(&change).unwrap();
        }
        let chunks = encode_all(&state).unwrap();
        assert!(chunks.len() > 1 && chunks.iter().all(|c| c.len() < 2 * CHUNK));
        let mut loader = Loader::default();
        for chunk in chunks {
            for change in decode(&chunk, &mut Names::default()).unwrap() {
                loader.add(change).unwrap();
            }
        }
        assert_eq!(loader.state(), state);
        assert_eq!(encode_all(&State::default()).unwrap().len(), 1);
    }
}
