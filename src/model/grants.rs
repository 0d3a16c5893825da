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
        return Box::new(role.grants.iter().filter(move |(grant, _)| {
            database == ANY || &*grant.database == database || &*grant.database == ANY
        }));
    };
    let in_database = move |database: &'a str| on_object(role, object_type, database, object);
    if database == ANY {
        return Box::new(in_database(ANY));
    }
    Box::new(in_database(ANY).chain(in_database(database)))
}

/// The grants of `role` stored for exactly that object.
pub fn on_object<'a>(
    role: &'a Role,
    object_type: ObjectType,
    database: &'a str,
    object: &'a str,
) -> impl Iterator<Item = (&'a Grant, &'a Name)> + 'a {
    let first = Grant {
        object_type,
        database: database.into(),
        object: object.into(),
        privilege: "".into(),
    };
    role.grants.range(first..).take_while(move |(grant, _)| {
        grant.object_type == object_type && &*grant.database == database && &*grant.object == object
    })
}
