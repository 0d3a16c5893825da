//! The names of the catalogue, read from plain tables beside this file.

use std::sync::LazyLock;

/// A privilege or a group that exists without being created.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) stored: &'static str,
    /// The object type whose v1 grants may name it.
    pub(crate) v1_type: Option<&'static str>,
    /// `Cluster`, `Database` or `Collection`.
    pub(crate) level: Option<&'static str>,
}

type Groups = Vec<(&'static str, Vec<&'static str>)>;

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let unless_dash = |column: &'static str| (column != "-").then_some(column);
    let entry = |line: &'static str| {
        let columns: Vec<_> = line.split(' ').collect();
        let [name, stored, v1_type, level, _kind] = columns.try_into().unwrap();
        Entry { name, stored, v1_type: unless_dash(v1_type), level: unless_dash(level) }
    };
    lines(include_str!("privileges.txt")).map(entry).collect()
});

static GROUPS: LazyLock<Groups> = LazyLock::new(|| {
    let mut groups = Groups::new();
    for line in lines(include_str!("groups.txt")) {
        match line.strip_suffix(':') {
            Some(name) => groups.push((name, Vec::new())),
            None => groups.last_mut().unwrap().1.extend(line.split_whitespace()),
        }
    }
    groups
});

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// All entries.
pub(crate) fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The entry that clients call `name`.
pub(crate) fn named(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The entry of that name, in the odd spelling `GroupReadOnly` too.
pub(crate) fn defined(name: &str) -> Option<&'static Entry> {
    named(name).or_else(|| ENTRIES.iter().find(|e| e.stored == format!("Privilege{name}")))
}

/// The object type under which a v2 grant is stored, and on which a single privilege acts.
pub(crate) fn type_of(name: &str) -> &'static str {
    named(name).and_then(|entry| entry.v1_type).unwrap_or("Global")
}

/// The level of a single privilege.
pub(crate) fn level_of(name: &str) -> Option<&'static str> {
    named(name).and_then(|entry| entry.level)
}

/// The name in storage.
pub(crate) fn stored(name: &str) -> String {
    match defined(name) {
        _ if name == "*" => "*".to_owned(),
        Some(entry) => entry.stored.to_owned(),
        None => format!("PrivilegeGroup{name}"),
    }
}

/// The name that clients see for a stored one.
pub(crate) fn api(stored: &str) -> &str {
    match ENTRIES.iter().find(|entry| entry.stored == stored) {
        Some(entry) => entry.name,
        None => stored.strip_prefix("PrivilegeGroup").unwrap_or(stored),
    }
}

/// The nine built-in groups in listing order.
pub(crate) fn built_in_groups() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    GROUPS.iter().filter(|(name, _)| !is_legacy(name)).map(|(name, list)| (*name, list.as_slice()))
}

/// The members of a built-in group.
pub(crate) fn built_in(name: &str) -> Option<&'static [&'static str]> {
    built_in_groups().find(|(group, _)| *group == name).map(|(_, members)| members)
}

/// What a group of the first grant generation permits.
pub(crate) fn legacy(name: &str) -> Option<&'static [&'static str]> {
    let group = GROUPS.iter().find(|(group, _)| is_legacy(group) && *group == name);
    group.map(|(_, members)| members.as_slice())
}

fn is_legacy(name: &str) -> bool {
    matches!(name, "ReadOnly" | "ReadWrite" | "Admin")
}
