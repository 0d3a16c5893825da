//! A second, naive reading of the specification: plain lists and texts, no index, no code shared
//! with the product. Slow and simple enough to be believed; where it and the product differ, one of
//! them is wrong.
//!
//! It follows `spec/rbac-management.md` and `spec/enforcement.md` in their newest line, with the
//! differences of the design, section 7. Where neither says anything, a comment marks our choice.

pub(crate) mod catalogue;
mod decide;
mod grants;
mod groups;
mod names;
mod restore;
mod users;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use decide::{Call, On};
pub(crate) use grants::{GrantOp, GrantRow, Target};
pub(crate) use restore::{Backup, BackupGrant, BackupGroup, BackupRole, BackupUser};
pub(crate) use users::{RoleRow, UserRow};

/// A request. Numbers that clients send for add and remove, grant and revoke are kept as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    CreateUser {
        name: String,
        hash: String,
        description: String,
    },
    /// With a password change: the old password's hash and the new one's.
    UpdateUser {
        name: String,
        hashes: Option<(String, String)>,
        description: Option<String>,
    },
    DeleteUser {
        name: String,
    },
    CreateRole {
        name: String,
        description: String,
    },
    AlterRole {
        name: String,
        description: String,
    },
    DropRole {
        name: String,
        force: bool,
    },
    OperateUserRole {
        user: String,
        role: String,
        number: i32,
    },
    OperatePrivilege(GrantOp),
    CreateGroup {
        name: String,
    },
    DropGroup {
        name: String,
    },
    OperateGroup {
        name: String,
        privileges: Vec<String>,
        number: i32,
    },
    Restore(Backup),
    CreateDatabase {
        name: String,
    },
    AlterDatabase {
        name: String,
        set: BTreeMap<String, String>,
        unset: Vec<String>,
    },
    DropDatabase {
        name: String,
    },
}

/// The number of adding and granting.
pub(crate) const ADD: i32 = 0;
/// The number of removing and revoking.
pub(crate) const REMOVE: i32 = 1;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Changed,
    Unchanged,
    Refused(Refused),
}

/// A refusal: `Status.code` and the whole reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: i32,
    pub(crate) text: String,
}

type Verdict = Result<(), Refused>;

fn refused(code: i32, text: impl Into<String>) -> Refused {
    Refused { code, text: text.into() }
}

fn invalid(message: impl Into<String>) -> Refused {
    refused(1100, message.into() + ": invalid parameter")
}

impl Refused {
    fn told_by(self, prefix: &str) -> Self {
        refused(self.code, format!("{prefix}: {}", self.text))
    }
}

/// A stored grant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    role: String,
    object_type: String,
    database: String,
    object: String,
    /// The stored name.
    privilege: String,
    grantor: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    hash: String,
    description: String,
}

/// The state of the access control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Oracle {
    max_users: usize,
    max_roles: usize,
    users: BTreeMap<String, User>,
    /// Each with its description.
    roles: BTreeMap<String, String>,
    /// Pairs of user and role.
    bindings: BTreeSet<(String, String)>,
    grants: Vec<Grant>,
    groups: BTreeMap<String, BTreeSet<String>>,
    /// Each with its properties.
    databases: BTreeMap<String, BTreeMap<String, String>>,
}

impl Oracle {
    /// The state after the first start, 0 being no limit.
    pub(crate) fn new(root_hash: &str, max_users: usize, max_roles: usize) -> Self {
        let root = User { hash: root_hash.to_owned(), description: String::new() };
        let public = |object_type: &str, privilege: &str| Grant {
            role: "public".to_owned(),
            object_type: object_type.to_owned(),
            database: "*".to_owned(),
            object: "*".to_owned(),
            privilege: privilege.to_owned(),
            grantor: "root".to_owned(),
        };
        Self {
            max_users,
            max_roles,
            users: BTreeMap::from([("root".to_owned(), root)]),
            roles: ["admin", "public"].map(|role| (role.to_owned(), String::new())).into(),
            bindings: BTreeSet::new(),
            grants: vec![
                public("Global", "PrivilegeDescribeCollection"),
                public("Global", "PrivilegeListAliases"),
                public("Collection", "PrivilegeIndexDetail"),
            ],
            groups: BTreeMap::new(),
            databases: BTreeMap::from([("default".to_owned(), BTreeMap::new())]),
        }
    }

    /// Does what is asked, all of it or nothing.
    pub(crate) fn perform(&mut self, op: &Op) -> Outcome {
        let before = self.clone();
        match self.attempt(op) {
            Err(refused) => {
                *self = before;
                Outcome::Refused(refused)
            }
            Ok(()) if *self == before => Outcome::Unchanged,
            Ok(()) => Outcome::Changed,
        }
    }

    fn attempt(&mut self, op: &Op) -> Verdict {
        match op {
            Op::CreateUser { name, hash, description } => self.create_user(name, hash, description),
            Op::UpdateUser { name, hashes, description } => {
                self.update_user(name, hashes.as_ref(), description.as_deref())
            }
            Op::DeleteUser { name } => self.delete_user(name),
            Op::CreateRole { name, description } => self.create_role(name, description),
            Op::AlterRole { name, description } => self.alter_role(name, description),
            Op::DropRole { name, force } => self.drop_role(name, *force),
            Op::OperateUserRole { user, role, number } => {
                self.operate_user_role(user, role, *number)
            }
            Op::OperatePrivilege(op) => self.operate_privilege(op),
            Op::CreateGroup { name } => self.create_group(name),
            Op::DropGroup { name } => self.drop_group(name),
            Op::OperateGroup { name, privileges, number } => {
                self.operate_group(name, privileges, *number)
            }
            Op::Restore(backup) => self.restore(backup),
            Op::CreateDatabase { name } => self.create_database(name),
            Op::AlterDatabase { name, set, unset } => self.alter_database(name, set, unset),
            Op::DropDatabase { name } => self.drop_database(name),
        }
    }

    // The specification tells nothing of databases but their names: the texts are our own.

    fn create_database(&mut self, name: &str) -> Verdict {
        names::database(name)?;
        if self.databases.contains_key(name) {
            return Err(invalid(format!("database already exist: {name}")));
        }
        self.databases.insert(name.to_owned(), BTreeMap::new());
        Ok(())
    }

    fn alter_database(
        &mut self,
        name: &str,
        set: &BTreeMap<String, String>,
        unset: &[String],
    ) -> Verdict {
        let properties = self.databases.get_mut(name).ok_or_else(|| no_database(name))?;
        for (key, value) in set {
            properties.insert(key.clone(), value.clone());
        }
        for key in unset {
            properties.remove(key);
        }
        Ok(())
    }

    fn drop_database(&mut self, name: &str) -> Verdict {
        names::database(name)?;
        if name == "default" {
            return Err(invalid("can not drop default database"));
        }
        self.databases.remove(name).map(|_| ()).ok_or_else(|| no_database(name))
    }

    /// All databases with their properties.
    pub(crate) fn databases(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.databases
    }
}

fn no_database(name: &str) -> Refused {
    refused(800, format!("database not found[database={}]", names::short(name)))
}
