//! The file of a backup: JSON in the form of BackupRBAC, with what that leaves out, and a checksum.
//!
//! Read are also what BackupRBAC answers, as clients print it, and what milvus-backup writes: any JSON
//! with `rbac_meta` in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Failure;
use crate::model::privilege::api_name;
use crate::model::restore::{Backup, BackupGrant, BackupGroup, BackupRole, BackupUser};
use crate::model::state::{ADMIN, PUBLIC, ROOT, State};
use crate::storage::Revision;

/// What the file says of itself.
const FORMAT: &str = "milvus-rbac backup";
const VERSION: u64 = 1;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Users but `root`, roles but `admin` and `public`, groups; and the grants of all roles.
    pub(super) backup: Backup,
    /// The descriptions of users, where they have any.
    pub(super) descriptions: BTreeMap<String, String>,
    /// Whether it says all that `public` holds, so that what else it holds is too much.
    pub(super) whole: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    /// Where it comes from.
    server: String,
    revision: Option<Revision>,
    /// SHA-256 of the content, written without blanks and its keys in order.
    sha256: String,
    content: Value,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    rbac_meta: Meta,
    #[serde(default)]
    user_descriptions: BTreeMap<String, String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Meta {
    users: Vec<User>,
    roles: Vec<Role>,
    grants: Vec<Grant>,
    #[serde(alias = "privilegeGroups")]
    privilege_groups: Vec<Group>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    user: String,
    password: String,
    #[serde(default)]
    roles: Vec<Role>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    role: Named,
    object: Named,
    #[serde(alias = "objectName")]
    object_name: String,
    grantor: Grantor,
    #[serde(default, alias = "dbName")]
    db_name: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Named {
    name: String,
    #[serde(skip_serializing)]
    description: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grantor {
    #[serde(default)]
    user: Named,
    privilege: Named,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(alias = "groupName")]
    group_name: String,
    #[serde(default)]
    privileges: Vec<Named>,
}

/// The file for what holds at a server.
pub(super) fn write(
    state: &State,
    server: &str,
    revision: Option<Revision>,
) -> Result<String, Failure> {
    let descriptions = state.users.iter().filter(|(_, user)| !user.description.is_empty());
    let descriptions =
        descriptions.map(|(name, user)| (name.to_string(), user.description.to_string()));
    let own = Own { rbac_meta: meta(state), user_descriptions: descriptions.collect() };
    let content = serde_json::to_value(own).map_err(|e| e.to_string())?;
    let file = File {
        format: FORMAT.to_owned(),
        version: VERSION,
        server: server.to_owned(),
        revision,
        sha256: sum(&content),
        content,
    };
    serde_json::to_string_pretty(&file).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn sum(content: &Value) -> String {
    let sum = Sha256::digest(content.to_string());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(name: &str) -> Named {
    Named { name: name.to_owned(), description: String::new() }
}

fn meta(state: &State) -> Meta {
    let role = |name: &str, description: &str| Role {
        name: name.to_owned(),
        description: description.to_owned(),
    };
    let users = state.users.iter().filter(|(name, _)| **name != *ROOT);
    let roles = state.roles.iter().filter(|(name, _)| !matches!(&***name, ADMIN | PUBLIC));
    Meta {
        users: users
            .map(|(name, user)| User {
                user: name.to_string(),
                password: user.password_hash.to_string(),
                roles: user.roles.keys().map(|name| role(name, "")).collect(),
            })
            .collect(),
        roles: roles.map(|(name, held)| role(name, &held.description)).collect(),
        grants: state
            .roles
            .iter()
            .flat_map(|(name, role)| {
                role.grants.iter().map(|(grant, grantor)| Grant {
                    role: named(name),
                    object: named(grant.object_type.name()),
                    object_name: grant.object.to_string(),
                    grantor: Grantor {
                        user: named(grantor),
                        privilege: named(api_name(&grant.privilege)),
                    },
                    db_name: grant.database.to_string(),
                })
            })
            .collect(),
        privilege_groups: state
            .groups
            .iter()
            .map(|(name, group)| Group {
                group_name: name.to_string(),
                privileges: group.privileges.iter().map(|name| named(name)).collect(),
            })
            .collect(),
    }
}

/// What a file holds.
///
/// # Errors
/// It is none of these, it is from a newer version, or it is not as it was written.
pub(super) fn read(text: &str) -> Result<Content, Failure> {
    let whole: Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
    if whole.get("format").is_some_and(|format| format == FORMAT) {
        return own(whole);
    }
    // BackupRBAC's answer is printed with its field's name in several ways.
    let names = ["rbac_meta", "RBAC_meta", "RBACMeta", "rbacMeta"];
    let meta = names.iter().find_map(|name| whole.get(name)).unwrap_or(&whole);
    let is_meta = ["users", "roles", "grants"].iter().any(|name| meta.get(name).is_some());
    if !is_meta {
        return Err("it holds no users, roles or grants".to_owned());
    }
    let meta = Meta::deserialize(meta).map_err(|e| e.to_string())?;
    Ok(Content { backup: backup(meta), descriptions: BTreeMap::new(), whole: false })
}

fn own(file: Value) -> Result<Content, Failure> {
    let version = file.get("version").and_then(Value::as_u64);
    if version != Some(VERSION) {
        return Err("it is a backup of a version that is not known here".to_owned());
    }
    let File { sha256, content, .. } = File::deserialize(file).map_err(|e| e.to_string())?;
    if sum(&content) != sha256 {
        return Err("it is not as it was written: its checksum is another one".to_owned());
    }
    let Own { rbac_meta, user_descriptions } =
        Own::deserialize(content).map_err(|e| e.to_string())?;
    Ok(Content { backup: backup(rbac_meta), descriptions: user_descriptions, whole: true })
}

fn backup(meta: Meta) -> Backup {
    let users = meta.users.into_iter().filter(|user| user.user != ROOT);
    let roles = meta.roles.into_iter().filter(|role| !matches!(&*role.name, ADMIN | PUBLIC));
    Backup {
        users: users
            .map(|user| BackupUser {
                name: user.user,
                password_hash: user.password,
                roles: user.roles.into_iter().map(|role| role.name).collect(),
            })
            .collect(),
        roles: roles
            .map(|role| BackupRole { name: role.name, description: role.description })
            .collect(),
        grants: meta
            .grants
            .into_iter()
            .map(|grant| BackupGrant {
                role: grant.role.name,
                object_type: grant.object.name,
                object: grant.object_name,
                database: grant.db_name,
                privilege: grant.grantor.privilege.name,
                grantor: grant.grantor.user.name,
            })
            .collect(),
        groups: meta
            .privilege_groups
            .into_iter()
            .map(|group| BackupGroup {
                name: group.group_name,
                privileges: group.privileges.into_iter().map(|privilege| privilege.name).collect(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load::Loader;
    use crate::model::privilege::ObjectType;
    use crate::model::state::{self, Change};

    fn state() -> State {
        let mut loader = Loader::default();
        let put_user = |name: &str, description: &str| Change::PutUser {
            name: name.into(),
            password_hash: format!("hash of {name}").into(),
            description: description.into(),
        };
        let grant = |role: &str, privilege: &str| Change::Grant {
            role: role.into(),
            grant: state::Grant {
                object_type: ObjectType::Collection,
                database: "db".into(),
                object: "*".into(),
                privilege: privilege.into(),
            },
            grantor: "root".into(),
        };
        let put_role = |name: &str, description: &str| Change::PutRole {
            name: name.into(),
            description: description.into(),
        };
        let privileges = ["Query", "Search"].into_iter().map(state::Name::from).collect();
        for change in [
            put_user("root", ""),
            put_user("alice", "the first"),
            put_user("bob", ""),
            put_role("admin", ""),
            put_role("public", ""),
            put_role("reader", "reads"),
            Change::PutGroup { name: "g".into(), group: state::Group { privileges } },
            Change::Bind { user: "alice".into(), role: "reader".into() },
            grant("reader", "PrivilegeSearch"),
            grant("reader", "PrivilegeGroupg"),
            grant("public", "PrivilegeQuery"),
        ] {
            loader.add(change).unwrap();
        }
        loader.state()
    }

    #[test]
    fn what_is_written_is_read_again_and_all_of_it() {
        let text = write(&state(), "http://h:1", Some(7)).unwrap();
        let Content { backup, descriptions, whole } = read(&text).unwrap();
        assert!(whole);
        let names: Vec<_> = backup.users.iter().map(|user| (&*user.name, &*user.roles)).collect();
        assert_eq!(names, [("alice", &["reader".to_owned()][..]), ("bob", &[])]);
        assert_eq!(backup.users[0].password_hash, "hash of alice");
        assert_eq!(backup.roles.len(), 1);
        let grants: Vec<_> =
            backup.grants.iter().map(|g| (&*g.role, &*g.privilege, &*g.grantor)).collect();
        let expected = [("public", "Query"), ("reader", "g"), ("reader", "Search")];
        assert_eq!(grants, expected.map(|(role, privilege)| (role, privilege, "root")));
        assert_eq!(backup.groups[0].privileges, ["Query", "Search"]);
        assert_eq!(descriptions, [("alice".to_owned(), "the first".to_owned())].into());
        assert_eq!(write(&state(), "http://h:1", Some(7)).unwrap(), text);
    }

    #[test]
    fn a_file_that_was_changed_is_refused() {
        let text = write(&state(), "http://h:1", None).unwrap();
        for (old, new, why) in [
            ("\"db\"", "\"dc\"", "its checksum is another one"),
            ("hash of bob", "hash of b0b", "its checksum is another one"),
            ("\"version\": 1", "\"version\": 2", "of a version that is not known here"),
            ("\"revision\"", "\"revisio\"", "unknown field `revisio`"),
            ("{", "", "it is no JSON"),
        ] {
            let changed = text.replacen(old, new, 1);
            assert_ne!(changed, text);
            let refused = read(&changed).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
        // How it is laid out makes no difference.
        let compact: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read(&compact.to_string()), read(&text));
    }

    #[test]
    fn what_others_write_is_read() {
        let snake = r#"{"users":[{"user":"alice","password":"h","roles":[{"name":"reader"}]}],
            "roles":[{"name":"reader"}],
            "grants":[{"role":{"name":"reader"},"object":{"name":"Collection"},"object_name":"c",
                "grantor":{"user":{"name":"root"},"privilege":{"name":"Search"}},"db_name":"default"}],
            "privilege_groups":[{"group_name":"g","privileges":[{"name":"Query"}]}]}"#;
        let camel = snake
            .replace("object_name", "objectName")
            .replace("db_name", "dbName")
            .replace("privilege_groups", "privilegeGroups")
            .replace("group_name", "groupName");
        let expected = read(snake).unwrap();
        assert_eq!(expected.backup.grants[0].object, "c");
        assert_eq!(expected.backup.groups[0].name, "g");
        for text in [
            // grpcurl, the Node SDK, milvus-backup.
            format!(r#"{{"status":{{}},"RBACMeta":{camel}}}"#),
            format!(r#"{{"status":{{"code":0}},"RBAC_meta":{snake}}}"#),
            format!(r#"{{"id":"1","name":"b","collection_backups":[],"rbac_meta":{snake}}}"#),
        ] {
            assert_eq!(read(&text).unwrap(), expected, "{text}");
        }
        for (text, why) in [
            ("{}", "it holds no users, roles or grants"),
            ("[]", "it holds no users, roles or grants"),
            (r#"{"users":[{"user":"a"}]}"#, "missing field `password`"),
            (r#"{"users":[],"row_policies":[]}"#, "unknown field `row_policies`"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
