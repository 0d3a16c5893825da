//! A document as it was written: its form is checked, and all that can be said about it without
//! knowing what it is to be applied to.

mod read;

use super::node;
use super::problem::{Place, Problems};
use crate::model::state::{Grant, Name};

/// Something and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// Where.
    pub place: Place,
    /// What.
    pub value: T,
}

/// Who is to be there, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// It has no word, which is what somebody leaves who is in the middle of writing it, or has
    /// failed to.
    pub is_nothing: bool,
    /// Custom privilege groups.
    pub groups: Vec<Group>,
    /// Roles with their grants.
    pub roles: Vec<Role>,
    /// Users with their roles.
    pub users: Vec<User>,
}

/// A custom privilege group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is called.
    pub name: At<Name>,
    /// The names of its privileges.
    pub members: Vec<At<Name>>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// What it is called.
    pub name: At<Name>,
    /// Free text; none where nothing is said about it.
    pub description: Option<Name>,
    /// What it permits.
    pub grants: Vec<At<Permission>>,
}

/// A grant of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The grant.
    pub grant: Grant,
    /// The type of the object is given: just this grant is meant, whatever Milvus makes of such a
    /// request today. Without it the grant is what Milvus makes of it, with what comes along.
    pub exact: bool,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What the user is called.
    pub name: At<Name>,
    /// Free text; none where nothing is said about it.
    pub description: Option<Name>,
    /// Where the password comes from; none where it stays as it is.
    pub password: Option<At<Password>>,
    /// The names of the roles.
    pub roles: Vec<At<Name>>,
}

/// Where the password of a user comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// A bcrypt hash.
    Hash(Name),
    /// A file; the end of its line does not count.
    File(String),
    /// An environment variable.
    Variable(String),
}

impl Document {
    /// Reads a document, with all that is wrong with it as far as it can be told without knowing
    /// what it is to be applied to.
    pub fn read(text: &str) -> (Self, Problems) {
        let mut problems = Problems::default();
        let document = match node::parse(text) {
            Ok(node) => read::document(&node, &mut problems),
            Err(unreadable) => {
                problems.extend(unreadable);
                Self::default()
            }
        };
        (document, problems)
    }
}
