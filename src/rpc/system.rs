//! Connect, GetVersion, CheckHealth, GetComponentStates, AllocTimestamp.

use super::proto::common::{ServerInfo, StateCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::engine::Health;
use crate::gate::Caller;
use crate::model::command;

/// The Milvus line whose behaviour is served, and who serves it. Clients read the numbers.
const VERSION: &str = concat!("v3.0.0+milvus-rbac-", env!("CARGO_PKG_VERSION"));

pub(super) async fn connect(
    service: &Service,
    caller: &Caller,
    _: ConnectRequest,
) -> Answer<ConnectResponse> {
    let database = caller.database();
    // As a sidecar it is asked only while the Milvus that knows the databases does not answer.
    let alone = service.behind.ready.is_none();
    if alone && !caller.snapshot().state.databases.contains_key(database) {
        let mut status = status::refused(&command::no_database(database), None)?;
        status::mark_input_error(&mut status);
        return reply(caller, ConnectResponse { status: Some(status), ..Default::default() });
    }
    let info = ServerInfo {
        build_tags: VERSION.to_owned(),
        deploy_mode: "STANDALONE".to_owned(),
        ..ServerInfo::default()
    };
    reply(
        caller,
        ConnectResponse {
            status: status::ok(),
            server_info: Some(info),
            identifier: service.clock.timestamp().cast_signed(),
        },
    )
}

pub(super) async fn version(
    _: &Service,
    caller: &Caller,
    _: GetVersionRequest,
) -> Answer<GetVersionResponse> {
    reply(caller, GetVersionResponse { status: status::ok(), version: VERSION.to_owned() })
}

pub(super) async fn health(
    service: &Service,
    caller: &Caller,
    _: CheckHealthRequest,
) -> Answer<CheckHealthResponse> {
    let mut reasons = match service.engine.health() {
        Health::Healthy => Vec::new(),
        Health::StoreFailed => vec!["the store failed: changes are refused".to_owned()],
        Health::StoreSilent => vec!["the store does not answer".to_owned()],
        Health::Behind => vec!["what others change in the store is not heard of".to_owned()],
        Health::Stopped => vec!["the server is stopping".to_owned()],
    };
    if service.behind.ready.is_some() {
        reasons.push("the upstream Milvus does not answer".to_owned());
    }
    let response = CheckHealthResponse {
        status: status::ok(),
        is_healthy: reasons.is_empty(),
        reasons,
        quota_states: Vec::new(),
    };
    reply(caller, response)
}

pub(super) async fn components(
    service: &Service,
    caller: &Caller,
    _: GetComponentStatesRequest,
) -> Answer<ComponentStates> {
    let state = match service.engine.health() {
        Health::Healthy => StateCode::Healthy,
        Health::StoreFailed | Health::StoreSilent | Health::Behind => StateCode::Abnormal,
        Health::Stopped => StateCode::Stopping,
    };
    let info = ComponentInfo {
        role: env!("CARGO_PKG_NAME").to_owned(),
        state_code: state.into(),
        ..ComponentInfo::default()
    };
    let response = ComponentStates {
        state: Some(info),
        subcomponent_states: Vec::new(),
        status: status::ok(),
    };
    reply(caller, response)
}

pub(super) async fn timestamp(
    service: &Service,
    caller: &Caller,
    _: AllocTimestampRequest,
) -> Answer<AllocTimestampResponse> {
    let timestamp = service.clock.timestamp();
    reply(caller, AllocTimestampResponse { status: status::ok(), timestamp })
}
