//! The routes of Milvus' REST v2 that are served here: their bodies and what answers them. The
//! table serves the requests and makes the OpenAPI document, so the two cannot differ.

use Kind::{Any, Object, Objects, Text, Texts};

/// All routes stand below this path.
pub(super) const BASE: &str = "/v2/vectordb";

/// The path of a gRPC call.
macro_rules! method {
    ($name:literal) => {
        concat!("/milvus.proto.milvus.MilvusService/", $name)
    };
}
pub(super) use method;

/// A route; all are `POST`.
#[derive(Debug)]
pub(super) struct Route {
    /// The path below [`BASE`].
    pub(super) path: &'static str,
    /// What it does, in a few words.
    pub(super) summary: &'static str,
    /// The name of the body in Milvus' errors.
    pub(super) body: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) action: Action,
}

/// A key of a body.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// An object of simple values.
    Object,
    /// A list of objects.
    Objects,
    /// Whatever it likes.
    Any,
}

/// What answers a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    ListUsers,
    DescribeUser,
    CreateUser,
    UpdatePassword,
    DropUser,
    BindRole(bool),
    ListRoles,
    DescribeRole,
    CreateRole,
    AlterRole,
    DropRole,
    OperatePrivilege(bool),
    OperatePrivilegeV2(bool),
    /// Its body and its answer are MongoDB's.
    RunCommand,
    CreateGroup,
    DropGroup,
    ListGroups,
    OperateGroup(bool),
    ListDatabases,
    DescribeDatabase,
    CreateDatabase,
    AlterDatabase,
    DropDatabaseProperties,
    DropDatabase,
}

impl Action {
    /// The path of the gRPC call that a Milvus answers where there is one.
    pub(super) fn forwarded(self) -> Option<&'static str> {
        match self {
            Self::ListDatabases => Some(method!("ListDatabases")),
            Self::DescribeDatabase => Some(method!("DescribeDatabase")),
            Self::CreateDatabase => Some(method!("CreateDatabase")),
            Self::AlterDatabase | Self::DropDatabaseProperties => Some(method!("AlterDatabase")),
            Self::DropDatabase => Some(method!("DropDatabase")),
            _ => None,
        }
    }
}

const fn required(key: &'static str) -> Field {
    Field { key, kind: Text, required: true }
}

const fn optional(key: &'static str, kind: Kind) -> Field {
    Field { key, kind, required: false }
}

const DB: Field = optional("dbName", Text);
const DESCRIPTION: Field = optional("description", Text);
const USER: Field = required("userName");
const ROLE: Field = required("roleName");
const GROUP: Field = required("privilegeGroupName");
const DATABASE: Field = required("dbName");

const BIND: &[Field] = &[USER, ROLE];
const GRANT: &[Field] =
    &[ROLE, required("objectType"), required("objectName"), required("privilege"), DB];
const GRANT_V2: &[Field] = &[ROLE, required("privilege"), optional("collectionName", Text), DB];
const MEMBERS: &[Field] = &[GROUP, optional("privileges", Texts)];
const PROPERTIES: &[Field] = &[DATABASE, optional("properties", Object)];

const fn route(
    path: &'static str,
    summary: &'static str,
    body: &'static str,
    fields: &'static [Field],
    action: Action,
) -> Route {
    Route { path, summary, body, fields, action }
}

#[rustfmt::skip]
pub(super) static ROUTES: &[Route] = &[
    route("/users/list", "List the users", "DatabaseReq", &[DB], Action::ListUsers),
    route("/users/describe", "The roles of a user", "UserReq", &[USER], Action::DescribeUser),
    route("/users/create", "Create a user", "PasswordReq", &[USER, required("password"), DESCRIPTION], Action::CreateUser),
    route("/users/update_password", "Change a password or a description", "NewPasswordReq",
        &[USER, optional("password", Text), optional("newPassword", Text), DESCRIPTION], Action::UpdatePassword),
    route("/users/drop", "Delete a user", "UserReq", &[USER], Action::DropUser),
    route("/users/grant_role", "Bind a role to a user", "UserRoleReq", BIND, Action::BindRole(true)),
    route("/users/revoke_role", "Undo a binding", "UserRoleReq", BIND, Action::BindRole(false)),

    route("/roles/list", "List the roles", "DatabaseReq", &[DB], Action::ListRoles),
    route("/roles/describe", "The grants of a role", "RoleReq", &[ROLE, DB], Action::DescribeRole),
    route("/roles/create", "Create a role", "RoleReq", &[ROLE, DESCRIPTION, DB], Action::CreateRole),
    route("/roles/alter", "Change a role's description", "RoleReq", &[ROLE, DESCRIPTION], Action::AlterRole),
    route("/roles/drop", "Drop a role without grants", "RoleReq", &[ROLE, DB], Action::DropRole),
    route("/roles/grant_privilege", "Grant a privilege on an object", "GrantReq", GRANT, Action::OperatePrivilege(true)),
    route("/roles/revoke_privilege", "Revoke a privilege on an object", "GrantReq", GRANT, Action::OperatePrivilege(false)),
    route("/roles/grant_privilege_v2", "Grant a privilege or group", "GrantV2Req", GRANT_V2, Action::OperatePrivilegeV2(true)),
    route("/roles/revoke_privilege_v2", "Revoke a privilege or group", "GrantV2Req", GRANT_V2, Action::OperatePrivilegeV2(false)),
    route("/roles/run_command", "Grant, revoke or show privileges by a command in MongoDB's form, all or nothing", "Command",
        &[optional("grantPrivilegesToRole", Text), optional("revokePrivilegesFromRole", Text), optional("rolesInfo", Any),
          optional("privileges", Objects), optional("writeConcern", Object), optional("comment", Any)], Action::RunCommand),

    route("/privilege_groups/create", "Create a privilege group", "PrivilegeGroupReq", MEMBERS, Action::CreateGroup),
    route("/privilege_groups/drop", "Drop a privilege group", "PrivilegeGroupReq", MEMBERS, Action::DropGroup),
    route("/privilege_groups/list", "List the privilege groups", "DatabaseReq", &[DB], Action::ListGroups),
    route("/privilege_groups/add_privileges_to_group", "Add members to a group", "PrivilegeGroupReq", MEMBERS, Action::OperateGroup(true)),
    route("/privilege_groups/remove_privileges_from_group", "Remove members from a group", "PrivilegeGroupReq", MEMBERS, Action::OperateGroup(false)),

    route("/databases/list", "List the databases", "EmptyReq", &[], Action::ListDatabases),
    route("/databases/describe", "The properties of a database", "DatabaseReqRequiredName", &[DATABASE], Action::DescribeDatabase),
    route("/databases/create", "Create a database", "DatabaseReqWithProperties", PROPERTIES, Action::CreateDatabase),
    route("/databases/alter", "Set properties of a database", "DatabaseReqWithProperties", PROPERTIES, Action::AlterDatabase),
    route("/databases/alter_properties", "Set properties of a database", "DatabaseReqWithProperties", PROPERTIES, Action::AlterDatabase),
    route("/databases/drop_properties", "Remove properties of a database", "DropDatabasePropertiesReq",
        &[DATABASE, optional("propertyKeys", Texts)], Action::DropDatabaseProperties),
    route("/databases/drop", "Drop a database", "DatabaseReqRequiredName", &[DATABASE], Action::DropDatabase),
];

/// The route of a whole path.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    let path = path.strip_prefix(BASE)?;
    ROUTES.iter().find(|route| route.path == path)
}
