//! What each call requires. The table comes from the option that Milvus' own protos carry; what
//! the option does not say is here.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::model::privilege::{ObjectType, Privilege};

/// A method of the protos, as the build found it.
#[derive(Debug)]
pub(super) struct MethodRow {
    /// `/package.Service/Method`.
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    option: Option<OptionRow>,
    /// The number of the field that names the database, 0 for none.
    pub(super) database: u32,
    /// The number of the field that names the collection, 0 for none.
    pub(super) collection: u32,
}

#[derive(Debug)]
struct OptionRow {
    object_type: u8,
    privilege: u8,
    /// The field, and the fields within it, that hold the object's name; empty for `*`.
    name: &'static [u32],
    /// Whether that field repeats: every name must be allowed then.
    many: bool,
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// A method with all that the gate must know.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) row: &'static MethodRow,
    pub(super) access: Access,
    /// Whether it is answered here.
    pub(super) served: bool,
}

/// Who may call.
#[derive(Debug)]
pub(super) enum Access {
    /// Callers whose roles cover the privilege on the named objects.
    Privileged(Requirement),
    /// Every authenticated caller. What the answer shows may depend on the caller; calls that are
    /// not served have no answer.
    Authenticated,
}

#[derive(Debug)]
pub(super) struct Requirement {
    pub(super) privilege: Privilege,
    pub(super) object_type: ObjectType,
    pub(super) name: &'static [u32],
    pub(super) many: bool,
    /// Where the request names a role that its holders may ask about without the privilege.
    pub(super) own_role: &'static [u32],
    /// The field that names the database into which something is moved, 0 for none.
    pub(super) target_database: u32,
}

/// Served to every authenticated caller, since the protos state no privilege. `ListDatabases` and
/// `ShowCollections` filter what they show.
const AUTHENTICATED: [&str; 7] = [
    "Connect",
    "GetVersion",
    "CheckHealth",
    "GetComponentStates",
    "AllocTimestamp",
    "ListDatabases",
    "ShowCollections",
];

/// Served to callers who hold the privilege that the protos state. All other methods are not served.
const PRIVILEGED: [&str; 35] = [
    "CreateCredential",
    "UpdateCredential",
    "DeleteCredential",
    "ListCredUsers",
    "SelectUser",
    "CreateRole",
    "AlterRole",
    "DropRole",
    "OperateUserRole",
    "SelectRole",
    "OperatePrivilege",
    "OperatePrivilegeV2",
    "SelectGrant",
    "CreatePrivilegeGroup",
    "DropPrivilegeGroup",
    "ListPrivilegeGroups",
    "OperatePrivilegeGroup",
    "BackupRBAC",
    "RestoreRBAC",
    "CreateDatabase",
    "DropDatabase",
    "AlterDatabase",
    "DescribeDatabase",
    "AddUserTags",
    "DeleteUserTags",
    "GetUserTags",
    "ListUsersWithTag",
    "CreateRowPolicy",
    "UpdateRowPolicy",
    "DropRowPolicy",
    "ListRowPolicies",
    "SetRLSPrincipalTags",
    "GetRLSPrincipalTags",
    "ListRLSPrincipals",
    "DeleteRLSPrincipalTags",
];

/// `SelectGrant`: `entity.role.name`.
const SELECT_GRANT_ROLE: &[u32] = &[2, 1, 1];

/// `RenameCollection`: `newDBName`.
const RENAME_NEW_DATABASE: u32 = 5;
/// `RestoreSnapshot`: `target_db_name`.
const RESTORE_TARGET_DATABASE: u32 = 6;

static TABLE: LazyLock<HashMap<&'static str, Method>> =
    LazyLock::new(|| METHODS.iter().map(|row| (row.path, Method::of(row))).collect());

/// The method of that path; none is known for what the protos do not declare.
pub(super) fn find(path: &str) -> Option<&'static Method> {
    TABLE.get(path)
}

impl Method {
    fn of(row: &'static MethodRow) -> Self {
        let requirement = row.option.as_ref().and_then(|option| Requirement::of(row.name, option));
        let served = match &requirement {
            Some(_) => PRIVILEGED.contains(&row.name),
            None => AUTHENTICATED.contains(&row.name),
        };
        let access = requirement.map_or(Access::Authenticated, Access::Privileged);
        Self { row, access, served }
    }
}

impl Requirement {
    fn of(method: &str, option: &OptionRow) -> Option<Self> {
        let object_type = match option.object_type {
            0 => ObjectType::Collection,
            1 => ObjectType::Global,
            2 => ObjectType::User,
            _ => return None,
        };
        Some(Self {
            privilege: Privilege::numbered(option.privilege)?,
            object_type,
            name: option.name,
            many: option.many,
            own_role: if method == "SelectGrant" { SELECT_GRANT_ROLE } else { &[] },
            target_database: match method {
                "RenameCollection" => RENAME_NEW_DATABASE,
                "RestoreSnapshot" => RESTORE_TARGET_DATABASE,
                _ => 0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    // INVARIANT: a method is served only if this file names it, and one whose privilege is stated is
    // never served without it.
    #[test]
    fn just_the_named_methods_are_served_each_with_its_requirement() {
        let served: BTreeSet<_> = TABLE.values().filter(|m| m.served).map(|m| m.row.name).collect();
        assert_eq!(served, AUTHENTICATED.into_iter().chain(PRIVILEGED).collect());
        for method in TABLE.values() {
            let stated = method.row.option.is_some();
            assert_eq!(matches!(method.access, Access::Privileged(_)), stated, "{method:?}");
        }
        let of_milvus = |m: &&Method| m.row.path.starts_with("/milvus.proto.milvus.MilvusService/");
        assert_eq!(TABLE.values().filter(of_milvus).count(), 149);
    }

    #[test]
    fn names_are_read_where_the_option_points() {
        let requirement = |name: &str| {
            let path = format!("/milvus.proto.milvus.MilvusService/{name}");
            match &find(&path).unwrap().access {
                Access::Privileged(requirement) => requirement,
                other => panic!("{name}: {other:?}"),
            }
        };
        assert_eq!(requirement("SelectUser").name, [2, 1]);
        assert_eq!(requirement("UpdateCredential").name, [2]);
        assert_eq!(requirement("CreateRole").name, [0u32; 0]);
        assert_eq!(requirement("SelectGrant").own_role, [2, 1, 1]);
        assert_eq!(requirement("CreateRowPolicy").privilege.name(), "ManageRLS");
    }
}
