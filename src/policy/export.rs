//! A state as a document: the same text for the same access, whatever led to it.

use std::fmt::Write as _;

use super::document::Permission;
use super::wanted::meant;
use crate::model::command::{Rules, check_level, group_level, same_level};
use crate::model::privilege::{
    Privilege, PrivilegeKind, api_name, custom_group, defined, object_type_of, stored_name,
};
use crate::model::state::{ADMIN, Grant, Group, Name, PUBLIC, ROOT, Role, State, User};

/// The document of a state. `admin` is left out, and `root` where it holds no role. Passwords are
/// never in it, their hashes where `hashes` says so.
pub fn export(state: &State, rules: &Rules, hashes: bool) -> String {
    let mut out = Text(String::new());
    let groups = state.groups.iter().collect::<Vec<_>>();
    out.section("groups", !groups.is_empty());
    for (name, group) in groups {
        out.group(name, group);
    }
    let roles = state.roles.iter().filter(|(name, _)| ***name != *ADMIN).collect::<Vec<_>>();
    out.section("roles", !roles.is_empty());
    for (name, role) in roles {
        out.role(name, role, state, rules);
    }
    let says = |name: &str, user: &User| {
        name != ROOT || !user.roles.is_empty() || !user.description.is_empty()
    };
    let users = state.users.iter().filter(|(name, user)| says(name, user)).collect::<Vec<_>>();
    out.section("users", !users.is_empty());
    for (name, user) in users {
        out.user(name, user, hashes);
    }
    out.0
}

/// A user alone, without a password.
pub fn one_user(name: &Name, user: &User) -> String {
    let mut out = Text(String::new());
    out.section("users", true);
    out.user(name, user, false);
    out.0
}

/// Whether it says all by itself, without the type of its object.
fn is_plain(grant: &Grant, role: &Role, state: &State, rules: &Rules) -> bool {
    let name = api_name(&grant.privilege);
    let privilege = Privilege::named(name);
    let level = match privilege.map(Privilege::kind) {
        Some(PrivilegeKind::Single) => privilege.map(Privilege::level),
        Some(PrivilegeKind::BuiltInGroup) | None if name != "*" => group_level(rules, state, name),
        _ => None,
    };
    let plain = Permission { grant: grant.clone(), exact: false };
    grant.object_type == object_type_of(name)
        && !privilege.is_some_and(Privilege::is_deprecated)
        && level.is_none_or(|l| check_level(l, name, &grant.database, &grant.object).is_ok())
        && meant(&plain).iter().all(|grant| role.grants.contains_key(grant))
}

/// Whether a document can say it at all.
fn is_sayable(grant: &Grant, state: &State) -> bool {
    let name = api_name(&grant.privilege);
    *stored_name(name) == *grant.privilege
        && custom_group(&grant.privilege).is_none_or(|group| state.groups.contains_key(group))
}

struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.0, "{:indent$}{line}", "", indent = depth * 2);
    }

    fn section(&mut self, name: &str, some: bool) {
        self.line(0, &if some { format!("{name}:") } else { format!("{name}: {{}}") });
    }

    fn group(&mut self, name: &Name, group: &Group) {
        let counts = |member: &&Name| {
            defined(member).is_some_and(|p| p.kind() != PrivilegeKind::BuiltInGroup)
        };
        let members: Vec<&Name> = group.privileges.iter().filter(counts).collect();
        for member in group.privileges.iter().filter(|member| !counts(member)) {
            let (name, member) = (quoted(name), quoted(member));
            self.line(1, &format!("# {member} in {name} permits nothing, and is left out"));
        }
        if same_level(members.iter().map(|member| &***member)).is_err() {
            self.line(1, "# its privileges are of different levels: no call adds to such a group");
        }
        let members = list(members.into_iter());
        self.line(1, &format!("{}: {members}", quoted(name)));
    }

    fn role(&mut self, name: &Name, role: &Role, state: &State, rules: &Rules) {
        let description = Some(&role.description).filter(|text| !text.is_empty());
        let description = description.filter(|_| &**name != PUBLIC);
        if description.is_none() && role.grants.is_empty() {
            return self.line(1, &format!("{}: {{}}", quoted(name)));
        }
        self.line(1, &format!("{}:", quoted(name)));
        if let Some(description) = description {
            self.line(2, &format!("description: {}", quoted(description)));
        }
        if role.grants.is_empty() {
            return;
        }
        self.line(2, "grants:");
        for grant in role.grants.keys() {
            let privilege = quoted(api_name(&grant.privilege));
            let (database, object) = (quoted(&grant.database), quoted(&grant.object));
            if !is_sayable(grant, state) {
                let stored = quoted(&grant.privilege);
                self.line(3, &format!("# {stored} is unknown, permits nothing, and is left out"));
            } else if is_plain(grant, role, state, rules) {
                let place = format!("database: {database}, collection: {object}");
                self.line(3, &format!("- {{privilege: {privilege}, {place}}}"));
            } else {
                let place = format!("object_type: {}, object: {object}", grant.object_type.name());
                self.line(
                    3,
                    &format!("- {{privilege: {privilege}, database: {database}, {place}}}"),
                );
            }
        }
    }

    fn user(&mut self, name: &Name, user: &User, hashes: bool) {
        let hash = Some(&user.password_hash).filter(|_| hashes && &**name != ROOT);
        let hash = hash.filter(|hash| !hash.is_empty());
        let description = Some(&user.description).filter(|text| !text.is_empty());
        if hash.is_none() && description.is_none() && user.roles.is_empty() {
            return self.line(1, &format!("{}: {{}}", quoted(name)));
        }
        self.line(1, &format!("{}:", quoted(name)));
        if let Some(description) = description {
            self.line(2, &format!("description: {}", quoted(description)));
        }
        if let Some(hash) = hash {
            self.line(2, &format!("password_hash: {}", quoted(hash)));
        }
        if !user.roles.is_empty() {
            self.line(2, &format!("roles: {}", list(user.roles.keys())));
        }
    }
}

fn list<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<_> = names.map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

/// As YAML's text in one line: in quotes, with JSON's escapes, unless it is a plain word.
fn quoted(text: &str) -> String {
    let mut bytes = text.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !is_reserved(text);
    if plain {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What some readers do not take for text, or take for the end of a line.
            _ if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            // Nor these, which a file may not hold.
            '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Words that readers of some version of YAML take for something else than text.
fn is_reserved(word: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    WORDS.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}
