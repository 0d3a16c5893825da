//! Answers as sentences, and as JSON.

use serde_json::{Value, json};

use crate::rpc::proto::access::path::Reason;
use crate::rpc::proto::access::*;

/// What stands for a role that does not exist yet.
const NEW_ROLE: &str = "NEW_ROLE";

fn in_database(name: &str) -> String {
    match name {
        "*" => "every database".to_owned(),
        name => format!("database {name}"),
    }
}

/// Where something is needed.
fn place(requirement: &Requirement) -> String {
    let Requirement { object_type, level, db_name, object_name, .. } = requirement;
    match (level.as_str(), object_type.as_str(), object_name.as_str()) {
        (_, _, "") => "on anything".to_owned(),
        ("Cluster", "User", "*") => "about every user".to_owned(),
        ("Cluster", "User", name) => format!("about user {name}"),
        ("Cluster", ..) => "on the instance".to_owned(),
        ("Database", ..) => format!("in {}", in_database(db_name)),
        (_, _, "*") => format!("on every collection in {}", in_database(db_name)),
        (_, _, name) => format!("on collection {name} in {}", in_database(db_name)),
    }
}

/// What a call needs.
pub(super) fn need(requirements: &[Requirement]) -> String {
    let Some(first) = requirements.first() else {
        return "to be root or to hold the role admin".to_owned();
    };
    let names: Vec<_> = requirements.iter().map(|r| r.privilege.as_str()).collect();
    format!("{} {}", names.join(" or "), place(first))
}

/// A grant.
pub(super) fn held(grant: &HeldGrant) -> String {
    let HeldGrant { object_type, object_name, db_name, privilege } = grant;
    format!("{privilege} on {object_type} {object_name} in {}", in_database(db_name))
}

/// How a permission comes to somebody.
pub(super) fn way(path: &Path) -> String {
    let role = &path.role;
    match path.reason() {
        Reason::Root => "root may do everything".to_owned(),
        Reason::Oneself => "everybody may about oneself".to_owned(),
        Reason::Admin => format!("role {role} may do everything"),
        Reason::Authenticated => "everybody who can log in may".to_owned(),
        Reason::Grant => {
            let grant = path.grant.as_ref().map(held).unwrap_or_default();
            let group = if path.group.is_empty() { "" } else { " (a group)" };
            format!("role {role} holds {grant}{group}")
        }
    }
}

/// An explanation, for a person.
pub(super) fn explanation(who: &str, told: &ExplainResponse) -> String {
    let need = need(&told.requirements);
    let roles = told.roles.join(", ");
    let Some(path) = &told.path else {
        let mut text = format!("denied: {who} needs {need}\n  looked at the roles {roles}\n");
        for near in &told.nearby {
            let grant = near.grant.as_ref().map(held).unwrap_or_default();
            text.push_str(&format!("  near: role {} holds {grant}: {}\n", near.role, near.why));
        }
        if told.suggestions.iter().any(|suggestion| suggestion.role.is_empty()) {
            text.push_str(&format!("create a role {NEW_ROLE}, give it to {who}, and\n"));
        }
        for (number, suggestion) in told.suggestions.iter().enumerate() {
            let begin = if number == 0 { "grant it with" } else { "or more with it" };
            text.push_str(&format!(
                "{begin}:\n  {}\n  {}\n",
                command(suggestion),
                line(suggestion)
            ));
        }
        return text;
    };
    let what = if told.requirements.is_empty() { String::new() } else { format!(": {need}") };
    let mut text = format!("allowed to {who}{what}\n  {}\n", way(path));
    if !path.wildcards.is_empty() {
        text.push_str(&format!("  wildcards took part: {}\n", path.wildcards.join(", ")));
    }
    text.push_str(&format!("  looked at the roles {roles}\n"));
    text
}

fn role_of(suggestion: &Suggestion) -> &str {
    if suggestion.role.is_empty() { NEW_ROLE } else { &suggestion.role }
}

/// The command that grants it here.
fn command(suggestion: &Suggestion) -> String {
    let Suggestion { privilege, db_name, collection_name, .. } = suggestion;
    let name = |name: &str| json!(if name == "*" { "" } else { name });
    let (role, privilege) = (json!(role_of(suggestion)), json!(privilege));
    let (database, collection) = (name(db_name), name(collection_name));
    format!(
        "milvus-rbac run-command '{{ grantPrivilegesToRole: {role}, privileges: [ {{ resource: \
         {{ db: {database}, collection: {collection} }}, actions: [ {privilege} ] }} ] }}'"
    )
}

/// The line of Python that grants it anywhere.
fn line(suggestion: &Suggestion) -> String {
    let Suggestion { privilege, db_name, collection_name, .. } = suggestion;
    let role = json!(role_of(suggestion));
    let (privilege, database, collection) =
        (json!(privilege), json!(db_name), json!(collection_name));
    format!(
        "client.grant_privilege_v2(role_name={role}, privilege={privilege}, \
         collection_name={collection}, db_name={database})"
    )
}

/// A grant, for a program.
fn grant_json(grant: &HeldGrant) -> Value {
    json!({
        "object_type": grant.object_type,
        "object_name": grant.object_name,
        "db_name": grant.db_name,
        "privilege": grant.privilege,
    })
}

/// How a permission comes to somebody, for a program.
pub(super) fn path_json(path: &Path) -> Value {
    json!({
        "reason": path.reason().as_str_name(),
        "role": path.role,
        "grant": path.grant.as_ref().map(grant_json),
        "group": path.group,
        "wildcards": path.wildcards,
    })
}

/// An explanation, for a program.
pub(super) fn explanation_json(told: &ExplainResponse) -> Value {
    let requirement = |r: &Requirement| {
        json!({
            "privilege": r.privilege,
            "object_type": r.object_type,
            "level": r.level,
            "db_name": r.db_name,
            "object_name": r.object_name,
        })
    };
    let near = |near: &Nearby| {
        json!({
            "role": near.role,
            "grant": near.grant.as_ref().map(grant_json),
            "why": near.why,
        })
    };
    let suggestion = |s: &Suggestion| {
        json!({
            "role": s.role,
            "privilege": s.privilege,
            "db_name": s.db_name,
            "collection_name": s.collection_name,
        })
    };
    json!({
        "allowed": told.allowed,
        "revision": told.revision,
        "requirements": told.requirements.iter().map(requirement).collect::<Vec<_>>(),
        "roles": told.roles,
        "path": told.path.as_ref().map(path_json),
        "nearby": told.nearby.iter().map(near).collect::<Vec<_>>(),
        "suggestions": told.suggestions.iter().map(suggestion).collect::<Vec<_>>(),
    })
}
