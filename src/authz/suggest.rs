//! The smallest grants that would allow what is denied.

use super::need::{Need, Subject, View};
use super::path::covers;
use crate::model::name::{self, Kind};
use crate::model::privilege::{ANY, Level, ObjectType, Privilege, object_type_of, stored_name};
use crate::model::state::{ADMIN, DEFAULT_DATABASE, Grant, PUBLIC};

/// A grant of the second generation, by the names under which it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion<'a> {
    /// The role to which to grant it; none for a new one, that the user is given.
    pub role: Option<&'a str>,
    /// The privilege or group.
    pub privilege: &'static str,
    /// The database, or `*`.
    pub database: String,
    /// The collection, or `*`.
    pub collection: String,
}

impl Suggestion<'_> {
    /// The grant as it would be stored.
    fn grant(&self) -> Grant {
        Grant {
            object_type: object_type_of(self.privilege),
            database: self.database.as_str().into(),
            object: self.collection.as_str().into(),
            privilege: stored_name(self.privilege).into(),
        }
    }
}

/// The privilege alone at the very place, and the smallest built-in group that holds it; of those of
/// which one is needed anywhere, each.
///
/// INVARIANT: each of them, granted, allows it. Defended by `tests/it/property.rs`.
pub(super) fn suggestions<'a>(
    view: &View<'a>,
    subject: Subject<'a>,
    need: &Need<'_>,
) -> Vec<Suggestion<'a>> {
    let role = match subject {
        Subject::Role(role) => Some(role),
        Subject::User(_) => {
            view.roles(subject).into_iter().find(|role| ![PUBLIC, ADMIN].contains(role))
        }
    };
    let at = |privilege: &'static str, level: Option<Level>| {
        let (database, collection) = place(need, level)?;
        let (database, collection) = (database.to_owned(), collection.to_owned());
        Some(Suggestion { role, privilege, database, collection })
    };
    let alone = need.privileges().iter().filter(|privilege| !privilege.is_deprecated());
    let alone = alone.filter_map(|privilege| at(privilege.name(), privilege.level()));
    let holds = |members: &[Privilege]| need.privileges().iter().any(|p| members.contains(p));
    let groups = view.groups.iter().filter(|(_, members)| holds(members));
    let mut groups: Vec<_> = groups
        .filter_map(|(name, members)| {
            let group = at(name, members.first().and_then(|first| first.level()))?;
            Some((members.len(), group))
        })
        .collect();
    groups.sort_by_key(|(size, _)| *size);
    let enough = |suggestion: &Suggestion<'_>| covers(view, &suggestion.grant(), need);
    let group = groups.into_iter().map(|(_, group)| group).find(enough);
    alone.filter(enough).chain(group).collect()
}

/// Where a privilege of that level is granted, to be held where it is needed; nowhere if no grant can
/// name that place.
fn place<'n>(need: &Need<'n>, level: Option<Level>) -> Option<(&'n str, &'n str)> {
    let database = need.database().unwrap_or(DEFAULT_DATABASE);
    let collection = need
        .object_name()
        .filter(|name| !name.is_empty() && need.object_type() != Some(ObjectType::User))
        .unwrap_or(ANY);
    match level {
        Some(Level::Cluster) => return Some((ANY, ANY)),
        _ if database == ANY => return Some((ANY, ANY)),
        _ => name::check_database(database).ok()?,
    }
    if level == Some(Level::Database) {
        return Some((database, ANY));
    }
    name::check(Kind::Collection, collection).ok()?;
    Some((database, collection))
}
