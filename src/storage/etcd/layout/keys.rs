//! Which record a key stands for.

use std::fmt;

use md5::{Digest, Md5};

use crate::model::names::Names;
use crate::model::privilege::ObjectType;
use crate::model::state::{DEFAULT_DATABASE, Grant, Name};

/// Under these is everything that a mirror wants to know.
pub(in crate::storage::etcd) const ROOTS: [&str; 3] =
    ["milvus-rbac/", "root-coord/credential/", "root-coord/privilege-group/"];

/// Where the last commit is told.
pub(in crate::storage::etcd) const HEAD: &str = "milvus-rbac/head";

/// Under this each instance tells that it is there.
pub(in crate::storage::etcd) const INSTANCES: &str = "milvus-rbac/instances/";

/// There as long as a copy that goes into it is not whole.
pub(in crate::storage::etcd) const COPYING: &str = "milvus-rbac/copying";

/// Where the audit trail begins and ends.
pub(in crate::storage::etcd) const TRAIL: &str = "milvus-rbac/trail";

/// Under this are the segments of the audit trail, those of each store apart. It is not in the range
/// that is watched, and read at a start: nobody needs them to decide.
pub(in crate::storage::etcd) const SEGMENTS: &str = "milvus-rbac-audit/";

/// Under these are all records but the last commit.
pub(in crate::storage::etcd) const RECORDS: [&str; 3] =
    [DATABASES, "root-coord/credential/", "root-coord/privilege-group/"];

const DATABASES: &str = "milvus-rbac/databases/";
const USERS: &str = "root-coord/credential/users/";
const ROLES: &str = "root-coord/credential/roles/";
const BINDINGS: &str = "root-coord/credential/user-role-mapping/";
const GRANTEES: &str = "root-coord/credential/grantee-privileges/";
const GRANTS: &str = "root-coord/credential/grantee-id/";
const GROUPS: &str = "root-coord/privilege-group/";

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Record {
    Head,
    Instance(Name),
    Database(Name),
    User(Name),
    Role(Name),
    Binding { user: Name, role: Name },
    Grantee(Grantee),
    Grant { id: Name, privilege: Name },
    Group(Name),
}

/// What a role's privileges on one object are kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grantee {
    pub(super) role: Name,
    pub(super) object_type: ObjectType,
    /// None in keys of the time before databases, which mean the default one.
    pub(super) database: Option<Name>,
    pub(super) object: Name,
}

/// What a role's privileges are about. Two grantees stand for the same scope where one of them is
/// of the time before databases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) role: Name,
    pub(super) object_type: ObjectType,
    pub(super) database: Name,
    pub(super) object: Name,
}

/// Many records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Range {
    /// The bindings of a user.
    Bindings(Name),
    /// The grantees of a role.
    Grantees(Name),
    /// The grants under a grantee's id.
    Grants(Name),
}

/// A key in a place that we know, without the parts that keys there have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Record {
    /// The record of that key; none for what belongs to others.
    pub(super) fn of(key: &str, names: &mut Names) -> Result<Option<Self>, Malformed> {
        if key == HEAD {
            return Ok(Some(Self::Head));
        }
        let sections = [INSTANCES, DATABASES, USERS, ROLES, BINDINGS, GRANTEES, GRANTS, GROUPS];
        let section = sections.into_iter().find_map(|s| Some((s, key.strip_prefix(s)?)));
        let Some((section, rest)) = section else { return Ok(None) };
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let parts = [parts.next(), parts.next(), parts.next()];
        let record = match (section, parts) {
            (INSTANCES, [Some(id), None, _]) => Self::Instance(id.into()),
            (DATABASES, [Some(name), None, _]) => Self::Database(names.name(name)),
            (USERS, [Some(name), None, _]) => Self::User(names.name(name)),
            (ROLES, [Some(name), None, _]) => Self::Role(names.name(name)),
            (BINDINGS, [Some(user), Some(role), None]) => {
                Self::Binding { user: names.name(user), role: names.name(role) }
            }
            (GRANTEES, [Some(role), Some(object_type), Some(place)]) => {
                let (database, object) = match place.split_once('.') {
                    Some(("", _) | (_, "")) => return Err(Malformed),
                    Some((database, object)) => (Some(names.name(database)), object),
                    None => (None, place),
                };
                let object_type = ObjectType::named(object_type).ok_or(Malformed)?;
                let (role, object) = (names.name(role), names.name(object));
                Self::Grantee(Grantee { role, object_type, database, object })
            }
            (GRANTS, [Some(id), Some(privilege), None]) => {
                Self::Grant { id: names.name(id), privilege: names.name(privilege) }
            }
            (GROUPS, [Some(name), None, _]) => Self::Group(names.name(name)),
            _ => return Err(Malformed),
        };
        // Only a key that is written as ours are has no part too many, nor an empty one.
        if record.to_string() == key { Ok(Some(record)) } else { Err(Malformed) }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str(HEAD),
            Self::Instance(id) => write!(f, "{INSTANCES}{id}"),
            Self::Database(name) => write!(f, "{DATABASES}{name}"),
            Self::User(name) => write!(f, "{USERS}{name}"),
            Self::Role(name) => write!(f, "{ROLES}{name}"),
            Self::Binding { user, role } => write!(f, "{BINDINGS}{user}/{role}"),
            Self::Grantee(grantee) => grantee.fmt(f),
            Self::Grant { id, privilege } => write!(f, "{GRANTS}{id}/{privilege}"),
            Self::Group(name) => write!(f, "{GROUPS}{name}"),
        }
    }
}

impl Scope {
    /// That of a role's grant.
    pub(super) fn of(role: &Name, grant: &Grant) -> Self {
        let Grant { object_type, database, object, .. } = grant.clone();
        Self { role: role.clone(), object_type, database, object }
    }
}

impl Grantee {
    /// The grantee that is made for a scope.
    pub(super) fn of(scope: &Scope) -> Self {
        let Scope { role, object_type, database, object } = scope.clone();
        Self { role, object_type, database: Some(database), object }
    }

    /// The one of the time before databases that may stand for a scope.
    pub(super) fn old_of(scope: &Scope) -> Option<Self> {
        (&*scope.database == DEFAULT_DATABASE).then(|| Self { database: None, ..Self::of(scope) })
    }

    /// What it stands for.
    pub(super) fn scope(&self) -> Scope {
        let Self { role, object_type, database, object } = self.clone();
        let database = database.unwrap_or_else(|| DEFAULT_DATABASE.into());
        Scope { role, object_type, database, object }
    }

    /// The id that is made for it.
    pub(super) fn id(&self) -> Name {
        format!("{:x}", Md5::digest(self.to_string())).into()
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, object_type, database, object } = self;
        write!(f, "{GRANTEES}{role}/{}/", object_type.name())?;
        if let Some(database) = database {
            write!(f, "{database}.")?;
        }
        f.write_str(object)
    }
}

impl Range {
    /// What their keys begin with.
    pub(super) fn prefix(&self) -> String {
        match self {
            Self::Bindings(user) => format!("{BINDINGS}{user}/"),
            Self::Grantees(role) => format!("{GRANTEES}{role}/"),
            Self::Grants(id) => format!("{GRANTS}{id}/"),
        }
    }
}

/// Whether the text can be a part of a key: Milvus takes keys apart at each `/` and joins them as
/// paths.
pub(super) fn is_part(text: &str) -> bool {
    !text.contains('/') && !matches!(text, "" | "." | "..")
}

/// Whether the text can be one of the names that a grantee's key joins with a dot.
pub(super) fn is_place(text: &str) -> bool {
    is_part(text) && !text.contains('.')
}
