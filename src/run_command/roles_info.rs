//! `rolesInfo`: roles as MongoDB shows them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{ROLES_INFO, only, text};
use crate::model::privilege::ANY;
use crate::model::state::{ADMIN, PUBLIC};
use crate::rpc::proto::service::{GrantEntity, RoleEntity, SelectGrantRequest};

/// Which roles, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesInfo {
    /// Those named; none for all.
    pub roles: Option<Vec<String>>,
    /// Whether their privileges are shown.
    pub show_privileges: bool,
    /// Whether those that are always there are among all.
    pub show_built_in: bool,
}

fn is_built_in(role: &str) -> bool {
    role == ADMIN || role == PUBLIC
}

/// Roles named as MongoDB names them: `"r"`, `{ role: "r", db: … }`, a list of these, or 1 for all.
pub(super) fn parse(document: &Map<String, Value>) -> Result<RolesInfo, String> {
    only(document, &[ROLES_INFO, "showPrivileges", "showBuiltinRoles", "comment"], "")?;
    let flag = |name: &str| match document.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("{name} is neither true nor false")),
    };
    let roles = match document.get(ROLES_INFO) {
        Some(Value::Number(one)) if one.as_u64() == Some(1) => None,
        Some(Value::Array(roles)) => {
            let roles = roles.iter().enumerate();
            let roles = roles.map(|(i, role)| name(role, &format!("{ROLES_INFO}[{i}]")));
            Some(roles.collect::<Result<_, _>>()?)
        }
        role => Some(vec![name(role.unwrap_or(&Value::Null), ROLES_INFO)?]),
    };
    let (show_privileges, show_built_in) = (flag("showPrivileges")?, flag("showBuiltinRoles")?);
    Ok(RolesInfo { roles, show_privileges, show_built_in })
}

fn name(role: &Value, field: &str) -> Result<String, String> {
    let Value::Object(role) = role else { return text(Some(role), field) };
    only(role, &["role", "db"], field)?;
    text(role.get("role"), &format!("{field}.role"))
}

impl RolesInfo {
    /// The names of the roles that are shown, each once, where `all` are those of the server.
    pub fn shown(&self, all: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        match &self.roles {
            Some(names) => names.iter().cloned().collect(),
            None => {
                let shown = |role: &String| self.show_built_in || !is_built_in(role);
                all.into_iter().filter(shown).collect()
            }
        }
    }

    /// A role that holds `grants`, which are shown if asked for.
    pub fn role(&self, name: &str, grants: Vec<GrantEntity>) -> Value {
        let mut role = json!({"role": name, "isBuiltin": is_built_in(name), "roles": []});
        if let (true, Some(role)) = (self.show_privileges, role.as_object_mut()) {
            role.insert("privileges".to_owned(), privileges(grants));
        }
        role
    }
}

/// Asks for what a role holds in all databases.
pub fn all_grants_of(role: &str) -> SelectGrantRequest {
    let role = Some(RoleEntity { name: role.to_owned(), ..RoleEntity::default() });
    let entity = GrantEntity { role, db_name: ANY.to_owned(), ..GrantEntity::default() };
    SelectGrantRequest { entity: Some(entity), ..SelectGrantRequest::default() }
}

/// The answer to `rolesInfo`.
pub fn roles_info(roles: &[Value]) -> Value {
    json!({"ok": 1, "roles": roles})
}

/// What is held, place by place, as it can be revoked.
fn privileges(grants: Vec<GrantEntity>) -> Value {
    let mut places: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for grant in grants {
        let privilege = grant.grantor.and_then(|grantor| grantor.privilege).unwrap_or_default();
        let name = |name: String| if name == ANY { String::new() } else { name };
        let place = (name(grant.db_name), name(grant.object_name));
        places.entry(place).or_default().push(privilege.name);
    }
    let places = places.into_iter().map(|((db, collection), mut actions)| {
        actions.sort();
        actions.dedup();
        json!({"resource": {"db": db, "collection": collection}, "actions": actions})
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_command::{Command, parse};

    #[test]
    fn roles_are_named_as_mongodb_names_them() {
        let info = |roles: Option<&[&str]>, show_privileges| {
            let roles = roles.map(|roles| roles.iter().map(|role| (*role).to_owned()).collect());
            Ok(Command::RolesInfo(RolesInfo { roles, show_privileges, show_built_in: false }))
        };
        for (document, expected) in [
            (json!({"rolesInfo": 1}), info(None, false)),
            (json!({"rolesInfo": "a", "showPrivileges": true}), info(Some(&["a"]), true)),
            (json!({"rolesInfo": {"role": "a", "db": "x"}}), info(Some(&["a"]), false)),
            (json!({"rolesInfo": ["a", {"role": "b"}]}), info(Some(&["a", "b"]), false)),
            (json!({"rolesInfo": 2}), Err("rolesInfo is not a text".to_owned())),
            (json!({"rolesInfo": [1]}), Err("rolesInfo[0] is not a text".to_owned())),
            (json!({"rolesInfo": {"db": "x"}}), Err("rolesInfo.role is not a text".to_owned())),
            (
                json!({"rolesInfo": 1, "showPrivileges": 1}),
                Err("showPrivileges is neither true nor false".to_owned()),
            ),
        ] {
            assert_eq!(parse(&document), expected, "{document}");
        }
    }
}
