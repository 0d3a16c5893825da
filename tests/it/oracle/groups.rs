//! Custom privilege groups.

use std::collections::BTreeSet;

use super::{ADD, Oracle, REMOVE, Verdict, catalogue, invalid, names, refused};

impl Oracle {
    pub(super) fn create_group(&mut self, name: &str) -> Verdict {
        names::group(name)?;
        let refuse = |by: &str| {
            let message = format!("privilege group name [{name}] is defined by {by}");
            Err(invalid(message).told_by("failed to check if privilege group creatable"))
        };
        if self.groups.contains_key(name) {
            return refuse("users");
        }
        if catalogue::defined(name).is_some() {
            return refuse("built in privileges or privilege groups in system");
        }
        self.groups.insert(name.to_owned(), BTreeSet::new());
        Ok(())
    }

    pub(super) fn drop_group(&mut self, name: &str) -> Verdict {
        names::group(name)?;
        if !self.groups.contains_key(name) {
            return Ok(());
        }
        let in_use = |role: &&String| {
            let mut grants = self.grants.iter().filter(|grant| grant.role == **role);
            grants.any(|grant| grant.privilege == catalogue::stored(name))
        };
        if let Some(role) = self.roles.keys().find(in_use) {
            return Err(invalid(format!(
                "privilege group [{name}] is used by role [{role}], Use REVOKE API to revoke \
                 it first"
            ))
            .told_by("failed to check if privilege group dropable"));
        }
        self.groups.remove(name);
        Ok(())
    }

    pub(super) fn operate_group(
        &mut self,
        name: &str,
        privileges: &[String],
        number: i32,
    ) -> Verdict {
        names::group(name)?;
        privileges.iter().try_for_each(|privilege| names::general("Privilege", privilege))?;
        let refuse = |message: String| {
            Err(invalid(message).told_by("failed to check if privilege group alterable"))
        };
        let Some(present) = self.groups.get(name) else {
            return refuse(format!(
                "there is no privilege group name [{name}] defined in system to operate"
            ));
        };
        if privileges.is_empty() {
            return refuse("privileges is empty when alter the privilege group".to_owned());
        }
        let unknown = |privilege: &&String| {
            catalogue::defined(privilege).is_none() && !self.groups.contains_key(*privilege)
        };
        if let Some(unknown) = privileges.iter().find(unknown) {
            return refuse(format!(
                "there is no privilege name or privilege group name [{unknown}] defined in system \
                 to operate"
            ));
        }
        let mut members = present.clone();
        match number {
            ADD => members.extend(privileges.iter().cloned()),
            REMOVE => members.retain(|member| !privileges.contains(member)),
            _ => return Err(refused(65535, "invalid operate privilege group type")),
        }
        let levels: BTreeSet<_> = members.iter().map(|p| catalogue::level_of(p)).collect();
        if number == ADD && levels.len() > 1 {
            return refuse("privileges are not the same privilege level".to_owned());
        }
        self.groups.insert(name.to_owned(), members);
        Ok(())
    }

    /// The custom groups, whose members Milvus lists in any order and we in byte order; then the
    /// built-in ones.
    pub(crate) fn list_groups(&self) -> Vec<(String, Vec<String>)> {
        let custom = self
            .groups
            .iter()
            .map(|(name, members)| (name.clone(), members.iter().cloned().collect()));
        let built_in = catalogue::built_in_groups().map(|(name, members)| {
            (name.to_owned(), members.iter().map(|&member| member.to_owned()).collect())
        });
        custom.chain(built_in).collect()
    }
}
