//! Bringing back what a backup holds, all of it or nothing.

use std::collections::BTreeSet;

use super::command::check_group_size as check_size;
use super::error::Error;
use super::name::{self, Kind};
use super::privilege::{ANY, ObjectType, is_defined, stored_name};
use super::state::{Change, DEFAULT_DATABASE, Grant, Group, Name, State};

/// The users, roles, grants and custom groups of a backup, as a client sent them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backup {
    /// All but `root`.
    pub users: Vec<BackupUser>,
    /// All but `admin` and `public`.
    pub roles: Vec<BackupRole>,
    /// The grants of those roles.
    pub grants: Vec<BackupGrant>,
    /// The custom groups.
    pub groups: Vec<BackupGroup>,
}

/// A user: the password is the stored hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupUser {
    /// The name.
    pub name: String,
    /// In bcrypt's text form.
    pub password_hash: String,
    /// The names of the roles bound to the user.
    pub roles: Vec<String>,
}

/// A role without its grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRole {
    /// The name.
    pub name: String,
    /// Free text.
    pub description: String,
}

/// A grant; the privilege is an API name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupGrant {
    /// Whose grant it is.
    pub role: String,
    /// `Collection`, `Global` or `User`.
    pub object_type: String,
    /// The name of the object, or `*`.
    pub object: String,
    /// The database, or `*`; empty is `default`.
    pub database: String,
    /// A privilege, a group, or `*`.
    pub privilege: String,
    /// Who granted it.
    pub grantor: String,
}

/// A custom group; the members are API names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupGroup {
    /// The name.
    pub name: String,
    /// The members.
    pub privileges: Vec<String>,
}

/// Password hashes that cost more are refused: each login attempt would burn seconds.
const MAX_BCRYPT_COST: u32 = 14;
const MIN_BCRYPT_COST: u32 = 4;

/// The changes that restore `backup` into `state`.
///
/// The first five checks are Milvus' own. The others follow them, since Milvus takes anything
/// there and stores names that it cannot read back, or grants of roles that do not exist.
pub(super) fn plan(backup: &Backup, state: &State) -> Result<Vec<Change>, Error> {
    let roles: BTreeSet<&str> = backup.roles.iter().map(|r| r.name.as_str()).collect();
    let groups: BTreeSet<&str> = backup.groups.iter().map(|g| g.name.as_str()).collect();
    check_against_state(backup, state, &roles, &groups)?;
    check_forms(backup, state, &roles, &groups)?;

    let mut changes = Vec::new();
    for role in &backup.roles {
        let (name, description) = (role.name.as_str().into(), role.description.as_str().into());
        changes.push(Change::PutRole { name, description });
    }
    for group in &backup.groups {
        let privileges = group.privileges.iter().map(|p| Name::from(p.as_str())).collect();
        check_size(&group.name, &privileges)?;
        let name = group.name.as_str().into();
        changes.push(Change::PutGroup { name, group: Group { privileges } });
    }
    let mut seen = BTreeSet::new();
    for grant in &backup.grants {
        let (role, stored) = (grant.role.as_str(), stored(grant)?);
        let held = state.roles.get(role).is_some_and(|r| r.grants.contains_key(&stored));
        if !held && seen.insert((role, stored.clone())) {
            let grantor = grant.grantor.as_str().into();
            changes.push(Change::Grant { role: role.into(), grant: stored, grantor });
        }
    }
    for user in &backup.users {
        let name = Name::from(user.name.as_str());
        let password_hash = user.password_hash.as_str().into();
        changes.push(Change::PutUser { name: name.clone(), password_hash, description: "".into() });
        let roles: BTreeSet<&str> = user.roles.iter().map(String::as_str).collect();
        let bind = |role: &str| Change::Bind { user: name.clone(), role: role.into() };
        changes.extend(roles.into_iter().map(bind));
    }
    Ok(changes)
}

fn check_against_state(
    backup: &Backup,
    state: &State,
    roles: &BTreeSet<&str>,
    groups: &BTreeSet<&str>,
) -> Result<(), Error> {
    let refuse = |what: &str, name: &str, why: &str| {
        Err(Error::invalid(format_args!("{what} [{}] {why}", name::shortened(name))))
    };
    for role in &backup.roles {
        name::check_role_description(&role.description)?;
        if state.roles.contains_key(&*role.name) {
            return refuse("role", &role.name, "already exists");
        }
    }
    for group in &backup.groups {
        if state.groups.contains_key(&*group.name) {
            return refuse("privilege group", &group.name, "already exists");
        }
    }
    let known =
        |p: &str| p == ANY || is_defined(p) || groups.contains(p) || state.groups.contains_key(p);
    if let Some(grant) = backup.grants.iter().find(|grant| !known(&grant.privilege)) {
        return refuse("privilege", &grant.privilege, "does not exist");
    }
    let has_role = |role: &str| roles.contains(role) || state.roles.contains_key(role);
    for user in &backup.users {
        if state.users.contains_key(&*user.name) {
            return refuse("user", &user.name, "already exists");
        }
        if let Some(role) = user.roles.iter().find(|role| !has_role(role)) {
            return refuse("role", role, "does not exist");
        }
    }
    if let Some(grant) = backup.grants.iter().find(|grant| !has_role(&grant.role)) {
        return refuse("role", &grant.role, "does not exist");
    }
    Ok(())
}

fn check_forms(
    backup: &Backup,
    state: &State,
    roles: &BTreeSet<&str>,
    groups: &BTreeSet<&str>,
) -> Result<(), Error> {
    if roles.len() < backup.roles.len() {
        return Err(Error::invalid("the backup holds a role twice"));
    }
    for role in &backup.roles {
        name::check(Kind::Role, &role.name)?;
    }
    let mut names = BTreeSet::new();
    for group in &backup.groups {
        name::check_group(&group.name)?;
        if is_defined(&group.name) || !names.insert(&group.name) {
            let group = &group.name;
            return Err(Error::invalid(format_args!("privilege group [{group}] already exists")));
        }
        for member in &group.privileges {
            let nested = groups.contains(&**member) || state.groups.contains_key(&**member);
            if !is_defined(member) && !nested {
                let member = name::shortened(member);
                return Err(Error::invalid(format_args!("privilege [{member}] does not exist")));
            }
        }
    }
    let mut names = BTreeSet::new();
    for user in &backup.users {
        name::check_user(&user.name)?;
        let name = &user.name;
        if name.trim() != name {
            return Err(Error::invalid(format_args!(
                "user [{}] has blanks around it",
                name::shortened(name)
            )));
        }
        if !names.insert(name) {
            return Err(Error::invalid(format_args!("user [{name}] already exists")));
        }
        check_hash(name, &user.password_hash)?;
    }
    backup.grants.iter().try_for_each(|grant| stored(grant).map(|_| ()))
}

/// Checks that a password is a hash that logins can be verified with.
///
/// # Errors
/// It is none, or too much work.
pub fn check_hash(user: &str, hash: &str) -> Result<(), Error> {
    let mut parts = hash.split('$').skip(1);
    let known = matches!(parts.next(), Some("2a" | "2b" | "2x" | "2y"));
    let cost = parts.next().filter(|cost| cost.len() == 2).and_then(|cost| cost.parse().ok());
    let cost: u32 = cost.unwrap_or_default();
    let is_digest = |text: &str| {
        text.len() == 53
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'))
    };
    let form = known && parts.next().is_some_and(is_digest) && parts.next().is_none();
    if form && (MIN_BCRYPT_COST..=MAX_BCRYPT_COST).contains(&cost) {
        return Ok(());
    }
    Err(Error::invalid(format_args!(
        "the password of user [{user}] is not a bcrypt hash of cost {MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}"
    )))
}

impl BackupGrant {
    /// The grant that it is stored as.
    ///
    /// # Errors
    /// A name breaks a rule.
    pub fn stored(&self) -> Result<Grant, Error> {
        stored(self)
    }
}

fn stored(grant: &BackupGrant) -> Result<Grant, Error> {
    name::check(Kind::ObjectType, &grant.object_type)?;
    let object_type = ObjectType::named(&grant.object_type).ok_or_else(|| {
        let object_type = &grant.object_type;
        Error::invalid(format_args!("not found the object type[name: {object_type}]"))
    })?;
    name::check(Kind::Object, &grant.object)?;
    let database = if grant.database.is_empty() { DEFAULT_DATABASE } else { &grant.database };
    name::check_grant_database(database)?;
    if !grant.grantor.is_empty() {
        name::check_user(&grant.grantor)?;
    }
    Ok(Grant {
        object_type,
        database: database.into(),
        object: grant.object.as_str().into(),
        privilege: stored_name(&grant.privilege).into(),
    })
}
