//! Questions about decisions: whose rights, and what a call needs, without a call.

use super::{Decision, Object, Policy, Query, Reason};
use crate::model::builtin::BuiltInGroups;
use crate::model::privilege::{ANY, ObjectType, Privilege, PrivilegeSet};
use crate::model::state::{ADMIN, PUBLIC, State};

/// Whose rights are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A user, with the roles that count for it.
    User(&'a str),
    /// Somebody who is bound to this role and to no other. `public` counts too, as for everybody.
    Role(&'a str),
}

/// What a call needs of its caller.
#[derive(Debug, Clone, Copy)]
pub enum Need<'a> {
    /// The privilege on the object.
    Privilege {
        /// Which.
        privilege: Privilege,
        /// The database; `*` for all of them. Cluster-level privileges do not look at it.
        database: &'a str,
        /// What the call acts on; a name of `*` stands for all objects.
        object: Object<'a>,
    },
    /// One of the privileges on any object whatever.
    Anywhere(&'a [Privilege]),
    /// To be `root` or to hold `admin`.
    Administrators,
    /// To be logged in.
    Authenticated,
}

impl<'a> From<Query<'a>> for Need<'a> {
    fn from(Query { privilege, database, object, .. }: Query<'a>) -> Self {
        Self::Privilege { privilege, database, object }
    }
}

impl<'a> Need<'a> {
    /// The privileges of which one is needed; none where no grant decides.
    pub fn privileges(&self) -> &[Privilege] {
        match self {
            Self::Privilege { privilege, .. } => std::slice::from_ref(privilege),
            Self::Anywhere(privileges) => privileges,
            Self::Administrators | Self::Authenticated => &[],
        }
    }

    /// What is asked of the policy if `user` needs a privilege on an object.
    pub(super) fn query<'q>(&self, user: &'q str) -> Option<Query<'q>>
    where
        'a: 'q,
    {
        match *self {
            Self::Privilege { privilege, database, object } => {
                Some(Query { user, privilege, database, object })
            }
            Self::Anywhere(_) | Self::Administrators | Self::Authenticated => None,
        }
    }

    /// Whether `set`, permitted at that place, is enough.
    pub(super) fn is_met_by(&self, database: &str, object: &str, set: PrivilegeSet) -> bool {
        match self {
            Self::Privilege { privilege, .. } => {
                set.contains(*privilege) && self.is_at(database, object)
            }
            Self::Anywhere(privileges) => privileges.iter().any(|p| set.contains(*p)),
            Self::Administrators | Self::Authenticated => false,
        }
    }

    /// Whether the place where something is needed is, or is part of, that one.
    pub(super) fn is_at(&self, database: &str, object: &str) -> bool {
        self.database().is_none_or(|name| database == ANY || database == name)
            && (object == ANY || self.object_name() == Some(object))
    }

    /// The database that counts, if one does.
    pub fn database(&self) -> Option<&'a str> {
        self.query("").and_then(|query| query.scope())
    }

    /// The name of the object, if one counts.
    pub fn object_name(&self) -> Option<&'a str> {
        self.query("").and_then(|query| query.name())
    }

    /// The type of the object, if one counts.
    pub fn object_type(&self) -> Option<ObjectType> {
        match self {
            Self::Privilege { object, .. } => Some(match object {
                Object::Collection(_) => ObjectType::Collection,
                Object::Global { .. } => ObjectType::Global,
                Object::User(_) => ObjectType::User,
            }),
            Self::Anywhere(_) | Self::Administrators | Self::Authenticated => None,
        }
    }
}

/// A state, and what is needed to answer questions about it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The state.
    pub state: &'a State,
    /// Its grants, compiled.
    pub policy: &'a Policy,
    /// The groups with which they were.
    pub groups: &'a BuiltInGroups,
}

impl<'a> View<'a> {
    /// The roles that count for the subject, in the order in which they are looked at.
    pub fn roles(&self, subject: Subject<'a>) -> Vec<&'a str> {
        match subject {
            Subject::User(user) => self.state.effective_roles(user).collect(),
            Subject::Role(PUBLIC) => vec![PUBLIC],
            Subject::Role(role) => vec![role, PUBLIC],
        }
    }

    /// Decides as for a call that needs this.
    pub fn decide(&self, subject: Subject<'a>, need: &Need<'_>) -> Decision<'a> {
        let policy = self.policy;
        let Subject::User(user) = subject else {
            let mut reasons = self.roles(subject).into_iter().filter_map(|r| self.reason(r, need));
            return reasons.next().map_or(Decision::Denied, Decision::Allowed);
        };
        match need {
            Need::Privilege { .. } => {
                need.query(user).map_or(Decision::Denied, |query| policy.decide(&query))
            }
            Need::Anywhere(privileges) => policy.decide_anywhere(user, privileges),
            Need::Administrators => policy.decide_on_administration(user),
            Need::Authenticated => Decision::Allowed(Reason::Authenticated),
        }
    }

    /// Why whoever holds the role may, if it is for this role.
    pub(super) fn reason(&self, role: &'a str, need: &Need<'_>) -> Option<Reason<'a>> {
        match need {
            Need::Authenticated => Some(Reason::Authenticated),
            _ if role == ADMIN => Some(Reason::Admin),
            _ => self.policy.role_meets(role, need).then_some(Reason::Role(role)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::Change;

    /// Who is asked about alone gets what the role gives, and what everybody gets.
    #[test]
    fn a_role_is_looked_at_with_public() {
        let mut state = State::default();
        for name in ["r", "public"] {
            let put = Change::PutRole { name: name.into(), description: "".into() };
            state.apply(&put).unwrap();
        }
        let (policy, groups) = (Policy::default(), BuiltInGroups::default());
        let view = View { state: &state, policy: &policy, groups: &groups };
        assert_eq!(view.roles(Subject::Role("r")), ["r", "public"]);
        assert_eq!(view.roles(Subject::Role("public")), ["public"]);
        assert_eq!(view.roles(Subject::User("nobody")), ["public"]);
        let decide = |role, need: &Need<'_>| view.decide(Subject::Role(role), need);
        let administrators = Need::Administrators;
        assert_eq!(decide("admin", &administrators), Decision::Allowed(Reason::Admin));
        assert_eq!(decide("r", &administrators), Decision::Denied);
        let authenticated = Decision::Allowed(Reason::Authenticated);
        assert_eq!(decide("r", &Need::Authenticated), authenticated);
    }
}
