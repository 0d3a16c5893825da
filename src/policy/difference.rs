//! What leads from one state to another, as people see it: what comes, what goes, what becomes
//! something else. Passwords are never told, nor their hashes.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::privilege::api_name;
use crate::model::state::{Grant, Group, Name, Role, State, User};

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It comes.
    Add,
    /// It becomes something else.
    Change,
    /// It goes.
    Remove,
}

impl Action {
    /// The sign before a line.
    pub const fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Remove => '-',
        }
    }

    /// For programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A privilege group.
    Group,
    /// A role.
    Role,
    /// A user.
    User,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Role => "role",
            Self::User => "user",
        }
    }
}

/// What becomes of a group, a role or a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whether it comes, goes or changes.
    pub action: Action,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: Name,
    /// In detail.
    pub details: Vec<Detail>,
}

/// A part of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Whether it comes, goes or changes.
    pub action: Action,
    /// For people.
    pub text: String,
}

/// A grant for people.
pub fn told(grant: &Grant) -> String {
    let Grant { object_type, database, object, privilege } = grant;
    let privilege = match api_name(privilege) {
        "" => privilege,
        name => name,
    };
    format!("{privilege} on {} {object} in {database}", object_type.name())
}

/// What leads from `before` to `after`: groups, roles, users, each by name.
pub fn difference(before: &State, after: &State) -> Vec<Item> {
    let mut items = Vec::new();
    let groups = pairs(&before.groups, &after.groups);
    items.extend(groups.filter_map(|(name, both)| item(Kind::Group, name, both, group)));
    let roles = pairs(&before.roles, &after.roles);
    items.extend(roles.filter_map(|(name, both)| item(Kind::Role, name, both, role)));
    let users = pairs(&before.users, &after.users);
    items.extend(users.filter_map(|(name, both)| item(Kind::User, name, both, user)));
    items
}

/// What was, and what will be.
type Both<'a, T> = (Option<&'a T>, Option<&'a T>);

/// All names of both maps in byte order.
fn pairs<'a, T>(
    before: &'a imbl::OrdMap<Name, T>,
    after: &'a imbl::OrdMap<Name, T>,
) -> impl Iterator<Item = (&'a Name, Both<'a, T>)> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut names: Vec<&Name> = after.keys().chain(gone).collect();
    names.sort_unstable();
    names.into_iter().map(|name| (name, (before.get(name), after.get(name))))
}

fn item<T: PartialEq>(
    kind: Kind,
    name: &Name,
    both: Both<'_, T>,
    details: impl Fn(Both<'_, T>, &mut Vec<Detail>),
) -> Option<Item> {
    let action = match both {
        (None, _) => Action::Add,
        (_, None) => Action::Remove,
        _ => Action::Change,
    };
    let mut list = Vec::new();
    details(both, &mut list);
    let same = action == Action::Change && list.is_empty();
    (!same).then(|| Item { action, kind, name: name.clone(), details: list })
}

/// The parts that one has and the other has not: what comes first, then what goes.
fn parts<K: Ord>(
    (before, after): (&BTreeSet<K>, &BTreeSet<K>),
    details: &mut Vec<Detail>,
    text: impl Fn(&K) -> String,
) {
    let detail = |action, part: &K| Detail { action, text: text(part) };
    details.extend(after.difference(before).map(|part| detail(Action::Add, part)));
    details.extend(before.difference(after).map(|part| detail(Action::Remove, part)));
}

fn description(before: Option<&Name>, after: Option<&Name>, details: &mut Vec<Detail>) {
    let (old, new) = (before.map_or("", |t| t), after.map_or("", |t| t));
    let (action, text) = match (old, new) {
        _ if old == new || after.is_none() => return,
        ("", new) => (Action::Add, format!("description {new:?}")),
        (old, "") => (Action::Remove, format!("description {old:?}")),
        (old, new) => (Action::Change, format!("description {old:?} -> {new:?}")),
    };
    details.push(Detail { action, text });
}

fn group((before, after): Both<'_, Group>, details: &mut Vec<Detail>) {
    let members = |group: Option<&Group>| -> BTreeSet<Name> {
        group.into_iter().flat_map(|group| group.privileges.iter().cloned()).collect()
    };
    parts((&members(before), &members(after)), details, Name::to_string);
}

fn role((before, after): Both<'_, Role>, details: &mut Vec<Detail>) {
    description(before.map(|r| &r.description), after.map(|r| &r.description), details);
    let grants = |role: Option<&Role>| -> BTreeSet<Grant> {
        role.into_iter().flat_map(|role| role.grants.keys().cloned()).collect()
    };
    parts((&grants(before), &grants(after)), details, told);
}

fn user((before, after): Both<'_, User>, details: &mut Vec<Detail>) {
    if let (Some(before), Some(after)) = (before, after)
        && before.password_hash != after.password_hash
    {
        details.push(Detail { action: Action::Change, text: "password".to_owned() });
    }
    description(before.map(|u| &u.description), after.map(|u| &u.description), details);
    let roles = |user: Option<&User>| -> BTreeSet<Name> {
        user.into_iter().flat_map(|user| user.roles.keys().cloned()).collect()
    };
    parts((&roles(before), &roles(after)), details, |role| format!("role {role}"));
}

/// How many things come, change and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Groups, roles and users that come.
    pub add: usize,
    /// Those that change.
    pub change: usize,
    /// Those that go.
    pub remove: usize,
}

impl Counts {
    /// Of these.
    pub fn of(items: &[Item]) -> Self {
        let count = |action| items.iter().filter(|item| item.action == action).count();
        let (add, change) = (count(Action::Add), count(Action::Change));
        Self { add, change, remove: count(Action::Remove) }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { add, change, remove } = self;
        if *self == Self::default() {
            return f.write_str("no change");
        }
        write!(f, "{add} to add, {change} to change, {remove} to remove")
    }
}

/// As lines for people; `paint` may colour one.
pub fn lines(
    items: &[Item],
    mut paint: impl FnMut(Action, String) -> String,
) -> impl Iterator<Item = String> {
    items.iter().flat_map(move |Item { action, kind, name, details }| {
        let head = paint(*action, format!("{} {} {name}", action.sign(), kind.name()));
        let mut lines = vec![head];
        for Detail { action, text } in details {
            lines.push(paint(*action, format!("    {} {text}", action.sign())));
        }
        lines
    })
}
