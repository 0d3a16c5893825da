//! Who may do what.

use super::{Grant, Oracle, catalogue};

/// A call to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    pub(crate) user: &'a str,
    /// The name that clients know it by.
    pub(crate) privilege: &'a str,
    pub(crate) database: &'a str,
    pub(crate) on: On<'a>,
}

/// The object of a call. It is of the type on which the privilege acts: no call of Milvus is of
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On<'a> {
    Collection(&'a str),
    /// The database or the instance; for some calls with the one collection that they concern.
    Global(Option<&'a str>),
    User(&'a str),
}

impl Oracle {
    /// Whether the call may go on.
    pub(crate) fn allows(&self, call: &Call<'_>) -> bool {
        let mut roles = self.roles_of(call.user);
        roles.push("public".to_owned());
        call.user == "root"
            || call.on == On::User(call.user)
            || roles.iter().any(|role| role == "admin")
            || self
                .grants
                .iter()
                .any(|grant| roles.contains(&grant.role) && self.covers(grant, call))
    }

    fn covers(&self, grant: &Grant, call: &Call<'_>) -> bool {
        let name = catalogue::api(&grant.privilege);
        if name == "*" {
            return covers_by_any(grant, call);
        }
        if let Some(members) = catalogue::built_in(name) {
            return members.iter().any(|member| covers_by_one(grant, member, call));
        }
        match self.groups.get(name) {
            Some(members) => members.iter().any(|member| covers_by_one(grant, member, call)),
            None => covers_by_one(grant, name, call),
        }
    }
}

/// By one name, granted alone or as the member of a group. Groups in a group match nothing, apart
/// from those of the first generation, by either spelling.
fn covers_by_one(grant: &Grant, name: &str, call: &Call<'_>) -> bool {
    let name = catalogue::defined(name).map_or(name, |entry| entry.name);
    if name == "All" {
        return in_database(grant, call) && (grant.database == "*" || !is_cluster(call));
    }
    let object = if name == "Admin" { "*" } else { &grant.object };
    let (named, reaches_cluster) = match catalogue::legacy(name) {
        // v1 clients mean the instance by these two alone.
        Some(list) => (list.contains(&call.privilege), matches!(&*grant.database, "*" | "default")),
        // Whatever database it was granted under (design, section 7, row 3).
        None => (name == call.privilege, true),
    };
    let covered = if is_cluster(call) { reaches_cluster } else { in_database(grant, call) };
    named && covered && on_object(object, call)
}

/// By `*`: every privilege of the grant's type on its object, and no further (design, section 7,
/// row 4).
fn covers_by_any(grant: &Grant, call: &Call<'_>) -> bool {
    let of_type = catalogue::type_of(call.privilege) == grant.object_type;
    match grant.object_type.as_str() {
        "Collection" => of_type && in_database(grant, call) && on_object(&grant.object, call),
        // Users belong to no database.
        "User" => of_type && on_object(&grant.object, call),
        _ if grant.object == "*" => {
            of_type && in_database(grant, call) && (grant.database == "*" || !is_cluster(call))
        }
        // A v2 grant on one collection, whose calls are not all of type Collection.
        _ => {
            let concerned = match call.on {
                On::Collection(name) => Some(name),
                On::Global(name) => name,
                On::User(_) => None,
            };
            catalogue::level_of(call.privilege) == Some("Collection")
                && in_database(grant, call)
                && concerned == Some(&grant.object)
        }
    }
}

fn in_database(grant: &Grant, call: &Call<'_>) -> bool {
    grant.database == "*" || grant.database == call.database
}

fn is_cluster(call: &Call<'_>) -> bool {
    catalogue::level_of(call.privilege) == Some("Cluster")
}

/// What is granted of type Global is granted on the whole database, whatever object it names.
fn on_object(object: &str, call: &Call<'_>) -> bool {
    match call.on {
        On::Global(_) => true,
        On::Collection(name) | On::User(name) => object == "*" || object == name,
    }
}

impl Call<'_> {
    /// Whether there could be such a call at all: of a single privilege, on an object of its type.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = self.privilege;
        if catalogue::level_of(name).is_none() {
            return Err(format!("no privilege `{name}`"));
        }
        let on = match self.on {
            On::Collection(_) => "Collection",
            On::Global(_) => "Global",
            On::User(_) => "User",
        };
        match catalogue::type_of(name) {
            own if own == on => Ok(()),
            own => Err(format!("`{name}` acts on {own}, not on {on}")),
        }
    }
}
