//! GrantPrivilegesToRole and RevokePrivilegesFromRole: several privileges as one change.

use std::time::Duration;

use tonic::Request;
use tracing::warn;

use super::proto::access::resource::Resource as Named;
use super::proto::access::{Place, RolePrivileges, RolePrivilegesRequest, RolePrivilegesResponse};
use super::service::{Answer, Service, open, reply};
use super::status;
use crate::engine::Order;
use crate::gate::Caller;
use crate::model::command::{
    Batch, Command, MemberOperation, Resource, ResourcePrivileges, privilege_of,
};
use crate::model::error::{Error, ErrorKind};
use crate::model::privilege::{ANY, stored_name};
use crate::model::state::Role;
use crate::telemetry::{Shed, in_call};

/// The most resources in a batch: aliases among them are looked up one by one.
const MAX_RESOURCES: usize = 1_000;
/// The longest comment.
const MAX_COMMENT: usize = 1_024;

impl Service {
    /// Grants all of it, or nothing.
    ///
    /// # Errors
    /// The call did not pass the gate, or the server takes no more changes.
    pub async fn grant_privileges(
        &self,
        request: Request<RolePrivilegesRequest>,
    ) -> Answer<RolePrivilegesResponse> {
        operate(self, request, MemberOperation::Add).await
    }

    /// Revokes all of it, or nothing. What was not granted on just this resource stays.
    ///
    /// # Errors
    /// As for [`Service::grant_privileges`].
    pub async fn revoke_privileges(
        &self,
        request: Request<RolePrivilegesRequest>,
    ) -> Answer<RolePrivilegesResponse> {
        operate(self, request, MemberOperation::Remove).await
    }
}

async fn operate(
    service: &Service,
    request: Request<RolePrivilegesRequest>,
    operation: MemberOperation,
) -> Answer<RolePrivilegesResponse> {
    let (caller, request) = open(request)?;
    let RolePrivilegesRequest { role, privileges, unacknowledged, timeout_ms, comment } = request;
    let batch = batch(&caller, role, operation, privileges);
    let order = match batch.and_then(|batch| check_comment(&comment).map(|()| batch)) {
        Ok(mut batch) => {
            resolve_aliases(service, &caller, &mut batch).await;
            let mut origin = caller.origin();
            origin.comment = comment;
            Order { origin, ..Command::OperatePrivileges(batch).into() }
        }
        Err(e) => {
            let status = Some(status::refused(&e, None)?);
            return reply(&caller, RolePrivilegesResponse { status, ..Default::default() });
        }
    };
    if unacknowledged {
        let place = service.unacknowledged.clone().try_acquire_owned().map_err(|_| {
            status::overloaded(
                Shed::Batches,
                "too many batches that nobody waits for, try again later",
            )
        })?;
        let engine = service.engine.clone();
        tokio::spawn(in_call(async move {
            let _place = place;
            if let Err(e) = engine.carry_out(order).await {
                warn!(error = %e, "a batch that nobody waits for was not stored");
            }
        }));
        return reply(&caller, RolePrivilegesResponse::default());
    }
    let limit =
        if timeout_ms == 0 { Duration::MAX } else { Duration::from_millis(timeout_ms.into()) };
    let done = tokio::time::timeout(limit, service.engine.carry_out(order)).await;
    let done = done.unwrap_or_else(|_| {
        let text =
            format!("it took longer than {timeout_ms} ms; whether it is stored is not known");
        Err(Error::verbatim(ErrorKind::Unavailable, text))
    });
    let revision = service.engine.snapshot().revision;
    let response = match done {
        Ok(done) => RolePrivilegesResponse {
            status: status::ok(),
            modified: done.changes as u64,
            revision: done.revision,
        },
        Err(e) => {
            let status = Some(status::refused(&e, None)?);
            RolePrivilegesResponse { status, modified: 0, revision }
        }
    };
    Ok(status::at(response.revision, response))
}

fn check_comment(comment: &str) -> Result<(), Error> {
    if comment.len() > MAX_COMMENT {
        return Err(Error::invalid(format_args!("comment: it is longer than {MAX_COMMENT} bytes")));
    }
    Ok(())
}

fn batch(
    caller: &Caller,
    role: String,
    operation: MemberOperation,
    privileges: Vec<RolePrivileges>,
) -> Result<Batch, Error> {
    if privileges.len() > MAX_RESOURCES {
        return Err(Error::invalid(format_args!(
            "privileges: {} resources, and {MAX_RESOURCES} are the most",
            privileges.len()
        )));
    }
    let privileges = privileges.into_iter().enumerate().map(|(index, privileges)| {
        let RolePrivileges { resource, actions } = privileges;
        let resource = match resource.and_then(|resource| resource.resource) {
            Some(Named::Place(Place { db, collection })) => {
                let any = |name: String| if name.is_empty() { ANY.to_owned() } else { name };
                Resource::Place { database: any(db), collection: any(collection) }
            }
            Some(Named::Cluster(true)) => Resource::Cluster,
            Some(Named::AnyResource(true)) => Resource::Any,
            Some(Named::Cluster(false) | Named::AnyResource(false)) | None => {
                let text = format_args!("privileges[{index}].resource: it names nothing");
                return Err(Error::invalid(text));
            }
        };
        Ok(ResourcePrivileges { resource, actions })
    });
    let privileges = privileges.collect::<Result<_, _>>()?;
    let batch = Batch { role, grantor: caller.user().to_owned(), operation, privileges };
    batch.check_size().map(|()| batch)
}

/// As in a single grant: a collection is meant by its aliases too, but for what is stored under
/// that very name.
async fn resolve_aliases(service: &Service, caller: &Caller, batch: &mut Batch) {
    let Some(aliases) = &service.behind.aliases else { return };
    let state = &caller.snapshot().state;
    let role = state.roles.get(batch.role.as_str());
    for ResourcePrivileges { resource, actions } in &mut batch.privileges {
        let Resource::Place { database, collection } = resource else { continue };
        if database == ANY || collection == ANY {
            continue;
        }
        let mut names = actions.iter().filter_map(|action| privilege_of(state, action).ok());
        let held = |role: &Role| {
            names.any(|n| role.held_at(database, collection, &stored_name(n)).next().is_some())
        };
        let revoke = batch.operation == MemberOperation::Remove;
        if !(revoke && role.is_some_and(held)) {
            *collection = aliases.resolve(database, collection).await.to_string();
        }
    }
}
