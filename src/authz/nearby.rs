//! What is held that comes near to what is needed, and why it is not enough.

use std::collections::BTreeMap;
use std::fmt;

use super::Reason;
use super::need::{Need, View};
use super::path::{Path, covers};
use super::reach::{self, EVERY};
use crate::model::privilege::{
    ANY, Privilege, PrivilegeKind, PrivilegeSet, custom_group, stored_name,
};
use crate::model::state::{ADMIN, Grant, Name};

/// How much is told.
const TOLD: usize = 10;
/// How many of it may be roles that are not held.
const OTHER_ROLES: usize = 3;

/// Something that comes near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearby<'a> {
    /// The role.
    pub role: &'a str,
    /// What it holds.
    pub grant: &'a Grant,
    /// Why that is not enough.
    pub why: Why<'a>,
}

/// Why a grant is not enough. The nearest come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why<'a> {
    /// Its custom group holds another group, which counts for nothing there.
    Nested {
        /// The custom group.
        group: &'a str,
        /// The one that it holds.
        member: &'a str,
    },
    /// Its custom group has no privileges, or is none any more.
    Empty {
        /// The custom group.
        group: &'a str,
    },
    /// It is on an object of nearly the same name.
    SimilarObject {
        /// The object that is needed.
        needed: &'a str,
    },
    /// It is enough, but the role is not held.
    NotHeld {
        /// Whether somebody else holds it.
        by_others: bool,
    },
    /// It is on another object of the database.
    OtherObject {
        /// The object that is needed; `*` for all of them.
        needed: &'a str,
    },
    /// It is on the same in another database.
    OtherDatabase {
        /// The database that is needed; none where it is the instance.
        needed: Option<&'a str>,
    },
    /// It is on something else in another database.
    Elsewhere,
    /// It names the same, or what that is part of, but what it permits there is something else.
    OtherPrivilege,
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested { group, member } => {
                write!(f, "the group `{member}` counts for nothing inside the group `{group}`")
            }
            Self::Empty { group } => write!(f, "the group `{group}` is empty or gone"),
            Self::SimilarObject { needed } => write!(
                f,
                "its object is not `{needed}`: names are compared letter by letter, and an alias \
                 counts only where it is looked up"
            ),
            Self::NotHeld { by_others: true } => f.write_str("others hold this role"),
            Self::NotHeld { by_others: false } => f.write_str("nobody holds this role"),
            Self::OtherObject { needed: ANY } => f.write_str("it is not on all of the database"),
            Self::OtherObject { needed } => write!(f, "its object is not `{needed}`"),
            Self::OtherDatabase { needed: None } => {
                f.write_str("it reaches the instance on database `*` alone")
            }
            Self::OtherDatabase { needed: Some(ANY) } => f.write_str("it is not on all databases"),
            Self::OtherDatabase { needed: Some(needed) } => {
                write!(f, "its database is not `{needed}`")
            }
            Self::Elsewhere => f.write_str("its database and its object are others"),
            Self::OtherPrivilege => f.write_str("what it permits there is something else"),
        }
    }
}

/// What comes near of what `roles` hold, none of which are enough; with `others` also roles that
/// would be. Looks at all of their grants.
pub(super) fn nearby<'a>(
    view: &View<'a>,
    roles: &[&'a str],
    need: &Need<'a>,
    others: bool,
) -> Vec<Nearby<'a>> {
    let mut nearest = BTreeMap::new();
    let mut add = |why: Why<'a>, role: &'a str, grant: &'a Grant| {
        nearest.insert((why, role, grant), ());
        if nearest.len() > TOLD {
            nearest.pop_last();
        }
    };
    let sieve = Sieve::new(need);
    for role in roles {
        for grant in view.state.roles.get(*role).into_iter().flat_map(|role| role.grants.keys()) {
            if let Some(why) = sieve.why(view, grant) {
                add(why, role, grant);
            }
        }
    }
    if others {
        let meets = |name: &str| {
            name != ADMIN && !roles.contains(&name) && view.policy.role_meets(name, need)
        };
        let found = view.state.roles.iter().filter(|(name, _)| meets(name));
        for (name, role) in found.take(OTHER_ROLES) {
            let path = Path::of(view, Reason::Role(name), need);
            if let Some(grant) = path.grant {
                add(Why::NotHeld { by_others: !role.users.is_empty() }, name, grant);
            }
        }
    }
    let told = nearest.into_keys();
    told.map(|(why, role, grant)| Nearby { role, grant, why }).collect()
}

/// What is needed, as single grants are held against it.
struct Sieve<'n, 'a> {
    need: &'n Need<'a>,
    /// Other privileges that are held on the same things.
    alike: PrivilegeSet,
}

impl<'n, 'a> Sieve<'n, 'a> {
    fn new(need: &'n Need<'a>) -> Self {
        let alike = |p: &Privilege| {
            p.kind() == PrivilegeKind::Single
                && need.privileges().iter().any(|needed| needed.level() == p.level())
        };
        Self { need, alike: Privilege::all().filter(alike).collect() }
    }

    /// Why a grant that is not enough comes near, if it does.
    fn why(&self, view: &View<'a>, grant: &'a Grant) -> Option<Why<'a>> {
        let need = self.need;
        let Grant { object_type, database, object, privilege } = grant;
        let enough = |database: &Name, object: &Name, privilege: &Name| {
            let (database, object) = (database.clone(), object.clone());
            let privilege = privilege.clone();
            covers(view, &Grant { object_type: *object_type, database, object, privilege }, need)
        };
        if enough(&EVERY, &EVERY, privilege) {
            let needed = need.object_name().unwrap_or(ANY);
            return Some(if enough(database, &EVERY, privilege) {
                match is_similar(object, needed) {
                    true => Why::SimilarObject { needed },
                    false => Why::OtherObject { needed },
                }
            } else if enough(&EVERY, object, privilege) {
                Why::OtherDatabase { needed: need.database() }
            } else {
                Why::Elsewhere
            });
        }
        if let Some(name) = custom_group(privilege) {
            let members = view.state.groups.get(name).map(|group| &group.privileges);
            let mut members = members.into_iter().flatten().peekable();
            if members.peek().is_none() {
                let mut needed = need.privileges().iter();
                return needed
                    .any(|p| enough(database, object, &p.stored_name().into()))
                    .then_some(Why::Empty { group: name });
            }
            // What would be enough alone, and is not as a member.
            let nested = members.find(|m| enough(database, object, &stored_name(m).into()));
            if let Some(member) = nested {
                return Some(Why::Nested { group: name, member });
            }
        }
        let mut beside = false;
        // What is held on everything is near to nothing.
        let named = **database != *ANY || **object != *ANY;
        if named && matches!(need, Need::Privilege { .. }) {
            reach::of_grant(grant, view.state, view.groups, &mut |database, object, set| {
                beside |= need.is_at(database, object) && !set.intersection(self.alike).is_empty();
            });
        }
        beside.then_some(Why::OtherPrivilege)
    }
}

/// Whether one name may have been meant for the other: they differ in case, or one begins with the
/// other, as names and their aliases often do.
fn is_similar(held: &str, needed: &str) -> bool {
    if held == ANY || needed == ANY {
        return false;
    }
    let (held, needed) = (held.trim().to_ascii_lowercase(), needed.trim().to_ascii_lowercase());
    held.starts_with(&needed) || needed.starts_with(&held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::{Object, Policy, Subject, explain};
    use crate::model::builtin::BuiltInGroups;
    use crate::model::privilege::ObjectType;
    use crate::model::state::{Change, Group, State};

    const R: &str = "r";

    fn grant(privilege: &str, database: &str, object: &str) -> Grant {
        let object_type = match Privilege::stored_as(privilege) {
            Some(privilege) => privilege.object_type(),
            None => ObjectType::Global,
        };
        let (database, object) = (database.into(), object.into());
        Grant { object_type, database, object, privilege: privilege.into() }
    }

    fn group(name: &str, members: &[&str]) -> Change {
        let privileges = members.iter().map(|member| Name::from(*member)).collect();
        Change::PutGroup { name: name.into(), group: Group { privileges } }
    }

    /// What is said of a role that holds `grants`, to one who may not search `docs`.
    fn said(grants: &[Grant], more: &[Change], need: &Need<'static>) -> Vec<(String, String)> {
        let mut state = State::default();
        let put = Change::PutRole { name: R.into(), description: "".into() };
        let grant = |grant: &Grant| Change::Grant {
            role: R.into(),
            grant: grant.clone(),
            grantor: "root".into(),
        };
        for change in [put].into_iter().chain(grants.iter().map(grant)).chain(more.to_vec()) {
            state.apply(&change).unwrap();
        }
        let groups = BuiltInGroups::default();
        let policy = Policy::compile(&state, &groups);
        let view = View { state: &state, policy: &policy, groups: &groups };
        let explained = explain(&view, Subject::Role(R), need, true);
        let near = explained.nearby.iter();
        near.map(|n| (format!("{}/{}", n.grant.database, n.grant.object), n.why.to_string()))
            .collect()
    }

    fn search(collection: &'static str) -> Need<'static> {
        Need::Privilege {
            privilege: Privilege::named("Search").unwrap(),
            database: "default",
            object: Object::Collection(collection),
        }
    }

    fn one(grants: &[Grant], more: &[Change], need: &Need<'static>) -> String {
        let said = said(grants, more, need);
        assert_eq!(said.len(), 1, "{said:?}");
        said.into_iter().map(|(_, why)| why).collect()
    }

    #[test]
    fn each_reason_has_its_words() {
        let docs = search("docs");
        let outer = [grant("PrivilegeGroupouter", "default", "docs")];
        assert_eq!(
            one(&outer, &[group("outer", &["CollectionReadOnly"])], &docs),
            "the group `CollectionReadOnly` counts for nothing inside the group `outer`"
        );
        assert_eq!(one(&outer, &[], &docs), "the group `outer` is empty or gone");
        assert_eq!(
            one(&outer, &[group("outer", &[])], &docs),
            "the group `outer` is empty or gone"
        );
        let something_else = "what it permits there is something else";
        assert_eq!(one(&outer, &[group("outer", &["Query"])], &docs), something_else);
        let similar = "its object is not `docs`: names are compared letter by letter, and an alias \
                       counts only where it is looked up";
        for name in ["Docs", "docs_v2", "doc", " docs"] {
            assert_eq!(one(&[grant("PrivilegeSearch", "default", name)], &[], &docs), similar);
        }
        let held = |database, object| grant("PrivilegeSearch", database, object);
        assert_eq!(one(&[held("default", "c")], &[], &docs), "its object is not `docs`");
        assert_eq!(one(&[held("db1", "docs")], &[], &docs), "its database is not `default`");
        let elsewhere = "its database and its object are others";
        assert_eq!(one(&[held("db1", "c")], &[], &docs), elsewhere);
        let all = search("*");
        assert_eq!(one(&[held("default", "c")], &[], &all), "it is not on all of the database");
        let create = Need::Privilege {
            privilege: Privilege::named("CreateDatabase").unwrap(),
            database: "*",
            object: Object::Global { collection: None },
        };
        let instance = "it reaches the instance on database `*` alone";
        assert_eq!(one(&[grant("PrivilegeAll", "db1", "*")], &[], &create), instance);
        // What has nothing to do with it is not told.
        assert_eq!(said(&[grant("PrivilegeCreateCollection", "db1", "*")], &[], &docs), []);
        assert_eq!(said(&[grant("PrivilegeInsert", "default", "c")], &[], &docs), []);
    }

    #[test]
    fn the_nearest_come_first_and_not_many() {
        let mut grants: Vec<_> =
            (0..30).map(|n| grant("PrivilegeSearch", "default", &format!("c{n:02}"))).collect();
        grants.push(grant("PrivilegeSearch", "default", "Docs"));
        grants.push(grant("PrivilegeInsert", "default", "docs"));
        let other = [
            Change::PutRole { name: "able".into(), description: "".into() },
            Change::Grant {
                role: "able".into(),
                grant: grant("PrivilegeSearch", "*", "*"),
                grantor: "root".into(),
            },
        ];
        let said = said(&grants, &other, &search("docs"));
        let places: Vec<_> = said.iter().map(|(place, _)| &**place).collect();
        let others: Vec<_> = (0..8).map(|n| format!("default/c{n:02}")).collect();
        let expected = ["default/Docs", "*/*"].into_iter();
        assert_eq!(places, expected.chain(others.iter().map(|o| &**o)).collect::<Vec<_>>());
        assert_eq!(said[1].1, "nobody holds this role");
    }
}
