//! `MilvusService`, as far as it is served here.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};

use super::proto::common::{self, ErrorCode};
use super::proto::service::milvus_service_server::MilvusService;
use super::proto::service::*;
use super::status;
use super::{backup, databases, grants, groups, roles, system, users};
use crate::clock::Clock;
use crate::engine::{Engine, Order};
use crate::gate::{Aliases, Caller};
use crate::model::builtin::BuiltInGroups;
use crate::model::command::Command;
use crate::model::error::{Error, ErrorKind};
use crate::passwords::Passwords;

/// Answers the calls that the gate let through.
#[derive(Debug, Clone)]
pub struct Service {
    pub(super) engine: Engine,
    pub(super) passwords: Passwords,
    pub(super) groups: Arc<BuiltInGroups>,
    pub(super) clock: Arc<Clock>,
    pub(super) behind: Behind,
    /// Batches that may be under way while nobody waits for them.
    pub(super) unacknowledged: Arc<Semaphore>,
}

/// Each may have taken the largest message that is answered here.
const UNACKNOWLEDGED: usize = 16;

/// The Milvus behind the gate, where there is one.
#[derive(Debug, Clone, Default)]
pub struct Behind {
    /// Whether it answered when it was last asked.
    pub ready: Option<watch::Receiver<bool>>,
    /// Names of its collections, where grants cover aliases.
    pub aliases: Option<Arc<Aliases>>,
}

pub(super) type Answer<T> = Result<Response<T>, Status>;

impl Service {
    /// Puts the service together.
    pub fn new(
        engine: Engine,
        passwords: Passwords,
        groups: Arc<BuiltInGroups>,
        clock: Arc<Clock>,
        behind: Behind,
    ) -> Self {
        let unacknowledged = Arc::new(Semaphore::new(UNACKNOWLEDGED));
        Self { engine, passwords, groups, clock, behind, unacknowledged }
    }

    /// Executes a command whose form was checked. `legacy` is the error code that older clients
    /// know the call's failures by.
    pub(super) async fn change(
        &self,
        caller: &Caller,
        command: Result<Command, Error>,
        legacy: Option<ErrorCode>,
    ) -> Answer<common::Status> {
        let command = match command {
            Ok(command) => command,
            Err(e) => return reply(caller, status::refused(&e, None)?),
        };
        let order = Order { origin: caller.origin(), ..command.into() };
        match self.engine.execute(order).await {
            Ok(revision) => Ok(status::at(revision, common::Status::default())),
            // Refused on a state that may be newer than the one the call began with.
            Err(e) => {
                let revision = self.engine.snapshot().revision;
                Ok(status::at(revision, status::refused(&e, legacy)?))
            }
        }
    }
}

/// An answer from the snapshot that the call started with.
pub(super) fn reply<T>(caller: &Caller, message: T) -> Answer<T> {
    Ok(status::at(caller.snapshot().revision, message))
}

pub(super) fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    let (_, extensions, message) = request.into_parts();
    let caller = extensions.get::<Caller>().cloned().ok_or_else(status::unguarded)?;
    Ok((caller, message))
}

pub(super) fn not_supported(what: &str, method: &str) -> Result<common::Status, Status> {
    let text = format!("{method}: {what} are not supported");
    status::refused(&Error::verbatim(ErrorKind::NotSupported, text), None)
}

/// The service: methods that hand the opened request on; and methods that only say that they are
/// not supported, since some clients take a missing method for success.
macro_rules! milvus_service {
    (
        serve { $($method:ident($request:ty) -> $response:ty = $handler:path;)* }
        refuse { $($refused:ident($refused_request:ty) = $name:literal, $what:literal;)* }
        refuse_reading { $($read:ident($read_request:ty) -> $answer:ident = $read_name:literal, $read_what:literal;)* }
    ) => {
        #[tonic::async_trait]
        impl MilvusService for Service {
            $(
                async fn $method(&self, request: Request<$request>) -> Answer<$response> {
                    let (caller, message) = open(request)?;
                    $handler(self, &caller, message).await
                }
            )*
            $(
                async fn $refused(&self, request: Request<$refused_request>) -> Answer<common::Status> {
                    let (caller, _) = open(request)?;
                    reply(&caller, not_supported($what, $name)?)
                }
            )*
            $(
                async fn $read(&self, request: Request<$read_request>) -> Answer<$answer> {
                    let (caller, _) = open(request)?;
                    let status = Some(not_supported($read_what, $read_name)?);
                    reply(&caller, $answer { status, ..Default::default() })
                }
            )*
        }
    };
}

milvus_service! {
    serve {
        create_credential(CreateCredentialRequest) -> common::Status = users::create;
        update_credential(UpdateCredentialRequest) -> common::Status = users::update;
        delete_credential(DeleteCredentialRequest) -> common::Status = users::delete;
        list_cred_users(ListCredUsersRequest) -> ListCredUsersResponse = users::list;
        select_user(SelectUserRequest) -> SelectUserResponse = users::select;

        create_role(CreateRoleRequest) -> common::Status = roles::create;
        alter_role(AlterRoleRequest) -> common::Status = roles::alter;
        drop_role(DropRoleRequest) -> common::Status = roles::drop;
        operate_user_role(OperateUserRoleRequest) -> common::Status = roles::operate;
        select_role(SelectRoleRequest) -> SelectRoleResponse = roles::select;

        operate_privilege(OperatePrivilegeRequest) -> common::Status = grants::operate;
        operate_privilege_v2(OperatePrivilegeV2Request) -> common::Status = grants::operate_v2;
        select_grant(SelectGrantRequest) -> SelectGrantResponse = grants::select;

        create_privilege_group(CreatePrivilegeGroupRequest) -> common::Status = groups::create;
        drop_privilege_group(DropPrivilegeGroupRequest) -> common::Status = groups::drop;
        list_privilege_groups(ListPrivilegeGroupsRequest) -> ListPrivilegeGroupsResponse = groups::list;
        operate_privilege_group(OperatePrivilegeGroupRequest) -> common::Status = groups::operate;

        backup_rbac(BackupRbacMetaRequest) -> BackupRbacMetaResponse = backup::backup;
        restore_rbac(RestoreRbacMetaRequest) -> common::Status = backup::restore;

        connect(ConnectRequest) -> ConnectResponse = system::connect;
        get_version(GetVersionRequest) -> GetVersionResponse = system::version;
        check_health(CheckHealthRequest) -> CheckHealthResponse = system::health;
        get_component_states(GetComponentStatesRequest) -> ComponentStates = system::components;
        alloc_timestamp(AllocTimestampRequest) -> AllocTimestampResponse = system::timestamp;

        create_database(CreateDatabaseRequest) -> common::Status = databases::create;
        drop_database(DropDatabaseRequest) -> common::Status = databases::drop;
        alter_database(AlterDatabaseRequest) -> common::Status = databases::alter;
        list_databases(ListDatabasesRequest) -> ListDatabasesResponse = databases::list;
        describe_database(DescribeDatabaseRequest) -> DescribeDatabaseResponse = databases::describe;
        show_collections(ShowCollectionsRequest) -> ShowCollectionsResponse = databases::collections;
    }
    refuse {
        add_user_tags(AddUserTagsRequest) = "AddUserTags", "user tags";
        delete_user_tags(DeleteUserTagsRequest) = "DeleteUserTags", "user tags";
        create_row_policy(CreateRowPolicyRequest) = "CreateRowPolicy", "row policies";
        update_row_policy(UpdateRowPolicyRequest) = "UpdateRowPolicy", "row policies";
        drop_row_policy(DropRowPolicyRequest) = "DropRowPolicy", "row policies";
        set_rls_principal_tags(SetRlsPrincipalTagsRequest) = "SetRLSPrincipalTags", "row policies";
        delete_rls_principal_tags(DeleteRlsPrincipalTagsRequest) = "DeleteRLSPrincipalTags", "row policies";
    }
    refuse_reading {
        get_user_tags(GetUserTagsRequest) -> GetUserTagsResponse = "GetUserTags", "user tags";
        list_users_with_tag(ListUsersWithTagRequest) -> ListUsersWithTagResponse = "ListUsersWithTag", "user tags";
        list_row_policies(ListRowPoliciesRequest) -> ListRowPoliciesResponse = "ListRowPolicies", "row policies";
        get_rls_principal_tags(GetRlsPrincipalTagsRequest) -> GetRlsPrincipalTagsResponse = "GetRLSPrincipalTags", "row policies";
        list_rls_principals(ListRlsPrincipalsRequest) -> ListRlsPrincipalsResponse = "ListRLSPrincipals", "row policies";
    }
}
