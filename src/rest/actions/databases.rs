//! `/databases/*`.

use serde_json::json;

use super::{Answered, ask, change};
use crate::rest::body::Body;
use crate::rest::call::Call;
use crate::rest::envelope::{Answer, check};
use crate::rpc::proto::common::KeyValuePair;
use crate::rpc::proto::service::milvus_service_server::MilvusService as _;
use crate::rpc::proto::service::*;

fn name(body: &Body) -> String {
    body.text("dbName").to_owned()
}

fn properties(body: &Body) -> Vec<KeyValuePair> {
    let pairs = body.pairs("properties").into_iter();
    pairs.map(|(key, value)| KeyValuePair { key, value }).collect()
}

pub(super) async fn list(call: &Call<'_>) -> Answered {
    let (databases, _) =
        ask!(call, "ListDatabases", list_databases, ListDatabasesRequest::default())?;
    check(databases.status)?;
    Ok(Answer::data(json!(databases.db_names)))
}

pub(super) async fn describe(call: &Call<'_>, body: &Body) -> Answered {
    let request = DescribeDatabaseRequest { db_name: name(body), ..Default::default() };
    let (database, _) = ask!(call, "DescribeDatabase", describe_database, request)?;
    check(database.status)?;
    let pair = |KeyValuePair { key, value }| json!({"key": key, "value": value});
    let properties: Vec<_> = database.properties.into_iter().map(pair).collect();
    Ok(Answer::data(json!({
        "dbID": database.db_id,
        "dbName": database.db_name,
        "properties": properties,
    })))
}

pub(super) async fn create(call: &Call<'_>, body: &Body) -> Answered {
    let request = CreateDatabaseRequest {
        db_name: name(body),
        properties: properties(body),
        ..Default::default()
    };
    change!(call, "CreateDatabase", create_database, request)
}

pub(super) async fn alter(call: &Call<'_>, body: &Body) -> Answered {
    let request = AlterDatabaseRequest {
        db_name: name(body),
        properties: properties(body),
        ..Default::default()
    };
    change!(call, "AlterDatabase", alter_database, request)
}

pub(super) async fn drop_properties(call: &Call<'_>, body: &Body) -> Answered {
    let request = AlterDatabaseRequest {
        db_name: name(body),
        delete_keys: body.texts("propertyKeys"),
        ..Default::default()
    };
    change!(call, "AlterDatabase", alter_database, request)
}

pub(super) async fn drop(call: &Call<'_>, body: &Body) -> Answered {
    let request = DropDatabaseRequest { db_name: name(body), ..Default::default() };
    change!(call, "DropDatabase", drop_database, request)
}
