//! One way to send every request, and to look at every answer.

use std::fmt::Debug;
use std::mem;

use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::*;
use tonic::Response;

use crate::support::Client;

/// A request that knows its call.
pub(crate) trait Call: Debug {
    type Answer: Answer;

    async fn send(self, client: &Client) -> Result<Response<Self::Answer>, tonic::Status>;
}

/// An answer with a `Status` in it.
pub(crate) trait Answer: Debug + PartialEq + Default {
    fn take_status(&mut self) -> Status;

    /// Whether nothing but a status was in it.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Answer for Status {
    fn take_status(&mut self) -> Status {
        mem::take(self)
    }
}

macro_rules! answers {
    ($($answer:ident)*) => {$(
        impl Answer for $answer {
            fn take_status(&mut self) -> Status {
                self.status.take().unwrap()
            }
        }
    )*};
}

macro_rules! calls {
    ($($method:ident($request:ident) -> $answer:ident;)*) => {$(
        impl Call for $request {
            type Answer = $answer;

            async fn send(self, client: &Client) -> Result<Response<$answer>, tonic::Status> {
                client.clone().$method(self).await
            }
        }
    )*};
}

answers! {
    ListCredUsersResponse SelectUserResponse SelectRoleResponse SelectGrantResponse
    ListPrivilegeGroupsResponse BackupRbacMetaResponse ConnectResponse GetVersionResponse
    CheckHealthResponse ComponentStates AllocTimestampResponse ListDatabasesResponse
    DescribeDatabaseResponse ShowCollectionsResponse GetUserTagsResponse ListUsersWithTagResponse
    ListRowPoliciesResponse GetRlsPrincipalTagsResponse ListRlsPrincipalsResponse
}

calls! {
    create_credential(CreateCredentialRequest) -> Status;
    update_credential(UpdateCredentialRequest) -> Status;
    delete_credential(DeleteCredentialRequest) -> Status;
    list_cred_users(ListCredUsersRequest) -> ListCredUsersResponse;
    select_user(SelectUserRequest) -> SelectUserResponse;
    create_role(CreateRoleRequest) -> Status;
    alter_role(AlterRoleRequest) -> Status;
    drop_role(DropRoleRequest) -> Status;
    operate_user_role(OperateUserRoleRequest) -> Status;
    select_role(SelectRoleRequest) -> SelectRoleResponse;
    operate_privilege(OperatePrivilegeRequest) -> Status;
    operate_privilege_v2(OperatePrivilegeV2Request) -> Status;
    select_grant(SelectGrantRequest) -> SelectGrantResponse;
    create_privilege_group(CreatePrivilegeGroupRequest) -> Status;
    drop_privilege_group(DropPrivilegeGroupRequest) -> Status;
    list_privilege_groups(ListPrivilegeGroupsRequest) -> ListPrivilegeGroupsResponse;
    operate_privilege_group(OperatePrivilegeGroupRequest) -> Status;
    backup_rbac(BackupRbacMetaRequest) -> BackupRbacMetaResponse;
    restore_rbac(RestoreRbacMetaRequest) -> Status;
    connect(ConnectRequest) -> ConnectResponse;
    get_version(GetVersionRequest) -> GetVersionResponse;
    check_health(CheckHealthRequest) -> CheckHealthResponse;
    get_component_states(GetComponentStatesRequest) -> ComponentStates;
    alloc_timestamp(AllocTimestampRequest) -> AllocTimestampResponse;
    create_database(CreateDatabaseRequest) -> Status;
    drop_database(DropDatabaseRequest) -> Status;
    alter_database(AlterDatabaseRequest) -> Status;
    list_databases(ListDatabasesRequest) -> ListDatabasesResponse;
    describe_database(DescribeDatabaseRequest) -> DescribeDatabaseResponse;
    show_collections(ShowCollectionsRequest) -> ShowCollectionsResponse;
    add_user_tags(AddUserTagsRequest) -> Status;
    delete_user_tags(DeleteUserTagsRequest) -> Status;
    get_user_tags(GetUserTagsRequest) -> GetUserTagsResponse;
    list_users_with_tag(ListUsersWithTagRequest) -> ListUsersWithTagResponse;
    create_row_policy(CreateRowPolicyRequest) -> Status;
    update_row_policy(UpdateRowPolicyRequest) -> Status;
    drop_row_policy(DropRowPolicyRequest) -> Status;
    list_row_policies(ListRowPoliciesRequest) -> ListRowPoliciesResponse;
    set_rls_principal_tags(SetRlsPrincipalTagsRequest) -> Status;
    get_rls_principal_tags(GetRlsPrincipalTagsRequest) -> GetRlsPrincipalTagsResponse;
    list_rls_principals(ListRlsPrincipalsRequest) -> ListRlsPrincipalsResponse;
    delete_rls_principal_tags(DeleteRlsPrincipalTagsRequest) -> Status;
}
