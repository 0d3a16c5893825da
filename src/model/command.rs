//! What can be asked of the state, and the rules that decide what a request changes.
//!
//! A command is checked twice: its form when it is built (names, lengths: `name`), and against the
//! newest state here. Milvus splits the same work between its proxy and its root coordinator, and
//! the order and texts of the checks are Milvus' own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imbl::OrdSet;

use super::builtin::BuiltInGroups;
use super::error::{Error, ErrorKind};
use super::name;
use super::privilege::{
    self, ANY, GROUP_PREFIX, Level, ObjectType, Privilege, PrivilegeKind, is_defined, stored_name,
};
use super::restore::{self, Backup};
use super::state::{
    ADMIN, Change, DEFAULT_DATABASE, Database, Grant, Group, Name, PUBLIC, ROOT, Role, State,
};

/// A request that may change the state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the requests")]
pub enum Command {
    /// Brings an empty store to Milvus' initial state; changes nothing in a used one.
    Seed {
        root_password_hash: Name,
        created: u64,
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

/// Most databases beside `default`.
const MAX_DATABASES: usize = 64;

const NO_ROLE: &str = "not found the role, maybe the role isn't existed or internal system error";

impl Command {
    /// The changes that fulfil the command; none where all is as asked already.
    ///
    /// # Errors
    /// A rule refuses the command.
    pub fn plan(&self, state: &State, rules: &Rules) -> Result<Vec<Change>, Error> {
        match self {
            Self::Seed { root_password_hash, created } => {
                Ok(seed(state, root_password_hash, *created))
            }
            Self::CreateUser { name, password_hash, description } => {
                create_user(state, rules, name.trim(), password_hash, description)
            }
            Self::UpdateUser { name, password, description } => {
                update_user(state, name, password.as_ref(), description.as_deref())
            }
            Self::DeleteUser { name } => delete_user(state, name.trim())
                .map_err(|e| e.context("failed to check if delete credential")),
            Self::CreateRole { name, description } => create_role(state, rules, name, description),
            Self::AlterRole { name, description } => alter_role(state, name, description)
                .map_err(|e| e.context("failed to check if alter role")),
            Self::DropRole { name, force } => drop_role(state, name, *force),
            Self::OperateUserRole { user, role, operation } => {
                operate_user_role(state, user, role, *operation)
            }
            Self::OperatePrivilege(operation) => operate_privilege(state, rules, operation),
            Self::CreateGroup { name } => create_group(state, name)
                .map_err(|e| e.context("failed to check if privilege group creatable")),
            Self::DropGroup { name } => drop_group(state, name)
                .map_err(|e| e.context("failed to check if privilege group dropable")),
            Self::OperateGroup { name, privileges, operation } => {
                operate_group(state, name, privileges, *operation)
            }
            Self::Restore(backup) => restore::plan(backup, state)
                .map_err(|e| e.context("failed to check if rbac restorable")),
            Self::CreateDatabase { name, created, properties } => {
                create_database(state, name, *created, properties)
            }
            Self::AlterDatabase { name, set, unset } => alter_database(state, name, set, unset),
            Self::DropDatabase { name } => drop_database(state, name),
        }
    }
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

fn seed(state: &State, root_password_hash: &Name, created: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    if !state.users.contains_key(ROOT) {
        changes.push(Change::PutUser {
            name: ROOT.into(),
            password_hash: root_password_hash.clone(),
            description: "".into(),
        });
    }
    for role in [ADMIN, PUBLIC] {
        if !state.roles.contains_key(role) {
            changes.push(Change::PutRole { name: role.into(), description: "".into() });
        }
    }
    // Only once, unlike Milvus: what was revoked from `public` stays revoked after a restart.
    if !state.roles.contains_key(PUBLIC) {
        changes.extend(["DescribeCollection", "ListAliases", "IndexDetail"].map(|privilege| {
            Change::Grant {
                role: PUBLIC.into(),
                grant: Grant {
                    object_type: privilege::object_type_of(privilege),
                    database: ANY.into(),
                    object: ANY.into(),
                    privilege: stored_name(privilege).into(),
                },
                grantor: ROOT.into(),
            }
        }));
    }
    if !state.databases.contains_key(DEFAULT_DATABASE) {
        let database = Database { id: 1, created, properties: BTreeMap::new() };
        changes.push(Change::PutDatabase { name: DEFAULT_DATABASE.into(), database });
    }
    changes
}

fn create_user(
    state: &State,
    rules: &Rules,
    name: &str,
    password_hash: &Name,
    description: &str,
) -> Result<Vec<Change>, Error> {
    let check = |e: Error| e.context("failed to check if add credential");
    if name.is_empty() {
        return Err(check(Error::invalid("username is empty")));
    }
    if state.users.contains_key(name) {
        return Err(Error::invalid(format_args!("user already exists: {name}")));
    }
    if reached(state.users.len(), rules.max_users) {
        return Err(check(quota("add user", "users", rules.max_users)));
    }
    Ok(vec![Change::PutUser {
        name: name.into(),
        password_hash: password_hash.clone(),
        description: description.into(),
    }])
}

/// The refusal of a password change whose old password does not match. It never says whether the
/// user exists.
pub fn wrong_old_password(name: &str) -> Error {
    Error::new(
        ErrorKind::NotAuthenticated,
        format_args!("old password not correct for {}", name::shortened(name)),
    )
}

fn update_user(
    state: &State,
    name: &str,
    password: Option<&PasswordChange>,
    description: Option<&str>,
) -> Result<Vec<Change>, Error> {
    let (name, current) = match state.users.get_key_value(name.trim()) {
        Some(found) => found,
        None if password.is_some() => return Err(wrong_old_password(name)),
        None => {
            return Err(Error::verbatim(
                ErrorKind::Unclassified,
                "failed to check if update credential: user not found",
            ));
        }
    };
    let password_hash = match password {
        Some(change) if change.verified_hash != current.password_hash => {
            return Err(wrong_old_password(name));
        }
        Some(change) => &change.new_hash,
        None => &current.password_hash,
    };
    let description = description.map_or_else(|| current.description.clone(), Name::from);
    Ok(vec![Change::PutUser {
        name: name.clone(),
        password_hash: password_hash.clone(),
        description,
    }])
}

fn delete_user(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    if name.is_empty() {
        return Err(Error::invalid("username is empty"));
    }
    let Some((name, user)) = state.users.get_key_value(name) else {
        return Ok(Vec::new());
    };
    let unbind = |role: &Name| Change::Unbind { user: name.clone(), role: role.clone() };
    let mut changes: Vec<_> = user.roles.iter().map(unbind).collect();
    changes.push(Change::DeleteUser { name: name.clone() });
    Ok(changes)
}

/// The text form of a role in Milvus' "already exists" error.
fn role_text(name: &str, description: &str) -> String {
    let mut text = format!("name:{name:?}");
    if !description.is_empty() {
        let _ = write!(text, " description:{description:?}");
    }
    text
}

fn create_role(
    state: &State,
    rules: &Rules,
    name: &str,
    description: &str,
) -> Result<Vec<Change>, Error> {
    let check = |e: Error| e.context("failed to check if create role");
    if name.trim().is_empty() {
        return Err(check(Error::invalid("role name is empty")));
    }
    if state.roles.contains_key(name) {
        let role = role_text(name, description);
        return Err(Error::invalid(format_args!("role [{role}] already exists")));
    }
    if reached(state.roles.len(), rules.max_roles) {
        return Err(check(quota("create role", "roles", rules.max_roles)));
    }
    Ok(vec![Change::PutRole { name: name.into(), description: description.into() }])
}

fn alter_role(state: &State, name: &str, description: &str) -> Result<Vec<Change>, Error> {
    if !state.roles.contains_key(name) {
        return Err(Error::verbatim(ErrorKind::Unclassified, "role not exists"));
    }
    Ok(vec![Change::PutRole { name: name.into(), description: description.into() }])
}

fn drop_role(state: &State, name: &str, force: bool) -> Result<Vec<Change>, Error> {
    let Some((name, role)) = state.roles.get_key_value(name) else {
        return Err(Error::invalid(NO_ROLE));
    };
    if !force && !role.grants.is_empty() {
        return Err(Error::invalid(
            "fail to drop the role that it has privileges. Use REVOKE API to revoke privileges",
        )
        .context("failed to check if drop role"));
    }
    let revoke = |grant: &Grant| Change::Revoke { role: name.clone(), grant: grant.clone() };
    let unbind = |user: &Name| Change::Unbind { user: user.clone(), role: name.clone() };
    let mut changes: Vec<_> = role.grants.keys().map(revoke).collect();
    changes.extend(role.users.iter().map(unbind));
    changes.push(Change::DeleteRole { name: name.clone() });
    Ok(changes)
}

fn operate_user_role(
    state: &State,
    user: &str,
    role: &str,
    operation: Option<MemberOperation>,
) -> Result<Vec<Change>, Error> {
    let Some((role, _)) = state.roles.get_key_value(role) else {
        return Err(Error::invalid(NO_ROLE));
    };
    let found = state.users.get_key_value(user);
    if operation != Some(MemberOperation::Remove) && found.is_none() {
        return Err(Error::invalid(format_args!("user \"{user}\" not found"))
            .context("failed to check if operate user role"));
    }
    let bound = found.filter(|(_, u)| u.roles.contains(role));
    match operation {
        None => Err(Error::verbatim(ErrorKind::Unclassified, "invalid operate user role type")),
        Some(MemberOperation::Add) => Ok(found
            .filter(|_| bound.is_none())
            .map(|(user, _)| Change::Bind { user: user.clone(), role: role.clone() })
            .into_iter()
            .collect()),
        Some(MemberOperation::Remove) => Ok(bound
            .map(|(user, _)| Change::Unbind { user: user.clone(), role: role.clone() })
            .into_iter()
            .collect()),
    }
}

/// What else Milvus grants and revokes with a privilege.
fn related(privilege: &str) -> &'static [&'static str] {
    match privilege {
        "Load" => &["GetLoadState", "GetLoadingProgress"],
        "Flush" => &["GetFlushState"],
        _ => &[],
    }
}

fn operate_privilege(
    state: &State,
    rules: &Rules,
    request: &PrivilegeOperation,
) -> Result<Vec<Change>, Error> {
    let common = |e: Error| e.context("failed to operate privilege common check");
    let operation = request.operation.map_err(|number| {
        common(Error::invalid(format_args!(
            "invalid operate privilege type, current type: {number}, valid value: [Grant, Revoke]"
        )))
    })?;
    let v1_type = match &request.target {
        Target::V1 { object_type, .. } => {
            Some(ObjectType::named(object_type).ok_or_else(|| {
                common(Error::invalid("the object entity in the request is nil or invalid"))
            })?)
        }
        Target::V2 { .. } => None,
    };
    let Some((role_name, role)) = state.roles.get_key_value(&*request.role) else {
        let role = &request.role;
        return Err(common(Error::invalid(format_args!("the role \"{role}\" does not exist"))));
    };
    let Some((grantor, _)) = state.users.get_key_value(&*request.grantor) else {
        let user = &request.grantor;
        return Err(common(Error::invalid(format_args!(
            "the grantor user \"{user}\" does not exist"
        ))));
    };
    let name = request.privilege.as_str();
    match v1_type {
        Some(object_type) => check_v1_privilege(state, name, object_type)?,
        None => check_v2_privilege(state, rules, request)?,
    }
    if operation == MemberOperation::Add
        && Privilege::named(name).is_some_and(|p| p.is_deprecated())
    {
        return Err(Error::invalid(format_args!(
            "the privilege [{name}] is deprecated and can only be revoked"
        )));
    }
    let changes = std::iter::once(&name).chain(related(name)).filter_map(|&privilege| {
        let grant = grant_of(request, v1_type, privilege);
        change_for(role_name, role, grant, operation, grantor)
    });
    Ok(changes.collect())
}

/// The change that brings `grant` into or out of the role, if it is not so already.
fn change_for(
    name: &Name,
    role: &Role,
    grant: Grant,
    operation: MemberOperation,
    grantor: &Name,
) -> Option<Change> {
    match (operation, role.grants.contains_key(&grant)) {
        (MemberOperation::Add, false) => {
            Some(Change::Grant { role: name.clone(), grant, grantor: grantor.clone() })
        }
        (MemberOperation::Remove, true) => Some(Change::Revoke { role: name.clone(), grant }),
        _ => None,
    }
}

/// The grant as it is stored: v1 grants on `Global` lose their object name unless they name a
/// group, v2 grants take the object type of the privilege.
fn grant_of(request: &PrivilegeOperation, v1_type: Option<ObjectType>, privilege: &str) -> Grant {
    let object_type = v1_type.unwrap_or_else(|| privilege::object_type_of(privilege));
    let object = match &request.target {
        Target::V1 { object, .. } => {
            let is_group =
                Privilege::named(privilege).is_some_and(|p| p.kind() == PrivilegeKind::LegacyGroup);
            if object_type == ObjectType::Global && !is_group { ANY } else { object }
        }
        Target::V2 { collection } => collection,
    };
    let database = if request.database.is_empty() { DEFAULT_DATABASE } else { &request.database };
    Grant {
        object_type,
        database: database.into(),
        object: object.into(),
        privilege: stored_name(privilege).into(),
    }
}

fn check_v1_privilege(state: &State, name: &str, object_type: ObjectType) -> Result<(), Error> {
    if name == ANY {
        return Ok(());
    }
    if state.groups.contains_key(name) {
        return Err(Error::invalid(format_args!(
            "can not operate the custom privilege group [{name}]"
        )));
    }
    let privilege = Privilege::named(name);
    if privilege.is_some_and(|p| p.kind() == PrivilegeKind::BuiltInGroup) {
        return Err(Error::invalid(format_args!(
            "can not operate the built-in privilege group [{name}]"
        )));
    }
    if privilege.is_some_and(|p| p.v1_object_type() == Some(object_type)) {
        return Ok(());
    }
    let object_type = object_type.name();
    Err(Error::invalid(format_args!(
        "not found the privilege name[{name}] in object[{object_type}]"
    )))
}

fn check_v2_privilege(
    state: &State,
    rules: &Rules,
    request: &PrivilegeOperation,
) -> Result<(), Error> {
    let name = request.privilege.as_str();
    let custom = state.groups.get(name);
    if name != ANY && custom.is_none() && !is_defined(name) {
        return Err(Error::invalid(format_args!("not found the privilege name[{name}]")));
    }
    // The first member tells the level; all members of a group share it.
    let level = match (rules.groups.members(name), custom) {
        (Some(members), _) => members.first().map(|p| p.level()),
        (None, Some(group)) => group.privileges.iter().next().map(|member| level_of(member)),
        (None, None) => None,
    };
    let Some(level) = level else {
        return Ok(());
    };
    let collection = match &request.target {
        Target::V2 { collection } => collection.as_str(),
        Target::V1 { object, .. } => object.as_str(),
    };
    let every_database = request.database == ANY;
    let every_collection = collection == ANY || collection.is_empty();
    match level {
        Some(Level::Cluster) if !(every_database && every_collection) => {
            Err(Error::invalid(format_args!(
                "dbName and collectionName should be * for the cluster level privilege: {name}"
            )))
        }
        Some(Level::Database) if !every_collection => Err(Error::invalid(format_args!(
            "collectionName should be * for the database level privilege: {name}"
        ))),
        Some(Level::Collection) if every_database && !every_collection => Err(Error::invalid(
            format_args!("please specify database name for the collection level privilege: {name}"),
        )),
        Some(_) => Ok(()),
        None => Err(Error::invalid("not found the privilege level")),
    }
}

/// The level of a group's member; groups and names that are no single privilege have none.
fn level_of(member: &str) -> Option<Level> {
    Privilege::named(member).and_then(Privilege::level)
}

fn create_group(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    if name.is_empty() {
        return Err(Error::invalid("privilege group name is empty"));
    }
    if state.groups.contains_key(name) {
        return Err(Error::invalid(format_args!(
            "privilege group name [{name}] is defined by users"
        )));
    }
    if is_defined(name) {
        return Err(Error::invalid(format_args!(
            "privilege group name [{name}] is defined by built in privileges or privilege groups in system"
        )));
    }
    Ok(vec![Change::PutGroup { name: name.into(), group: Group::default() }])
}

fn drop_group(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    let Some((name, _)) = state.groups.get_key_value(name) else {
        return Ok(Vec::new());
    };
    let stored = format!("{GROUP_PREFIX}{name}");
    let user = state
        .roles
        .iter()
        .find(|(_, role)| role.grants.keys().any(|grant| *grant.privilege == *stored));
    if let Some((role, _)) = user {
        return Err(Error::invalid(format_args!(
            "privilege group [{name}] is used by role [{role}], Use REVOKE API to revoke it first"
        )));
    }
    Ok(vec![Change::DeleteGroup { name: name.clone() }])
}

fn operate_group(
    state: &State,
    name: &str,
    sent: &[String],
    operation: Option<MemberOperation>,
) -> Result<Vec<Change>, Error> {
    let check = |e: Error| e.context("failed to check if privilege group alterable");
    let refuse = |message: String| Err(check(Error::invalid(message)));
    if name.is_empty() {
        return refuse("privilege group name is empty".to_owned());
    }
    let Some((name, group)) = state.groups.get_key_value(name) else {
        return refuse(format!(
            "there is no privilege group name [{name}] defined in system to operate"
        ));
    };
    if sent.is_empty() {
        return refuse("privileges is empty when alter the privilege group".to_owned());
    }
    let unknown = |p: &&String| !is_defined(p) && !state.groups.contains_key(p.as_str());
    if let Some(unknown) = sent.iter().find(unknown) {
        return refuse(format!(
            "there is no privilege name or privilege group name [{unknown}] defined in system to operate"
        ));
    }
    let sent: OrdSet<Name> = sent.iter().map(|p| Name::from(p.as_str())).collect();
    let present = group.privileges.clone();
    let privileges = match operation {
        None => {
            return Err(Error::verbatim(
                ErrorKind::Unclassified,
                "invalid operate privilege group type",
            ));
        }
        Some(MemberOperation::Remove) => present.relative_complement(sent),
        Some(MemberOperation::Add) => {
            let union = present.union(sent);
            let mut levels = union.iter().map(|member| level_of(member));
            let first = levels.next();
            if levels.any(|level| Some(level) != first) {
                return refuse("privileges are not the same privilege level".to_owned());
            }
            union
        }
    };
    if privileges == group.privileges {
        return Ok(Vec::new());
    }
    Ok(vec![Change::PutGroup { name: name.clone(), group: Group { privileges } }])
}

/// The refusal of a request that names an unknown database.
pub fn no_database(name: &str) -> Error {
    Error::bare(ErrorKind::DatabaseNotFound, format_args!("[database={}]", name::shortened(name)))
}

fn create_database(
    state: &State,
    name: &str,
    created: u64,
    properties: &BTreeMap<String, String>,
) -> Result<Vec<Change>, Error> {
    if state.databases.contains_key(name) {
        return Err(Error::invalid(format_args!("database already exist: {name}")));
    }
    // `default` does not count.
    if state.databases.len() > MAX_DATABASES {
        return Err(Error::bare(ErrorKind::DatabaseLimit, format_args!("[limit={MAX_DATABASES}]")));
    }
    // The time of creation serves as the id, as in Milvus; a clock that went back must not repeat
    // one.
    let newest = state.databases.values().map(|d| d.id).max().unwrap_or_default();
    let id = created.max(newest.saturating_add(1));
    let database = Database { id, created, properties: properties.clone() };
    Ok(vec![Change::PutDatabase { name: name.into(), database }])
}

fn alter_database(
    state: &State,
    name: &str,
    set: &BTreeMap<String, String>,
    unset: &[String],
) -> Result<Vec<Change>, Error> {
    let Some((name, current)) = state.databases.get_key_value(name) else {
        return Err(no_database(name));
    };
    let mut database = current.clone();
    database.properties.extend(set.clone());
    database.properties.retain(|key, _| !unset.contains(key));
    if database == *current {
        return Ok(Vec::new());
    }
    Ok(vec![Change::PutDatabase { name: name.clone(), database }])
}

fn drop_database(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    if name == DEFAULT_DATABASE {
        return Err(Error::invalid("can not drop default database"));
    }
    let Some((name, _)) = state.databases.get_key_value(name) else {
        return Err(no_database(name));
    };
    Ok(vec![Change::DeleteDatabase { name: name.clone() }])
}

/// The refusal to delete `root`, `admin` or `public`, checked before the state is looked at.
///
/// # Errors
/// The name is one of theirs.
pub fn check_deletable_user(name: &str) -> Result<(), Error> {
    // Milvus compares before trimming, and " root" slips through there.
    if name.trim() == ROOT {
        return Err(Error::new(ErrorKind::NotPermitted, "root user cannot be deleted"));
    }
    Ok(())
}

/// The refusal to alter or drop a default role. `what` is `altered` or `dropped`.
///
/// # Errors
/// The role is `admin` or `public`.
pub fn check_default_role(name: &str, what: &str) -> Result<(), Error> {
    if matches!(name, ADMIN | PUBLIC) {
        return Err(Error::new(
            ErrorKind::NotPermitted,
            format_args!("the role[{name}] is a default role, which can't be {what}"),
        ));
    }
    Ok(())
}
