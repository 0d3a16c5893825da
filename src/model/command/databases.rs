//! Databases.

use std::collections::BTreeMap;

use crate::model::error::{Error, ErrorKind};
use crate::model::name::{self, MAX_RECORD};
use crate::model::state::{Change, DEFAULT_DATABASE, Database, State};

/// The refusal of a request that names an unknown database.
pub fn no_database(name: &str) -> Error {
    Error::bare(ErrorKind::DatabaseNotFound, format_args!("[database={}]", name::shortened(name)))
}

pub(super) fn create(
    state: &State,
    name: &str,
    created: u64,
    properties: &BTreeMap<String, String>,
) -> Result<Vec<Change>, Error> {
    if state.databases.contains_key(name) {
        return Err(Error::invalid(format_args!("database already exist: {name}")));
    }
    // `default` does not count.
    if state.databases.len() > MAX_DATABASES {
        return Err(Error::bare(ErrorKind::DatabaseLimit, format_args!("[limit={MAX_DATABASES}]")));
    }
    // The time of creation serves as the id, as in Milvus; a clock that went back must not repeat
    // one.
    let newest = state.databases.values().map(|d| d.id).max().unwrap_or_default();
    let id = created.max(newest.saturating_add(1));
    check_size(properties)?;
    let database = Database { id, created, properties: properties.clone() };
    Ok(vec![Change::PutDatabase { name: name.into(), database }])
}

pub(super) fn alter(
    state: &State,
    name: &str,
    set: &BTreeMap<String, String>,
    unset: &[String],
) -> Result<Vec<Change>, Error> {
    let Some((name, current)) = state.databases.get_key_value(name) else {
        return Err(no_database(name));
    };
    let mut database = current.clone();
    database.properties.extend(set.clone());
    database.properties.retain(|key, _| !unset.contains(key));
    check_size(&database.properties)?;
    if database == *current {
        return Ok(Vec::new());
    }
    Ok(vec![Change::PutDatabase { name: name.clone(), database }])
}

pub(super) fn drop(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    if name == DEFAULT_DATABASE {
        return Err(Error::invalid("can not drop default database"));
    }
    let Some((name, _)) = state.databases.get_key_value(name) else {
        return Err(no_database(name));
    };
    Ok(vec![Change::DeleteDatabase { name: name.clone() }])
}

/// Most databases beside `default`.
const MAX_DATABASES: usize = 64;

fn check_size(properties: &BTreeMap<String, String>) -> Result<(), Error> {
    let bytes: usize = properties.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes <= MAX_RECORD {
        return Ok(());
    }
    Err(Error::invalid(format_args!(
        "the properties of a database take {bytes} bytes, more than {MAX_RECORD}"
    )))
}
