//! From the tree to the document.

use std::collections::HashMap;

use super::{At, Document, Group, Password, Permission, Role, User};
use crate::model::error::Error;
use crate::model::name::{self, Kind};
use crate::model::privilege::{
    ANY, ObjectType, Privilege, PrivilegeKind, defined, is_defined, object_type_of, stored_name,
};
use crate::model::restore::check_hash;
use crate::model::state::{ADMIN, Grant, Name, PUBLIC, ROOT};
use crate::policy::node::{Node, Value};
use crate::policy::problem::{Place, Problems};

pub(super) fn document(node: &Node, problems: &mut Problems) -> Document {
    let mut reader = Reader { problems };
    let fields = reader.fields(node, "a document", &["groups", "roles", "users"]);
    let groups = fields.get("groups").map_or_else(Vec::new, |node| reader.groups(node));
    let roles = fields.get("roles").map_or_else(Vec::new, |node| reader.roles(node));
    let users = fields.get("users").map_or_else(Vec::new, |node| reader.users(node));
    let is_nothing = matches!(node.value, Value::Nothing);
    Document { is_nothing, groups, roles, users }
}

/// Whether it permits something as a member of a group.
fn is_member(name: &str) -> bool {
    defined(name).is_some_and(|privilege| privilege.kind() != PrivilegeKind::BuiltInGroup)
}

/// The known fields of a mapping.
struct Fields<'n>(Vec<(&'n str, &'n Node)>);

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, node)| *node)
    }
}

struct Reader<'p> {
    problems: &'p mut Problems,
}

impl Reader<'_> {
    fn check(&mut self, place: Place, checked: Result<(), Error>) {
        if let Err(e) = checked {
            self.problems.refused(place, &e);
        }
    }

    fn expected(&mut self, node: &Node, what: &str, form: &str) {
        let found = node.value.what();
        self.problems.add(node.place, format_args!("{what} is {form}, and this is {found}"));
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(list) => list,
            Value::Nothing => &[],
            _ => {
                self.expected(node, what, "a list");
                &[]
            }
        }
    }

    fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Node, Node)] {
        match &node.value {
            Value::Mapping(entries) => entries,
            Value::Nothing => &[],
            _ => {
                self.expected(node, what, "a mapping");
                &[]
            }
        }
    }

    fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.expected(node, what, "text");
                None
            }
        }
    }

    fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields(Vec::new());
        for (key, value) in self.mapping(node, what) {
            let Some(name) = self.text(key, "a key") else { continue };
            if !known.contains(&name) {
                let hint = if name == "password" {
                    ": no password belongs in a document, but password_file, password_env or \
                     password_hash"
                } else {
                    ""
                };
                let known = known.join(", ");
                let name = name::shortened(name);
                self.problems
                    .add(key.place, format_args!("{what} has no `{name}`, only {known}{hint}"));
            } else if fields.get(name).is_some() {
                self.problems.add(key.place, format_args!("`{name}` is there twice"));
            } else {
                fields.0.push((name, value));
            }
        }
        fields
    }

    /// The entries of a mapping from names, each once.
    fn named<'n>(&mut self, node: &'n Node, what: &str, plural: &str) -> Vec<(At<Name>, &'n Node)> {
        let entries = self.mapping(node, plural);
        let names = entries.iter().filter_map(|(key, value)| {
            let name = self.text(key, &format!("the name of a {what}"))?;
            Some((At { place: key.place, value: Name::from(name) }, value))
        });
        let names: Vec<_> = names.collect();
        self.once(names, what, |(name, _)| (name.place, &name.value))
    }

    /// What is there once; what is there again is a problem.
    fn once<T>(&mut self, all: Vec<T>, what: &str, key: impl Fn(&T) -> (Place, &Name)) -> Vec<T> {
        let mut seen: HashMap<Name, Place> = HashMap::new();
        let mut kept = Vec::with_capacity(all.len());
        for one in all {
            let (place, name) = key(&one);
            match seen.get(name) {
                Some(first) => {
                    let name = name::shortened(name);
                    self.problems.add(
                        place,
                        format_args!("the {what} `{name}` is there twice, first at {first}"),
                    );
                }
                None => {
                    seen.insert(name.clone(), place);
                    kept.push(one);
                }
            }
        }
        kept
    }

    /// A list of names, each once.
    fn names(&mut self, node: &Node, what: &str, plural: &str) -> Vec<At<Name>> {
        let list = self.list(node, plural);
        let names = list.iter().filter_map(|item| {
            let name = self.text(item, &format!("the name of a {what}"))?;
            Some(At { place: item.place, value: Name::from(name) })
        });
        let names: Vec<_> = names.collect();
        self.once(names, what, |name| (name.place, &name.value))
    }

    fn description(
        &mut self,
        fields: &Fields<'_>,
        check: impl Fn(&str) -> Result<(), Error>,
    ) -> Option<Name> {
        let node = fields.get("description")?;
        let text = self.text(node, "a description")?;
        self.check(node.place, check(text));
        Some(text.into())
    }

    fn groups(&mut self, node: &Node) -> Vec<Group> {
        let named = self.named(node, "group", "`groups`");
        let names: Vec<Name> = named.iter().map(|(name, _)| name.value.clone()).collect();
        let groups = named.into_iter().map(|(name, node)| {
            self.check(name.place, name::check_group(&name.value));
            if is_defined(&name.value) {
                self.problems.add(
                    name.place,
                    format_args!("`{}` is a privilege or a group of Milvus' own", name.value),
                );
            }
            let members = self.names(node, "privilege", "a group");
            for At { place, value } in &members {
                if is_member(value) {
                    continue;
                }
                if names.contains(value) || is_defined(value) {
                    self.problems.add(
                        *place,
                        format_args!("`{value}` is a group: groups in groups permit nothing"),
                    );
                } else {
                    let value = name::shortened(value);
                    self.problems.add(*place, format_args!("there is no privilege `{value}`"));
                }
            }
            Group { name, members }
        });
        groups.collect()
    }

    fn roles(&mut self, node: &Node) -> Vec<Role> {
        let named = self.named(node, "role", "`roles`");
        named.into_iter().map(|(name, node)| self.role(name, node)).collect()
    }

    fn role(&mut self, name: At<Name>, node: &Node) -> Role {
        self.check(name.place, name::check(Kind::Role, &name.value));
        let fields = self.fields(node, "a role", &["description", "grants"]);
        let description = self.description(&fields, name::check_role_description);
        if description.is_some() && matches!(&*name.value, ADMIN | PUBLIC) {
            self.problems.add(
                name.place,
                format_args!("the role `{}` is Milvus' own and keeps its description", name.value),
            );
        }
        let grants = fields.get("grants");
        let listed = grants.map_or(&[][..], |node| self.list(node, "`grants`"));
        if &*name.value == ADMIN && !listed.is_empty() {
            self.problems.add(name.place, "the role `admin` permits everything without grants");
        }
        let mut seen: HashMap<Grant, Place> = HashMap::new();
        let mut grants = Vec::with_capacity(listed.len());
        for node in listed {
            let Some(value) = self.permission(node) else { continue };
            match seen.get(&value.grant) {
                Some(first) => self
                    .problems
                    .add(node.place, format_args!("this grant is there twice, first at {first}")),
                None => {
                    seen.insert(value.grant.clone(), node.place);
                    grants.push(At { place: node.place, value });
                }
            }
        }
        Role { name, description, grants }
    }

    fn permission(&mut self, node: &Node) -> Option<Permission> {
        const KEYS: [&str; 5] = ["privilege", "database", "collection", "object_type", "object"];
        let fields = self.fields(node, "a grant", &KEYS);
        if !matches!(node.value, Value::Mapping(_) | Value::Nothing) {
            return None;
        }
        let mut field = |key: &str| {
            let node = fields.get(key)?;
            let text = self.text(node, &format!("`{key}`"))?;
            let checked = match key {
                "privilege" => name::check(Kind::Privilege, text),
                "database" => name::check_grant_database(text),
                "collection" => name::check(Kind::Collection, text),
                "object_type" => name::check(Kind::ObjectType, text),
                _ => name::check(Kind::Object, text),
            };
            self.check(node.place, checked);
            Some((node.place, text))
        };
        let [privilege, database, collection, object_type, object] = KEYS.map(&mut field);
        let present = |key: &str| fields.get(key).is_some();
        let exact = match (present("collection"), present("object_type"), present("object")) {
            (true, false, false) => Some(false),
            (false, true, true) => Some(true),
            _ => {
                self.problems.add(
                    node.place,
                    "a grant has either `collection`, or `object_type` and `object`",
                );
                None
            }
        };
        for key in ["privilege", "database"].into_iter().filter(|key| !present(key)) {
            let every = if key == "database" { "; `'*'` is every one" } else { "" };
            self.problems.add(node.place, format_args!("the grant has no `{key}`{every}"));
        }
        let object_type = match object_type {
            None => object_type_of(privilege?.1),
            Some((place, name)) => match ObjectType::named(name) {
                Some(object_type) => object_type,
                None => {
                    let known = ObjectType::ALL.map(ObjectType::name).join(", ");
                    let name = name::shortened(name);
                    self.problems
                        .add(place, format_args!("there is no object type `{name}`, only {known}"));
                    return None;
                }
            },
        };
        let exact = exact?;
        let (place, privilege) = privilege?;
        if privilege != ANY && Privilege::named(privilege).is_none() && is_defined(privilege) {
            // It is another name of something, and would be stored as that.
            self.problems.add(place, format_args!("there is no privilege `{privilege}`"));
            return None;
        }
        let (_, object) = if exact { object? } else { collection? };
        Some(Permission {
            grant: Grant {
                object_type,
                database: database?.1.into(),
                object: object.into(),
                privilege: stored_name(privilege).into(),
            },
            exact,
        })
    }

    fn users(&mut self, node: &Node) -> Vec<User> {
        let named = self.named(node, "user", "`users`");
        named.into_iter().map(|(name, node)| self.user(name, node)).collect()
    }

    fn user(&mut self, name: At<Name>, node: &Node) -> User {
        self.check(name.place, name::check_user(&name.value));
        if name.value.trim() != &*name.value {
            self.problems.add(name.place, "the name of a user has no blanks around it");
        }
        const PASSWORDS: [&str; 3] = ["password_hash", "password_file", "password_env"];
        let [hash, file, variable] = PASSWORDS;
        let known = [&["description", "roles"][..], &PASSWORDS[..]].concat();
        let fields = self.fields(node, "a user", &known);
        let description = self.description(&fields, name::check_user_description);
        let mut passwords = Vec::new();
        for key in PASSWORDS {
            let Some(node) = fields.get(key) else { continue };
            let Some(text) = self.text(node, &format!("`{key}`")) else { continue };
            let value = match key {
                _ if key == hash => {
                    self.check(node.place, check_hash(&name.value, text));
                    Password::Hash(text.into())
                }
                _ if text.is_empty() => {
                    self.problems.add(node.place, format_args!("`{key}` is empty"));
                    continue;
                }
                _ if key == file => Password::File(text.to_owned()),
                _ => Password::Variable(text.to_owned()),
            };
            passwords.push(At { place: node.place, value });
        }
        if passwords.len() > 1 {
            self.problems
                .add(name.place, format_args!("a user has one of {hash}, {file} and {variable}"));
        }
        let password = passwords.pop();
        if let Some(At { place, .. }) = &password
            && &*name.value == ROOT
        {
            self.problems.add(*place, "the password of `root` is not changed by a document");
        }
        let roles = fields.get("roles");
        let roles = roles.map_or_else(Vec::new, |node| self.names(node, "role", "`roles`"));
        User { name, description, password, roles }
    }
}
