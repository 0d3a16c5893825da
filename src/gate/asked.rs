//! What a call asks for, by names that are read from the very bytes that go on.

use tonic::Status;

use super::audit::TOLD;
use super::methods::{Method, Requirement};
use super::peek::{self, Malformed};
use crate::authz::{Decision, Object, Query, Reason};
use crate::engine::Snapshot;
use crate::model::name::shortened;
use crate::model::privilege::{ANY, Level, ObjectType};
use crate::rpc::status;

/// What a call needs of its caller's roles.
#[derive(Debug)]
pub(super) struct Asked<'m> {
    requirement: &'static Requirement,
    /// Where its names mean something.
    pub(super) database: &'m str,
    /// Where the privilege must hold.
    scope: &'m str,
    /// The objects, at least one; the empty name is none in particular.
    pub(super) names: Vec<&'m str>,
    /// What a call that concerns the database names besides, for the log alone.
    pub(super) beside: Vec<&'m str>,
    own_role: &'m str,
    /// The id of a collection that is told beside its name, 0 for none. Some versions of Milvus look
    /// at the id, others at the name.
    pub(super) id: u64,
}

impl<'m> Asked<'m> {
    /// Reads the names that decide from the encoded `message`. `connection` is the database for
    /// requests that name none.
    pub(super) fn read(
        method: &Method,
        requirement: &'static Requirement,
        connection: &'m str,
        message: &'m [u8],
    ) -> Result<Self, Malformed> {
        let or_connection = |name: &'m str| if name.is_empty() { connection } else { name };
        let database = or_connection(peek::field(message, method.row.database)?);
        // What moves data into another database needs the privilege in every database.
        let moves = requirement.target_database != 0
            && or_connection(peek::field(message, requirement.target_database)?) != database;
        let cluster = requirement.privilege.level() == Some(Level::Cluster);
        let names = match requirement.many {
            true => peek::strings(message, &requirement.names)?,
            false => vec![peek::string(message, &requirement.names)?],
        };
        let beside = match requirement.object_type {
            ObjectType::Global => beside(method, requirement, message)?,
            ObjectType::Collection | ObjectType::User => Vec::new(),
        };
        let id = peek::id(message, method.row.id)?;
        let mut asked = Self {
            requirement,
            database,
            scope: if moves || cluster { ANY } else { database },
            // No name means all of the database.
            names: if names.is_empty() { vec![""] } else { names },
            beside,
            own_role: peek::string(message, requirement.own_role)?,
            id,
        };
        if id != 0 && (requirement.many || asked.names.iter().all(|name| name.is_empty())) {
            asked.go_by_id();
        }
        Ok(asked)
    }

    /// What is asked for is all collections of all databases: the id may be that of any.
    pub(super) fn go_by_id(&mut self) {
        self.scope = ANY;
        self.names = vec![""];
        self.id = 0;
    }

    /// Whether every authenticated caller may.
    pub(super) fn is_free(&self) -> bool {
        self.requirement.only_if_named && self.names.iter().all(|name| name.is_empty())
    }

    /// Whether grants on single collections may decide.
    pub(super) fn names_collections(&self) -> bool {
        self.requirement.object_type != ObjectType::User
            && self.names.iter().any(|name| !name.is_empty())
    }

    /// Whether the caller holds the privilege on anything.
    pub(super) fn anywhere(&self, snapshot: &Snapshot, user: &str) -> bool {
        snapshot.policy.decide_anywhere(user, &[self.requirement.privilege]).is_allowed()
    }

    /// The decision if the call concerned all collections.
    pub(super) fn on_all<'a>(&self, snapshot: &'a Snapshot, user: &str) -> Decision<'a> {
        self.on(snapshot, user, &[""])
    }

    /// The decision if the call named `names`, each of which must be allowed.
    pub(super) fn on<'a>(
        &self,
        snapshot: &'a Snapshot,
        user: &str,
        names: &[&str],
    ) -> Decision<'a> {
        let policy = &snapshot.policy;
        if let Some(role) = policy.effective_roles(user).find(|role| *role == self.own_role) {
            return Decision::Allowed(Reason::Role(role));
        }
        let mut decision = Decision::Denied;
        for name in names {
            decision = policy.decide(&self.query(user, name));
            if !decision.is_allowed() {
                break;
            }
        }
        decision
    }

    /// What is asked of the policy for one of the names.
    pub(super) fn query<'q>(&'q self, user: &'q str, name: &'q str) -> Query<'q> {
        let object = match self.requirement.object_type {
            ObjectType::Collection => Object::Collection(name),
            ObjectType::User => Object::User(if name.is_empty() { ANY } else { name }),
            ObjectType::Global => {
                Object::Global { collection: Some(name).filter(|n| !n.is_empty()) }
            }
        };
        Query { user, privilege: self.requirement.privilege, database: self.scope, object }
    }

    /// The text of a refusal.
    pub(super) fn refusal(&self, user: &str) -> String {
        format!(
            "{}: permission deny to {user} in the `{}` database",
            self.requirement.privilege.stored_name(),
            shortened(self.scope)
        )
    }
}

/// The first names in a request but for those of its database and of what it needs the privilege on.
fn beside<'m>(
    method: &Method,
    requirement: &Requirement,
    message: &'m [u8],
) -> Result<Vec<&'m str>, Malformed> {
    let others = method.row.names.iter().copied();
    let others: Vec<&[u32]> = others
        .filter(|path| **path != [method.row.database] && **path != requirement.names)
        .collect();
    let mut found = Vec::new();
    peek::each(message, &others, &mut |name| {
        if !name.is_empty() && found.len() < TOLD {
            found.push(name);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Refuses names that some upstream would take for a path to something else: Milvus Lite keeps
/// collections in folders of their names.
pub(super) fn check_names(method: &Method, connection: &str, message: &[u8]) -> Result<(), Status> {
    check_name(connection)?;
    let mut refused = Ok(());
    let seen = peek::each(message, method.row.names, &mut |name| {
        if refused.is_ok() {
            refused = check_name(name);
        }
        Ok(())
    });
    seen.map_err(|e| status::malformed(&e))?;
    refused
}

pub(super) fn check_name(name: &str) -> Result<(), Status> {
    if name.contains(['/', '\\']) || name.contains(char::is_control) || matches!(name, "." | "..") {
        let name = shortened(name);
        return Err(status::malformed(&format_args!("`{name}` is not the name of anything")));
    }
    Ok(())
}
