//! Which grants of a role a listing shows (`SelectGrant`).

use super::privilege::{ANY, ObjectType};
use super::state::{Grant, Name, Role};

/// What a listing asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter<'a> {
    /// A database, or `*` for all of them.
    pub database: &'a str,
    /// One object, named literally: `*` means the grants on `*` alone.
    pub object: Option<(ObjectType, &'a str)>,
}

/// The grants of `role` that the filter lets through, in listing order, each with its grantor.
///
/// Without an object: the grants of the database and those of every database (`*`). With an
/// object: first its grants on database `*`, then those of the database.
pub fn select<'a>(
    role: &'a Role,
    filter: Filter<'a>,
) -> Box<dyn Iterator<Item = (&'a Grant, &'a Name)> + 'a> {
    let Filter { database, object } = filter;
    let Some((object_type, object)) = object else {
        if database == ANY {
            return Box::new(role.grants.iter());
        }
        return Box::new(in_database(role, database));
    };
    let on_object = move |database: &'a str| on_object(role, object_type, database, object);
    if database == ANY {
        return Box::new(on_object(ANY));
    }
    Box::new(on_object(ANY).chain(on_object(database)))
}

/// The grants of `role` that hold in that database, those of every database among them, in listing
/// order.
pub fn in_database<'a>(
    role: &'a Role,
    database: &str,
) -> impl Iterator<Item = (&'a Grant, &'a Name)> {
    let mut databases = vec![ANY, database];
    databases.sort_unstable();
    databases.dedup();
    let scopes = ObjectType::ALL.into_iter().flat_map(move |object_type| {
        databases.clone().into_iter().map(move |database| (object_type, database))
    });
    scopes.flat_map(|(object_type, database)| {
        let of_scope =
            move |grant: &Grant| grant.object_type == object_type && &*grant.database == database;
        let first = first(object_type, database, "");
        role.grants.from(&first).take_while(move |(grant, _)| of_scope(grant))
    })
}

/// The databases that grants of `role` name. Each is found without looking at all of its grants.
pub fn databases(role: &Role) -> impl Iterator<Item = &Name> {
    ObjectType::ALL.into_iter().flat_map(move |object_type| {
        let of_type = move |from: &str| {
            let first = first(object_type, from, "");
            let grant = role.grants.from(&first).next().map(|(grant, _)| grant);
            grant.filter(|grant| grant.object_type == object_type).map(|grant| &grant.database)
        };
        // The least text behind a name is that name and a zero.
        std::iter::successors(of_type(""), move |last| of_type(&format!("{last}\0")))
    })
}

/// The grants of `role` stored for exactly that object.
pub fn on_object<'a>(
    role: &'a Role,
    object_type: ObjectType,
    database: &'a str,
    object: &'a str,
) -> impl Iterator<Item = (&'a Grant, &'a Name)> + 'a {
    let first = first(object_type, database, object);
    role.grants.from(&first).take_while(move |(grant, _)| {
        grant.object_type == object_type && &*grant.database == database && &*grant.object == object
    })
}

/// What no grant on that object comes before.
fn first(object_type: ObjectType, database: &str, object: &str) -> Grant {
    let (database, object) = (database.into(), object.into());
    Grant { object_type, database, object, privilege: Name::new() }
}
