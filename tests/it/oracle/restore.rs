//! Restoring a backup.
//!
//! Milvus checks five things and takes whatever else it is sent. We refuse what nobody could use or
//! take back afterwards, with texts of our own: see [`Oracle::check_forms`].

use std::collections::BTreeSet;

use super::{Grant, Oracle, User, Verdict, catalogue, invalid, names};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Backup {
    pub(crate) users: Vec<BackupUser>,
    pub(crate) roles: Vec<BackupRole>,
    pub(crate) grants: Vec<BackupGrant>,
    pub(crate) groups: Vec<BackupGroup>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupUser {
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupRole {
    pub(crate) name: String,
    pub(crate) description: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupGrant {
    pub(crate) role: String,
    pub(crate) object_type: String,
    pub(crate) object: String,
    pub(crate) database: String,
    pub(crate) privilege: String,
    pub(crate) grantor: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupGroup {
    pub(crate) name: String,
    pub(crate) privileges: Vec<String>,
}

impl Oracle {
    pub(super) fn restore(&mut self, backup: &Backup) -> Verdict {
        backup.roles.iter().try_for_each(|role| names::role_description(&role.description))?;
        self.check_against_state(backup)
            .and_then(|()| self.check_forms(backup))
            .map_err(|refused| refused.told_by("failed to check if rbac restorable"))?;
        for BackupRole { name, description } in &backup.roles {
            self.roles.insert(name.clone(), description.clone());
        }
        for BackupGroup { name, privileges } in &backup.groups {
            self.groups.insert(name.clone(), privileges.iter().cloned().collect());
        }
        for grant in &backup.grants {
            self.restore_grant(grant);
        }
        for BackupUser { name, hash, roles } in &backup.users {
            let user = User { hash: hash.clone(), description: String::new() };
            self.users.insert(name.clone(), user);
            self.bindings.extend(roles.iter().map(|role| (name.clone(), role.clone())));
        }
        Ok(())
    }

    /// A grant that is held already stays with its grantor.
    fn restore_grant(&mut self, grant: &BackupGrant) {
        let database = if grant.database.is_empty() { "default" } else { &grant.database };
        let new = Grant {
            role: grant.role.clone(),
            object_type: grant.object_type.clone(),
            database: database.to_owned(),
            object: grant.object.clone(),
            privilege: catalogue::stored(&grant.privilege),
            grantor: grant.grantor.clone(),
        };
        let same = |held: &Grant| Grant { grantor: new.grantor.clone(), ..held.clone() } == new;
        if !self.grants.iter().any(same) {
            self.grants.push(new);
        }
    }

    /// Milvus' five checks; the sixth, of the grants' roles, is ours.
    fn check_against_state(&self, backup: &Backup) -> Verdict {
        let has_role = |name: &str| {
            self.roles.contains_key(name) || backup.roles.iter().any(|role| role.name == name)
        };
        for role in &backup.roles {
            if self.roles.contains_key(&role.name) {
                return exists("role", &role.name);
            }
        }
        for group in &backup.groups {
            if self.groups.contains_key(&group.name) {
                return exists("privilege group", &group.name);
            }
        }
        for BackupGrant { privilege, .. } in &backup.grants {
            if privilege != "*" && !self.knows(privilege, backup) {
                return missing("privilege", privilege);
            }
        }
        for user in &backup.users {
            if self.users.contains_key(&user.name) {
                return exists("user", &user.name);
            }
            if let Some(role) = user.roles.iter().find(|role| !has_role(role)) {
                return missing("role", role);
            }
        }
        match backup.grants.iter().find(|grant| !has_role(&grant.role)) {
            Some(grant) => missing("role", &grant.role),
            None => Ok(()),
        }
    }

    fn knows(&self, privilege: &str, backup: &Backup) -> bool {
        catalogue::defined(privilege).is_some()
            || self.groups.contains_key(privilege)
            || backup.groups.iter().any(|group| group.name == privilege)
    }

    /// Ours: every name is one that could have been created, and none comes twice.
    fn check_forms(&self, backup: &Backup) -> Verdict {
        let names: BTreeSet<_> = backup.roles.iter().map(|role| &role.name).collect();
        if names.len() < backup.roles.len() {
            return Err(invalid("the backup holds a role twice"));
        }
        backup.roles.iter().try_for_each(|role| names::general("role name", &role.name))?;
        let mut seen = BTreeSet::new();
        for BackupGroup { name, privileges } in &backup.groups {
            names::group(name)?;
            if catalogue::defined(name).is_some() || !seen.insert(name) {
                return exists("privilege group", name);
            }
            if let Some(unknown) = privileges.iter().find(|p| !self.knows(p, backup)) {
                return missing("privilege", unknown);
            }
        }
        let mut seen = BTreeSet::new();
        for BackupUser { name, hash, .. } in &backup.users {
            names::user(name)?;
            if name.trim() != name {
                return Err(invalid(format!("user [{}] has blanks around it", names::short(name))));
            }
            if !seen.insert(name) {
                return exists("user", name);
            }
            if !is_bcrypt(hash) {
                return Err(invalid(format!(
                    "the password of user [{name}] is not a bcrypt hash of cost 4 to 14"
                )));
            }
        }
        backup.grants.iter().try_for_each(check_grant)
    }
}

fn check_grant(grant: &BackupGrant) -> Verdict {
    let object_type = &grant.object_type;
    names::general("ObjectType", object_type)?;
    if !["Collection", "Global", "User"].contains(&object_type.as_str()) {
        return Err(invalid(format!("not found the object type[name: {object_type}]")));
    }
    names::general("object name", &grant.object)?;
    names::grant_database(&grant.database)?;
    if grant.grantor.is_empty() { Ok(()) } else { names::user(&grant.grantor) }
}

fn exists(what: &str, name: &str) -> Verdict {
    Err(invalid(format!("{what} [{}] already exists", names::short(name))))
}

fn missing(what: &str, name: &str) -> Verdict {
    Err(invalid(format!("{what} [{}] does not exist", names::short(name))))
}

/// `$2b$10$` and 53 more characters; the cost is bounded, since every login pays it.
fn is_bcrypt(hash: &str) -> bool {
    let parts: Vec<_> = hash.split('$').collect();
    let [before, version, cost, rest] = parts.as_slice() else {
        return false;
    };
    let cost_is_fair = cost.parse().is_ok_and(|cost: u32| (4..=14).contains(&cost));
    before.is_empty() && version.starts_with('2') && cost_is_fair && rest.len() == 53
}
