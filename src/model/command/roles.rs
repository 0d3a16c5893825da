//! Roles: creating, changing, dropping, and binding them to users.

use std::fmt::Write as _;

use super::{MemberOperation, Rules, quota, reached};
use crate::model::error::{Error, ErrorKind};
use crate::model::name;
use crate::model::state::{ADMIN, Change, Grant, Name, PUBLIC, State};

/// The text form of a role in Milvus' "already exists" error.
fn role_text(name: &str, description: &str) -> String {
    let mut text = format!("name:{name:?}");
    if !description.is_empty() {
        let _ = write!(text, " description:{description:?}");
    }
    text
}

pub(super) fn create(
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

pub(super) fn alter(state: &State, name: &str, description: &str) -> Result<Vec<Change>, Error> {
    check_default_role(name, "altered")?;
    let Some((name, role)) = state.roles.get_key_value(name) else {
        return Err(Error::verbatim(ErrorKind::Unclassified, "role not exists"));
    };
    if &*role.description == description {
        return Ok(Vec::new());
    }
    Ok(vec![Change::PutRole { name: name.clone(), description: description.into() }])
}

pub(super) fn drop(state: &State, name: &str, force: bool) -> Result<Vec<Change>, Error> {
    check_default_role(name, "dropped")?;
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
    changes.extend(role.users.keys().map(unbind));
    changes.push(Change::DeleteRole { name: name.clone() });
    Ok(changes)
}

pub(super) fn operate(
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
        // White space around a name is not counted when its form is checked.
        let user = name::shortened(user);
        return Err(Error::invalid(format_args!("user \"{user}\" not found"))
            .context("failed to check if operate user role"));
    }
    let bound = found.filter(|(_, u)| u.roles.contains_key(role));
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

const NO_ROLE: &str = "not found the role, maybe the role isn't existed or internal system error";
