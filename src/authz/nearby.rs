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
    /// It is on the same, but what it permits there is something else.
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
        if matches!(need, Need::Privilege { .. }) {
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
