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
    pub(super) streaming: bool,
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
}

/// Who may call.
#[derive(Debug)]
pub(super) enum Access {
    /// Every authenticated caller; what the answer shows depends on the caller.
    Authenticated,
    /// Callers whose roles cover the privilege on the named objects.
    Privileged(Requirement),
    /// Nobody: the call is not served here.
    NotServed,
}

#[derive(Debug)]
pub(super) struct Requirement {
    pub(super) privilege: Privilege,
    pub(super) object_type: ObjectType,
    pub(super) name: &'static [u32],
    pub(super) many: bool,
    /// Where the request names a role that its holders may ask about without the privilege.
    pub(super) own_role: &'static [u32],
}

/// Served to every authenticated caller. `ListDatabases` and `ShowCollections` filter what they
/// show.
const AUTHENTICATED: [&str; 7] = [
    "Connect",
    "GetVersion",
    "CheckHealth",
    "GetComponentStates",
    "AllocTimestamp",
    "ListDatabases",
    "ShowCollections",
];

/// Served to callers who hold the privilege of the option. All other methods are not served.
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

static TABLE: LazyLock<HashMap<&'static str, Method>> =
    LazyLock::new(|| METHODS.iter().map(|row| (row.path, Method::of(row))).collect());

/// The method of that path; none is known for what the protos do not declare.
pub(super) fn find(path: &str) -> Option<&'static Method> {
    TABLE.get(path)
}

impl Method {
    fn of(row: &'static MethodRow) -> Self {
        let access = if AUTHENTICATED.contains(&row.name) {
            Access::Authenticated
        } else if PRIVILEGED.contains(&row.name) {
            // INVARIANT: a method whose requirement is unknown is not served. Defended by the
            // test below.
            row.option
                .as_ref()
                .and_then(|option| Requirement::of(row.name, option))
                .map_or(Access::NotServed, Access::Privileged)
        } else {
            Access::NotServed
        };
        Self { row, access }
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_that_is_served_has_a_requirement() {
        let served = |names: &[&str], wanted: fn(&Access) -> bool| {
            names.iter().all(|name| {
                let methods: Vec<_> = TABLE.values().filter(|m| m.row.name == *name).collect();
                methods.len() == 1 && methods.iter().all(|m| wanted(&m.access))
            })
        };
        assert!(served(&AUTHENTICATED, |a| matches!(a, Access::Authenticated)));
        assert!(served(&PRIVILEGED, |a| matches!(a, Access::Privileged(_))));
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
