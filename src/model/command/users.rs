//! Users: creating, changing, deleting.

use super::{PasswordChange, Rules, quota, reached};
use crate::model::error::{Error, ErrorKind};
use crate::model::name;
use crate::model::state::{Change, Name, ROOT, State};

pub(super) fn create(
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

pub(super) fn update(
    state: &State,
    name: &str,
    password: Option<&PasswordChange>,
    description: Option<&str>,
) -> Result<Vec<Change>, Error> {
    let (key, current) = match state.users.get_key_value(name.trim()) {
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
    if (password_hash, &description) == (&current.password_hash, &current.description) {
        return Ok(Vec::new());
    }
    Ok(vec![Change::PutUser {
        name: key.clone(),
        password_hash: password_hash.clone(),
        description,
    }])
}

pub(super) fn reset_root(state: &State, password_hash: &Name) -> Vec<Change> {
    let description = state.users.get(ROOT).map(|root| root.description.clone());
    let description = description.unwrap_or_default();
    vec![Change::PutUser { name: ROOT.into(), password_hash: password_hash.clone(), description }]
}

pub(super) fn delete(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    if name.is_empty() {
        return Err(Error::invalid("username is empty"));
    }
    check_deletable_user(name)?;
    let Some((name, user)) = state.users.get_key_value(name) else {
        return Ok(Vec::new());
    };
    let unbind = |role: &Name| Change::Unbind { user: name.clone(), role: role.clone() };
    let mut changes: Vec<_> = user.roles.keys().map(unbind).collect();
    changes.push(Change::DeleteUser { name: name.clone() });
    Ok(changes)
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
