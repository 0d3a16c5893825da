//! Users, roles, and who holds which.

use std::collections::BTreeSet;

use super::{ADD, Oracle, REMOVE, Refused, User, Verdict, invalid, names, refused};

pub(super) const NO_ROLE: &str =
    "not found the role, maybe the role isn't existed or internal system error";

/// A user as listed, with the stored password, and the roles bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserRow {
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) description: String,
    pub(crate) roles: Vec<String>,
}

/// A role as listed, with the users bound. These are a set here: the order on the wire is that of
/// the texts `<user>/`, which the wire layers see to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoleRow {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) users: BTreeSet<String>,
}

/// The refusal names the limit (design, section 7, row 7).
fn quota(what: &str, plural: &str, limit: usize) -> Refused {
    let reason = format!("unable to {what} because the number of {plural} has reached the limit");
    refused(9, format!("quota exceeded[reason={reason}][limit={limit}]"))
}

/// The text form of a role.
fn entity(name: &str, description: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match description {
        "" => format!("name:{}", quoted(name)),
        _ => format!("name:{} description:{}", quoted(name), quoted(description)),
    }
}

fn default_role(role: &str, what: &str) -> Verdict {
    if role != "admin" && role != "public" {
        return Ok(());
    }
    let message = format!("the role[{role}] is a default role, which can't be {what}");
    Err(refused(1401, message + ": privilege not permitted"))
}

impl Oracle {
    pub(super) fn create_user(&mut self, name: &str, hash: &str, description: &str) -> Verdict {
        names::user(name)?;
        names::user_description(description)?;
        let name = name.trim();
        if self.users.contains_key(name) {
            return Err(invalid(format!("user already exists: {name}")));
        }
        if self.max_users > 0 && self.users.len() >= self.max_users {
            return Err(quota("add user", "users", self.max_users)
                .told_by("failed to check if add credential"));
        }
        let user = User { hash: hash.to_owned(), description: description.to_owned() };
        self.users.insert(name.to_owned(), user);
        Ok(())
    }

    pub(super) fn update_user(
        &mut self,
        name: &str,
        hashes: Option<&(String, String)>,
        description: Option<&str>,
    ) -> Verdict {
        description.map_or(Ok(()), names::user_description)?;
        let user = self.users.get_mut(name.trim());
        if let Some((old, _)) = hashes
            && user.as_ref().is_none_or(|user| user.hash != *old)
        {
            let message = format!("old password not correct for {}", names::short(name));
            return Err(refused(1400, message + ": not authenticated"));
        }
        let Some(user) = user else {
            let text = "failed to check if update credential: user not found";
            return Err(refused(65535, text));
        };
        if let Some((_, new)) = hashes {
            new.clone_into(&mut user.hash);
        }
        if let Some(description) = description {
            description.clone_into(&mut user.description);
        }
        Ok(())
    }

    pub(super) fn delete_user(&mut self, name: &str) -> Verdict {
        let name = name.trim();
        // Milvus compares before it trims, and so loses root to " root"; our choice is not to.
        if name == "root" {
            return Err(refused(1401, "root user cannot be deleted: privilege not permitted"));
        }
        if name.is_empty() {
            return Err(
                invalid("username is empty").told_by("failed to check if delete credential")
            );
        }
        self.users.remove(name);
        self.bindings.retain(|(user, _)| user != name);
        Ok(())
    }

    pub(super) fn create_role(&mut self, name: &str, description: &str) -> Verdict {
        names::general("role name", name)?;
        names::role_description(description)?;
        if self.roles.contains_key(name) {
            let role = entity(name, description);
            return Err(invalid(format!("role [{role}] already exists")));
        }
        if self.max_roles > 0 && self.roles.len() >= self.max_roles {
            return Err(quota("create role", "roles", self.max_roles)
                .told_by("failed to check if create role"));
        }
        self.roles.insert(name.to_owned(), description.to_owned());
        Ok(())
    }

    pub(super) fn alter_role(&mut self, name: &str, description: &str) -> Verdict {
        names::general("role name", name)?;
        names::role_description(description)?;
        default_role(name, "altered")?;
        let Some(current) = self.roles.get_mut(name) else {
            return Err(refused(65535, "failed to check if alter role: role not exists"));
        };
        description.clone_into(current);
        Ok(())
    }

    pub(super) fn drop_role(&mut self, name: &str, force: bool) -> Verdict {
        names::general("role name", name)?;
        default_role(name, "dropped")?;
        if !self.roles.contains_key(name) {
            return Err(invalid(NO_ROLE));
        }
        if !force && self.grants.iter().any(|grant| grant.role == name) {
            return Err(invalid(
                "fail to drop the role that it has privileges. Use REVOKE API to revoke privileges",
            )
            .told_by("failed to check if drop role"));
        }
        self.roles.remove(name);
        self.bindings.retain(|(_, role)| role != name);
        self.grants.retain(|grant| grant.role != name);
        Ok(())
    }

    pub(super) fn operate_user_role(&mut self, user: &str, role: &str, number: i32) -> Verdict {
        names::user(user)?;
        names::general("role name", role)?;
        if !self.roles.contains_key(role) {
            return Err(invalid(NO_ROLE));
        }
        if number != REMOVE && !self.users.contains_key(user) {
            return Err(invalid(format!("user \"{user}\" not found"))
                .told_by("failed to check if operate user role"));
        }
        let binding = (user.to_owned(), role.to_owned());
        match number {
            ADD => self.bindings.insert(binding),
            REMOVE => self.bindings.remove(&binding),
            _ => return Err(refused(65535, "invalid operate user role type")),
        };
        Ok(())
    }

    /// The roles bound to a user.
    pub(super) fn roles_of(&self, user: &str) -> Vec<String> {
        let bound = self.bindings.iter().filter(|(bound, _)| bound == user);
        bound.map(|(_, role)| role.clone()).collect()
    }

    /// All users.
    pub(crate) fn list_users(&self) -> Vec<UserRow> {
        let row = |(name, user): (&String, &User)| UserRow {
            name: name.clone(),
            hash: user.hash.clone(),
            description: user.description.clone(),
            roles: self.roles_of(name),
        };
        self.users.iter().map(row).collect()
    }

    /// All roles.
    pub(crate) fn list_roles(&self) -> Vec<RoleRow> {
        let row = |(name, description): (&String, &String)| RoleRow {
            name: name.clone(),
            description: description.clone(),
            users: self
                .bindings
                .iter()
                .filter(|(_, role)| role == name)
                .map(|(user, _)| user.clone())
                .collect(),
        };
        self.roles.iter().map(row).collect()
    }
}
