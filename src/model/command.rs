//! What can be asked of the state, and the rules that decide what a request changes.
//!
//! A command is checked twice: its form when it is built (names, lengths: `name`), and against the
//! newest state here. Milvus splits the same work between its proxy and its root coordinator, and
//! the order and texts of the checks are Milvus' own.

mod batch;
mod collections;
mod databases;
mod grants;
mod groups;
mod roles;
mod seed;
mod users;

use std::collections::BTreeMap;

pub use self::batch::{Batch, Resource, ResourcePrivileges, privilege_of};
pub use self::databases::no_database;
pub use self::grants::{check_level, group_level, related};
pub(super) use self::groups::check_size as check_group_size;
pub use self::groups::same_level;
pub use self::roles::check_default_role;
pub use self::users::{check_deletable_user, wrong_old_password};
use super::builtin::BuiltInGroups;
use super::error::{Error, ErrorKind};
use super::privilege::{Level, Privilege};
use super::restore::{self, Backup};
use super::state::{Change, Name, State};

/// A request that may change the state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the requests")]
pub enum Command {
    /// Brings an empty store to Milvus' initial state; changes nothing in a used one.
    Seed {
        root_password_hash: Name,
        created: u64,
    },
    /// Gives `root` a password, and makes it if there is none: what only those can ask for who hold
    /// the store itself.
    ResetRootPassword {
        password_hash: Name,
    },
    CreateUser {
        name: String,
        password_hash: Name,
        description: String,
    },
    /// `verified` is the hash against which the old password was checked.
    UpdateUser {
        name: String,
        password: Option<PasswordChange>,
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
        operation: Option<MemberOperation>,
    },
    OperatePrivilege(PrivilegeOperation),
    OperatePrivileges(Batch),
    CreateGroup {
        name: String,
    },
    DropGroup {
        name: String,
    },
    OperateGroup {
        name: String,
        privileges: Vec<String>,
        operation: Option<MemberOperation>,
    },
    Restore(Backup),
    CreateDatabase {
        name: String,
        created: u64,
        properties: BTreeMap<String, String>,
    },
    AlterDatabase {
        name: String,
        set: BTreeMap<String, String>,
        unset: Vec<String>,
    },
    DropDatabase {
        name: String,
    },
    /// A Milvus has dropped a collection: the grants on it go.
    CollectionDropped {
        database: String,
        collection: String,
    },
    /// A Milvus has renamed a collection, maybe into another database: the grants on it move.
    CollectionRenamed {
        database: String,
        collection: String,
        new_database: String,
        new_collection: String,
    },
    /// All of them in this order, or none; each is planned on what the ones before lead to.
    All(Vec<Self>),
}

/// A new password, and the stored hash that the old one matched. If another change came in
/// between, the old password counts as wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "told above")]
pub struct PasswordChange {
    pub verified_hash: Name,
    pub new_hash: Name,
}

/// Adding to or removing from a list. Commands hold none where the wire carried an unknown number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MemberOperation {
    Add,
    Remove,
}

/// A grant or a revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeOperation {
    /// Grant or revoke; unknown numbers of the wire are kept for the error.
    pub operation: Result<MemberOperation, i32>,
    /// The role.
    pub role: String,
    /// The current user.
    pub grantor: String,
    /// The API name of a privilege or group, or `*`.
    pub privilege: String,
    /// The database, or `*`.
    pub database: String,
    /// What is granted on.
    pub target: Target,
}

/// The object of a grant, in one of the two generations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the requests")]
pub enum Target {
    /// Object type and name are given.
    V1 { object_type: String, object: String },
    /// The object type follows from the privilege.
    V2 { collection: String },
}

/// What the rules can be configured with.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Most users, `root` included; 0 is no limit.
    pub max_users: usize,
    /// Most roles, `admin` and `public` included; 0 is no limit.
    pub max_roles: usize,
    /// The built-in groups.
    pub groups: BuiltInGroups,
}

impl Default for Rules {
    fn default() -> Self {
        Self { max_users: 100, max_roles: 10, groups: BuiltInGroups::default() }
    }
}

impl Command {
    /// Whether it asks for something to be gone, be it there or not.
    pub fn takes_away(&self) -> bool {
        const REMOVE: Option<MemberOperation> = Some(MemberOperation::Remove);
        match self {
            Self::DeleteUser { .. }
            | Self::DropRole { .. }
            | Self::DropGroup { .. }
            | Self::DropDatabase { .. }
            | Self::CollectionDropped { .. }
            | Self::CollectionRenamed { .. } => true,
            Self::OperateUserRole { operation, .. } | Self::OperateGroup { operation, .. } => {
                *operation == REMOVE
            }
            Self::OperatePrivilege(PrivilegeOperation { operation, .. }) => {
                operation.ok() == REMOVE
            }
            Self::All(commands) => commands.iter().any(Self::takes_away),
            Self::OperatePrivileges(batch) => batch.operation == MemberOperation::Remove,
            _ => false,
        }
    }

    /// What it is called: the call that asks for it, where there is one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seed { .. } => "Seed",
            Self::ResetRootPassword { .. } => "ResetRootPassword",
            Self::CreateUser { .. } => "CreateCredential",
            Self::UpdateUser { .. } => "UpdateCredential",
            Self::DeleteUser { .. } => "DeleteCredential",
            Self::CreateRole { .. } => "CreateRole",
            Self::AlterRole { .. } => "AlterRole",
            Self::DropRole { .. } => "DropRole",
            Self::OperateUserRole { .. } => "OperateUserRole",
            Self::OperatePrivilege(operation) => match operation.target {
                Target::V1 { .. } => "OperatePrivilege",
                Target::V2 { .. } => "OperatePrivilegeV2",
            },
            Self::OperatePrivileges(batch) => match batch.operation {
                MemberOperation::Add => "GrantPrivilegesToRole",
                MemberOperation::Remove => "RevokePrivilegesFromRole",
            },
            Self::All(_) => "Transact",
            Self::CreateGroup { .. } => "CreatePrivilegeGroup",
            Self::DropGroup { .. } => "DropPrivilegeGroup",
            Self::OperateGroup { .. } => "OperatePrivilegeGroup",
            Self::Restore(_) => "RestoreRBAC",
            Self::CreateDatabase { .. } => "CreateDatabase",
            Self::AlterDatabase { .. } => "AlterDatabase",
            Self::DropDatabase { .. } => "DropDatabase",
            Self::CollectionDropped { .. } => "CollectionDropped",
            Self::CollectionRenamed { .. } => "CollectionRenamed",
        }
    }

    /// The changes that fulfil the command; none where all is as asked already.
    ///
    /// # Errors
    /// A rule refuses the command.
    pub fn plan(&self, state: &State, rules: &Rules) -> Result<Vec<Change>, Error> {
        match self {
            Self::Seed { root_password_hash, created } => {
                Ok(seed::changes(state, root_password_hash, *created))
            }
            Self::ResetRootPassword { password_hash } => {
                Ok(users::reset_root(state, password_hash))
            }
            Self::CreateUser { name, password_hash, description } => {
                users::create(state, rules, name.trim(), password_hash, description)
            }
            Self::UpdateUser { name, password, description } => {
                users::update(state, name, password.as_ref(), description.as_deref())
            }
            Self::DeleteUser { name } => users::delete(state, name.trim())
                .map_err(|e| e.context("failed to check if delete credential")),
            Self::CreateRole { name, description } => {
                roles::create(state, rules, name, description)
            }
            Self::AlterRole { name, description } => roles::alter(state, name, description)
                .map_err(|e| e.context("failed to check if alter role")),
            Self::DropRole { name, force } => roles::drop(state, name, *force),
            Self::OperateUserRole { user, role, operation } => {
                roles::operate(state, user, role, *operation)
            }
            Self::OperatePrivilege(operation) => grants::operate(state, rules, operation),
            Self::OperatePrivileges(batch) => batch::plan(state, rules, batch),
            Self::CreateGroup { name } => groups::create(state, name)
                .map_err(|e| e.context("failed to check if privilege group creatable")),
            Self::DropGroup { name } => groups::drop(state, name)
                .map_err(|e| e.context("failed to check if privilege group dropable")),
            Self::OperateGroup { name, privileges, operation } => {
                groups::operate(state, name, privileges, *operation)
            }
            Self::Restore(backup) => restore::plan(backup, state)
                .map_err(|e| e.context("failed to check if rbac restorable")),
            Self::CreateDatabase { name, created, properties } => {
                databases::create(state, name, *created, properties)
            }
            Self::AlterDatabase { name, set, unset } => databases::alter(state, name, set, unset),
            Self::DropDatabase { name } => databases::drop(state, name),
            Self::CollectionDropped { database, collection } => {
                Ok(collections::dropped(state, database, collection))
            }
            Self::CollectionRenamed { database, collection, new_database, new_collection } => Ok(
                collections::renamed(state, (database, collection), (new_database, new_collection)),
            ),
            Self::All(commands) => all(commands, state, rules),
        }
    }
}

fn all(commands: &[Command], state: &State, rules: &Rules) -> Result<Vec<Change>, Error> {
    let mut state = state.clone();
    let mut all = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        let step = || format!("step {}", index + 1);
        let changes = command.plan(&state, rules).map_err(|e| e.context(&step()))?;
        for change in &changes {
            state.apply(change).map_err(|e| {
                Error::verbatim(ErrorKind::Unclassified, e.to_string()).context(&step())
            })?;
        }
        all.extend(changes);
    }
    Ok(all)
}

fn quota(what: &str, plural: &str, limit: usize) -> Error {
    Error::bare(
        ErrorKind::QuotaExceeded,
        format_args!(
            "[reason=unable to {what} because the number of {plural} has reached the limit][limit={limit}]"
        ),
    )
}

fn reached(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

/// The level of a group's member; groups and names that are no single privilege have none.
fn level_of(member: &str) -> Option<Level> {
    Privilege::named(member).and_then(Privilege::level)
}
