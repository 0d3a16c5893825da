//! Commands in MongoDB's form: `grantPrivilegesToRole`, `revokePrivilegesFromRole` and `rolesInfo`,
//! as requests, and their answers.

mod roles_info;
mod shell;

use serde_json::{Map, Value, json};

pub use self::roles_info::{RolesInfo, all_grants_of, roles_info};
pub use self::shell::statements;
use crate::rpc::proto::access::resource::Resource as Named;
use crate::rpc::proto::access::{
    Place, Resource, RolePrivileges, RolePrivilegesRequest, RolePrivilegesResponse,
};

/// A command that is understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `grantPrivilegesToRole`.
    Grant(RolePrivilegesRequest),
    /// `revokePrivilegesFromRole`.
    Revoke(RolePrivilegesRequest),
    /// `rolesInfo`.
    RolesInfo(RolesInfo),
}

const GRANT: &str = "grantPrivilegesToRole";
const REVOKE: &str = "revokePrivilegesFromRole";
const ROLES_INFO: &str = "rolesInfo";

/// Takes a command's document.
///
/// # Errors
/// It is no such command; the text names the field.
pub fn parse(document: &Value) -> Result<Command, String> {
    let document = object(document, "the command")?;
    let named = |name: &str| document.contains_key(name);
    match (named(GRANT), named(REVOKE), named(ROLES_INFO)) {
        (true, false, false) => privileges(document, GRANT).map(Command::Grant),
        (false, true, false) => privileges(document, REVOKE).map(Command::Revoke),
        (false, false, true) => roles_info::parse(document).map(Command::RolesInfo),
        _ => {
            let known = format!("{GRANT}, {REVOKE}, {ROLES_INFO}");
            Err(format!("the command names none of {known}, or more than one"))
        }
    }
}

/// The answer to a grant or a revoke.
///
/// # Errors
/// It was refused: the code and the text of that.
pub fn answer(response: RolePrivilegesResponse) -> Result<Value, (i32, String)> {
    let RolePrivilegesResponse { status, modified, revision } = response;
    let status = status.unwrap_or_default();
    if status.code != 0 {
        return Err((status.code, status.reason));
    }
    if revision == 0 {
        // Nobody waited for it.
        return Ok(json!({"ok": 1}));
    }
    Ok(json!({"ok": 1, "nModified": modified, "revision": revision}))
}

/// The answer to a command that was refused.
pub fn refusal(code: i32, text: &str) -> Value {
    json!({"ok": 0, "code": code, "errmsg": text})
}

fn privileges(document: &Map<String, Value>, name: &str) -> Result<RolePrivilegesRequest, String> {
    only(document, &[name, "privileges", "writeConcern", "comment"], "")?;
    let mut request = RolePrivilegesRequest {
        role: text(document.get(name), name)?,
        ..RolePrivilegesRequest::default()
    };
    let privileges = list(document.get("privileges"), "privileges")?;
    for (index, privilege) in privileges.iter().enumerate() {
        let field = format!("privileges[{index}]");
        let privilege = object(privilege, &field)?;
        only(privilege, &["resource", "actions"], &field)?;
        let resource = resource(privilege.get("resource"), &format!("{field}.resource"))?;
        let field = format!("{field}.actions");
        let actions = list(privilege.get("actions"), &field)?.iter().enumerate();
        let actions = actions.map(|(i, action)| text(Some(action), &format!("{field}[{i}]")));
        let actions = actions.collect::<Result<_, _>>()?;
        request.privileges.push(RolePrivileges { resource: Some(resource), actions });
    }
    write_concern(document.get("writeConcern"), &mut request)?;
    request.comment = match document.get("comment") {
        None => String::new(),
        Some(Value::String(comment)) => comment.clone(),
        Some(other) => other.to_string(),
    };
    Ok(request)
}

fn resource(document: Option<&Value>, field: &str) -> Result<Resource, String> {
    let document = object(document.unwrap_or(&Value::Null), field)?;
    let is_true = |name: &str| match document.get(name) {
        Some(Value::Bool(true)) => Ok(()),
        _ => Err(format!("{field}.{name} is not true")),
    };
    let named = if document.contains_key("cluster") {
        only(document, &["cluster"], field)?;
        is_true("cluster").map(|()| Named::Cluster(true))?
    } else if document.contains_key("anyResource") {
        only(document, &["anyResource"], field)?;
        is_true("anyResource").map(|()| Named::AnyResource(true))?
    } else {
        only(document, &["db", "collection"], field)?;
        let part = |name: &str| text(document.get(name), &format!("{field}.{name}"));
        Named::Place(Place { db: part("db")?, collection: part("collection")? })
    };
    Ok(Resource { resource: Some(named) })
}

/// `w: 0` waits for nothing; all others wait until the change is durable, which is one and the same
/// here. `wtimeout` bounds that.
fn write_concern(
    document: Option<&Value>,
    request: &mut RolePrivilegesRequest,
) -> Result<(), String> {
    let Some(document) = document else { return Ok(()) };
    let field = "writeConcern";
    let document = object(document, field)?;
    only(document, &["w", "j", "wtimeout"], field)?;
    request.unacknowledged = match document.get("w") {
        None | Some(Value::String(_)) => false,
        Some(Value::Number(number)) if number.as_u64().is_some() => number.as_u64() == Some(0),
        Some(_) => return Err(format!("{field}.w is neither a number nor a text")),
    };
    if !matches!(document.get("j"), None | Some(Value::Bool(_))) {
        return Err(format!("{field}.j is neither true nor false"));
    }
    request.timeout_ms = match document.get("wtimeout") {
        None => 0,
        Some(milliseconds) => milliseconds
            .as_u64()
            .and_then(|milliseconds| u32::try_from(milliseconds).ok())
            .ok_or_else(|| format!("{field}.wtimeout is no number of milliseconds"))?,
    };
    Ok(())
}

fn object<'v>(value: &'v Value, field: &str) -> Result<&'v Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{field} is not a document"))
}

fn list<'v>(value: Option<&'v Value>, field: &str) -> Result<&'v Vec<Value>, String> {
    value.and_then(Value::as_array).ok_or_else(|| format!("{field} is not a list"))
}

fn text(value: Option<&Value>, field: &str) -> Result<String, String> {
    let text = value.and_then(Value::as_str).ok_or_else(|| format!("{field} is not a text"))?;
    Ok(text.to_owned())
}

/// Nothing is passed over: what is not understood could be what mattered.
fn only(document: &Map<String, Value>, known: &[&str], field: &str) -> Result<(), String> {
    let unknown = document.keys().find(|key| !known.contains(&key.as_str()));
    let Some(unknown) = unknown else { return Ok(()) };
    let within = if field.is_empty() { String::new() } else { format!("{field}.") };
    Err(format!("{within}{unknown} is not known here; known are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Value {
        json!({
            "revokePrivilegesFromRole": "associate",
            "privileges": [
                {
                    "resource": {"db": "products", "collection": ""},
                    "actions": ["createCollection", "createIndex", "find"],
                },
                {"resource": {"cluster": true}, "actions": ["insert"]},
                {"resource": {"anyResource": true}, "actions": ["All"]},
            ],
            "writeConcern": {"w": "majority", "j": true, "wtimeout": 5000},
            "comment": {"ticket": 7},
        })
    }

    #[test]
    fn a_command_becomes_a_request() {
        let on = |resource, actions: &[&str]| RolePrivileges {
            resource: Some(Resource { resource: Some(resource) }),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        };
        let place = Place { db: "products".to_owned(), collection: String::new() };
        let expected = RolePrivilegesRequest {
            role: "associate".to_owned(),
            privileges: vec![
                on(Named::Place(place), &["createCollection", "createIndex", "find"]),
                on(Named::Cluster(true), &["insert"]),
                on(Named::AnyResource(true), &["All"]),
            ],
            unacknowledged: false,
            timeout_ms: 5000,
            comment: r#"{"ticket":7}"#.to_owned(),
        };
        assert_eq!(parse(&example()), Ok(Command::Revoke(expected.clone())));
        let mut grant = example();
        let role = grant.as_object_mut().unwrap().remove(REVOKE).unwrap();
        grant[GRANT] = role;
        grant["writeConcern"] = json!({"w": 0});
        let expected = RolePrivilegesRequest { unacknowledged: true, timeout_ms: 0, ..expected };
        assert_eq!(parse(&grant), Ok(Command::Grant(expected)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let none = "the command names none of grantPrivilegesToRole, revokePrivilegesFromRole, \
                    rolesInfo, or more than one";
        for (pointer, value, text) in [
            ("", json!([]), "the command is not a document"),
            ("", json!({}), none),
            ("", json!({GRANT: "r", REVOKE: "r", "privileges": []}), none),
            ("/revokePrivilegesFromRole", json!(7), "revokePrivilegesFromRole is not a text"),
            ("/privileges", json!({}), "privileges is not a list"),
            ("/privileges/0", json!("x"), "privileges[0] is not a document"),
            ("/privileges/0/resource", json!(null), "privileges[0].resource is not a document"),
            (
                "/privileges/0/resource",
                json!({"db": "x"}),
                "privileges[0].resource.collection is not a text",
            ),
            (
                "/privileges/0/resource",
                json!({"db": "x", "collection": "", "system_buckets": ""}),
                "privileges[0].resource.system_buckets is not known here; known are db, collection",
            ),
            (
                "/privileges/1/resource",
                json!({"cluster": false}),
                "privileges[1].resource.cluster is not true",
            ),
            ("/privileges/1/actions", json!("find"), "privileges[1].actions is not a list"),
            ("/privileges/0/actions/1", json!(1), "privileges[0].actions[1] is not a text"),
            ("/writeConcern", json!(1), "writeConcern is not a document"),
            ("/writeConcern/w", json!(-1), "writeConcern.w is neither a number nor a text"),
            ("/writeConcern/j", json!("yes"), "writeConcern.j is neither true nor false"),
            (
                "/writeConcern/wtimeout",
                json!(1.5),
                "writeConcern.wtimeout is no number of milliseconds",
            ),
        ] {
            let mut document = example();
            *document.pointer_mut(pointer).unwrap() = value;
            assert_eq!(parse(&document), Err(text.to_owned()), "{pointer}");
        }
        let mut document = example();
        document["maxTimeMS"] = json!(1);
        assert!(parse(&document).unwrap_err().starts_with("maxTimeMS is not known here"));
    }
}
