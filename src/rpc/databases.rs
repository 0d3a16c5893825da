//! Databases, kept so that grants have something to be scoped to. There are no collections here.

use std::collections::BTreeMap;

use super::proto::common::{self, KeyValuePair};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::gate::Caller;
use crate::model::command::{self, Command};
use crate::model::error::{Error, ErrorKind};
use crate::model::name;

pub(super) async fn create(
    service: &Service,
    caller: &Caller,
    request: CreateDatabaseRequest,
) -> Answer<common::Status> {
    let name = request.db_name;
    let command = name::check_database(&name).map(|()| Command::CreateDatabase {
        name,
        created: service.clock.timestamp(),
        properties: properties(request.properties),
    });
    service.change(caller, command, None).await
}

pub(super) async fn alter(
    service: &Service,
    caller: &Caller,
    request: AlterDatabaseRequest,
) -> Answer<common::Status> {
    let name = caller.database_or_own(request.db_name);
    let (set, unset) = (properties(request.properties), request.delete_keys);
    service.change(caller, Ok(Command::AlterDatabase { name, set, unset }), None).await
}

pub(super) async fn drop(
    service: &Service,
    caller: &Caller,
    request: DropDatabaseRequest,
) -> Answer<common::Status> {
    let name = request.db_name;
    let command = name::check_database(&name).map(|()| Command::DropDatabase { name });
    service.change(caller, command, None).await
}

/// The properties of a request; of a key that comes twice the last counts.
fn properties(pairs: Vec<KeyValuePair>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|KeyValuePair { key, value }| (key, value)).collect()
}

pub(super) async fn list(
    _: &Service,
    caller: &Caller,
    _: ListDatabasesRequest,
) -> Answer<ListDatabasesResponse> {
    let visible = caller.visible_databases();
    let mut response = ListDatabasesResponse { status: status::ok(), ..Default::default() };
    for (name, database) in &caller.snapshot().state.databases {
        if visible.contains(name) {
            response.db_names.push(name.to_string());
            response.created_timestamp.push(database.created);
            response.db_ids.push(database.id.cast_signed());
        }
    }
    reply(caller, response)
}

pub(super) async fn describe(
    _: &Service,
    caller: &Caller,
    request: DescribeDatabaseRequest,
) -> Answer<DescribeDatabaseResponse> {
    let name = caller.database_or_own(request.db_name);
    let refuse = |error: Error| -> Answer<DescribeDatabaseResponse> {
        let status = Some(status::refused(&error, None)?);
        reply(caller, DescribeDatabaseResponse { status, ..Default::default() })
    };
    if !caller.visible_databases().contains(&name) {
        return refuse(Error::new(
            ErrorKind::NotPermitted,
            format_args!("not allowed to access database, db name: {}", name::shortened(&name)),
        ));
    }
    let Some(database) = caller.snapshot().state.databases.get(name.as_str()) else {
        return refuse(command::no_database(&name));
    };
    let properties = database.properties.iter();
    reply(
        caller,
        DescribeDatabaseResponse {
            status: status::ok(),
            db_id: database.id.cast_signed(),
            created_timestamp: database.created,
            properties: properties
                .map(|(key, value)| KeyValuePair { key: key.clone(), value: value.clone() })
                .collect(),
            db_name: name,
        },
    )
}

pub(super) async fn collections(
    _: &Service,
    caller: &Caller,
    _: ShowCollectionsRequest,
) -> Answer<ShowCollectionsResponse> {
    reply(caller, ShowCollectionsResponse { status: status::ok(), ..Default::default() })
}
