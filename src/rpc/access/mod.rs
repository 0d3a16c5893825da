//! `milvus_rbac.v1.AccessService`: what is offered beside Milvus' own interface.

mod answers;
mod audit;
mod transact;
mod watch;

use std::sync::Arc;

use tokio::sync::{Semaphore, watch as latest};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::warn;

use super::proto::access::access_service_server::AccessService;
use super::proto::access::*;
use super::proto::common;
use super::service::{Answer, Service, open, reply};
use super::{grants, status};
use crate::engine::Engine;
use crate::gate::{Encoded, Gate};
use crate::model::name::shortened;
use crate::telemetry;

/// Answers from what `service` answers from.
#[derive(Debug)]
pub struct Access {
    service: Service,
    gate: Arc<Gate>,
    stopping: latest::Receiver<bool>,
    places: Arc<Semaphore>,
    answers: answers::Limits,
    listings: Arc<Semaphore>,
}

impl Access {
    /// Streams go on as long as `gate` admits them. Those that end by themselves may do so until the
    /// process is `stopping`; the others end with their connection.
    pub fn new(service: Service, gate: Arc<Gate>, stopping: latest::Receiver<bool>) -> Self {
        let places = Arc::new(Semaphore::new(watch::FOLLOWERS));
        let listings = Arc::new(Semaphore::new(audit::LISTINGS));
        let answers = answers::Limits::default();
        Self { service, gate, stopping, places, answers, listings }
    }

    fn engine(&self) -> &Engine {
        &self.service.engine
    }
}

#[tonic::async_trait]
impl AccessService for Access {
    async fn watch_changes(
        &self,
        request: Request<Streaming<WatchChangesRequest>>,
    ) -> Result<Response<BoxStream<WatchChangesResponse>>, Status> {
        watch::watch_changes(self, request).await
    }

    async fn move_grants(&self, request: Request<MoveGrantsRequest>) -> Answer<common::Status> {
        let (caller, request) = open(request)?;
        grants::follow_collection(&self.service, &caller, request).await
    }

    async fn check(&self, request: Request<CheckRequest>) -> Answer<CheckResponse> {
        let (caller, request) = open(request)?;
        answers::check(self, caller, request).await
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        let (caller, request) = open(request)?;
        answers::explain(self, caller, request).await
    }

    async fn who_can(&self, request: Request<WhoCanRequest>) -> Answer<BoxStream<WhoCanResponse>> {
        let (caller, request) = open(request)?;
        answers::who(self, caller, request).await
    }

    async fn what_can(
        &self,
        request: Request<WhatCanRequest>,
    ) -> Answer<BoxStream<WhatCanResponse>> {
        let (caller, request) = open(request)?;
        answers::what(self, caller, request).await
    }

    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<BoxStream<ListAuditEventsResponse>>, Status> {
        audit::list(self, request).await
    }

    async fn set_log_level(
        &self,
        request: Request<SetLogLevelRequest>,
    ) -> Answer<SetLogLevelResponse> {
        let (caller, SetLogLevelRequest { level }) = open(request)?;
        let before = telemetry::set_log_level(&level, |before| {
            let user = shortened(caller.user());
            warn!(user, before, level, "the log level is changed");
        });
        let before = before.map_err(|e| status::invalid(format!("level: {e}")))?;
        reply(&caller, SetLogLevelResponse { before })
    }

    async fn transact(&self, request: Request<TransactRequest>) -> Answer<TransactResponse> {
        let encoded = request.extensions().get::<Encoded>().cloned();
        let encoded = encoded.ok_or_else(status::unguarded)?;
        let (caller, request) = open(request)?;
        transact::transact(self, &caller, &encoded, request).await
    }

    async fn grant_privileges_to_role(
        &self,
        request: Request<RolePrivilegesRequest>,
    ) -> Answer<RolePrivilegesResponse> {
        self.service.grant_privileges(request).await
    }

    async fn revoke_privileges_from_role(
        &self,
        request: Request<RolePrivilegesRequest>,
    ) -> Answer<RolePrivilegesResponse> {
        self.service.revoke_privileges(request).await
    }
}
