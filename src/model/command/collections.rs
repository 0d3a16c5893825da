//! Collections, which a Milvus keeps: the grants on one share its fate.

use crate::model::grants::on_object;
use crate::model::name::{self, Kind};
use crate::model::privilege::{ANY, ObjectType};
use crate::model::state::{Change, Grant, Name, Role, State};

/// A database and a collection in it.
type Place<'a> = (&'a str, &'a str);

/// The types under which grants on a collection are stored: `Global` those of groups.
const TYPES: [ObjectType; 2] = [ObjectType::Collection, ObjectType::Global];

pub(super) fn dropped(state: &State, database: &str, collection: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, role) in &state.roles {
        changes.extend(
            on_collection(role, (database, collection)).map(|(grant, _)| revoke(name, grant)),
        );
    }
    changes
}

pub(super) fn renamed(state: &State, from: Place<'_>, to: Place<'_>) -> Vec<Change> {
    if from == to {
        return Vec::new();
    }
    let (database, collection) = to;
    if !is_one(to)
        || name::check(Kind::Collection, collection).is_err()
        || name::check_grant_database(database).is_err()
    {
        // Nothing could have been granted there.
        return dropped(state, from.0, from.1);
    }
    let (database, collection): (Name, Name) = (database.into(), collection.into());
    let mut changes = Vec::new();
    for (name, role) in &state.roles {
        for (grant, grantor) in on_collection(role, from) {
            changes.push(revoke(name, grant));
            let grant =
                Grant { database: database.clone(), object: collection.clone(), ..grant.clone() };
            if !role.grants.contains_key(&grant) {
                changes.push(Change::Grant { role: name.clone(), grant, grantor: grantor.clone() });
            }
        }
    }
    changes
}

/// Whether that is one collection in one database.
///
/// INVARIANT: grants on `*` never go or move, nor does a grant ever become one on `*`, whatever
/// somebody behind the gate calls a collection. Defended by the tests below.
fn is_one((database, collection): Place<'_>) -> bool {
    database != ANY && collection != ANY
}

/// The grants of a role on just that collection, each with its grantor.
fn on_collection<'a>(
    role: &'a Role,
    place: Place<'a>,
) -> impl Iterator<Item = (&'a Grant, &'a Name)> {
    let (database, collection) = place;
    let types = TYPES.into_iter().filter(move |_| is_one(place));
    types.flat_map(move |object_type| on_object(role, object_type, database, collection))
}

fn revoke(role: &Name, grant: &Grant) -> Change {
    Change::Revoke { role: role.clone(), grant: grant.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Object type, database, object, privilege.
    type Row = (ObjectType, &'static str, &'static str, &'static str);

    const C: ObjectType = ObjectType::Collection;
    const G: ObjectType = ObjectType::Global;

    fn grant((object_type, database, object, privilege): Row) -> Grant {
        Grant {
            object_type,
            database: database.into(),
            object: object.into(),
            privilege: privilege.into(),
        }
    }

    /// A state with those grants of each role, by `g`.
    fn state(roles: &[(&str, &[Row])]) -> State {
        let mut state = State::default();
        for (role, grants) in roles {
            let grants = grants.iter().map(|row| (grant(*row), Name::from("g"))).collect();
            state.roles.insert((*role).into(), Role { grants, ..Role::default() });
        }
        state
    }

    fn after(mut state: State, changes: &[Change]) -> State {
        for change in changes {
            state.apply(change).unwrap();
        }
        state
    }

    const OTHERS: [Row; 7] = [
        (C, "db1", "c2", "PrivilegeSearch"),
        (C, "db1", "c11", "PrivilegeSearch"),
        (C, "db2", "c1", "PrivilegeSearch"),
        (C, "db1", "*", "PrivilegeSearch"),
        (C, "*", "c1", "PrivilegeSearch"),
        (G, "*", "*", "PrivilegeGroupClusterAdmin"),
        (ObjectType::User, "db1", "c1", "PrivilegeSelectUser"),
    ];
    const OWN: [Row; 3] = [
        (C, "db1", "c1", "*"),
        (C, "db1", "c1", "PrivilegeSearch"),
        (G, "db1", "c1", "PrivilegeGroupCollectionReadOnly"),
    ];

    #[test]
    fn what_was_granted_on_it_goes_with_it_and_nothing_else() {
        let all = [&OTHERS[..], &OWN[..]].concat();
        let before = state(&[("public", &OWN), ("r1", &all), ("r2", &OTHERS)]);
        let changes = dropped(&before, "db1", "c1");
        let left = state(&[("public", &[]), ("r1", &OTHERS), ("r2", &OTHERS)]);
        assert_eq!(after(before, &changes), left);
        assert_eq!(dropped(&left, "db1", "c1"), []);
        for (database, collection) in [("db1", ""), ("", "c1"), ("db1", "c"), ("DB1", "c1")] {
            assert_eq!(dropped(&left, database, collection), [], "{database} {collection}");
        }
    }

    #[test]
    fn what_was_granted_on_it_moves_with_it() {
        for (database, collection) in [("db1", "c3"), ("db2", "c1"), ("db2", "c3")] {
            let moved = OWN
                .map(|(object_type, .., privilege)| (object_type, database, collection, privilege));
            let before = state(&[("r1", &[&OWN[..], &OTHERS].concat()), ("r2", &OTHERS)]);
            let changes = renamed(&before, ("db1", "c1"), (database, collection));
            let expected = state(&[("r1", &[&moved[..], &OTHERS].concat()), ("r2", &OTHERS)]);
            assert_eq!(after(before, &changes), expected);
        }
        // What is granted there already stays, by whom it was granted.
        let mut before = state(&[("r1", &OWN)]);
        let there = grant((C, "db1", "c3", "PrivilegeSearch"));
        before
            .apply(&Change::Grant { role: "r1".into(), grant: there.clone(), grantor: "h".into() })
            .unwrap();
        let changes = renamed(&before, ("db1", "c1"), ("db1", "c3"));
        let role = after(before, &changes).roles["r1"].clone();
        assert_eq!((role.grants.len(), role.grants.get(&there).map(|g| &**g)), (3, Some("h")));
        assert_eq!(renamed(&state(&[("r1", &OWN)]), ("db1", "c1"), ("db1", "c1")), []);
    }

    #[test]
    fn a_wildcard_is_no_collection() {
        let before = state(&[("r1", &[&OWN[..], &OTHERS].concat())]);
        for place in [("db1", "*"), ("*", "c1"), ("*", "*")] {
            assert_eq!(dropped(&before, place.0, place.1), [], "{place:?}");
            assert_eq!(renamed(&before, place, ("db1", "c3")), [], "{place:?}");
        }
        // Where nothing can be granted, nothing is.
        for to in [("db1", "*"), ("*", "c1"), ("*", "*"), ("db1", ""), ("db1", "a b"), ("", "c1")] {
            let changes = renamed(&before, ("db1", "c1"), to);
            assert_eq!(after(before.clone(), &changes), state(&[("r1", &OTHERS)]), "{to:?}");
        }
    }
}
