//! What a change has changed, for whoever wants to know it later: the records before and after.
//!
//! An event holds everything that a state holds but secrets: whoever takes the steps of all events
//! comes to the state, without the hashes of passwords.

use super::origin::Origin;
use super::privilege::ANY;
use super::state::{Change, Grant, Name, State};

/// Record changes that one event tells at most; further events of the revision tell the others.
pub const MAX_STEPS: usize = 1000;

/// One change, or a part of a large one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The revision that the change led to.
    pub revision: u64,
    /// Which of the events of this revision, from 0 on.
    pub part: u32,
    /// Whether it is the last of them.
    pub last: bool,
    /// Milliseconds since 1970.
    pub time: u64,
    /// Who, from where, and why.
    pub origin: Origin,
    /// The call, or what else led to it.
    pub command: String,
    /// What it did, in order.
    pub steps: Vec<Step>,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The change that wrote the record as it was; none where there was no record.
    pub before: Option<Change>,
    /// The change. Of a user it holds no hash of a password.
    pub change: Change,
    /// Whether a user has another password than before, or a first one.
    pub new_password: bool,
}

impl Step {
    /// What `change` does to `state`.
    pub fn of(change: &Change, state: &State) -> Self {
        let before = state.record_of(change);
        let new_password = match (change, &before) {
            (
                Change::PutUser { password_hash, .. },
                Some(Change::PutUser { password_hash: old, .. }),
            ) => password_hash != old,
            (Change::PutUser { .. }, _) => true,
            _ => false,
        };
        Self {
            before: before.map(without_secret),
            change: without_secret(change.clone()),
            new_password,
        }
    }

    /// `user`, `role`, `binding`, `grant`, `group` or `database`.
    pub fn kind(&self) -> &'static str {
        match &self.change {
            Change::PutUser { .. } | Change::DeleteUser { .. } => "user",
            Change::PutRole { .. } | Change::DeleteRole { .. } => "role",
            Change::Bind { .. } | Change::Unbind { .. } => "binding",
            Change::Grant { .. } | Change::Revoke { .. } => "grant",
            Change::PutGroup { .. } | Change::DeleteGroup { .. } => "group",
            Change::PutDatabase { .. } | Change::DeleteDatabase { .. } => "database",
        }
    }

    /// Which record, for people.
    pub fn name(&self) -> String {
        match &self.change {
            Change::PutUser { name, .. }
            | Change::DeleteUser { name }
            | Change::PutRole { name, .. }
            | Change::DeleteRole { name }
            | Change::PutGroup { name, .. }
            | Change::DeleteGroup { name }
            | Change::PutDatabase { name, .. }
            | Change::DeleteDatabase { name } => name.to_string(),
            Change::Bind { user, role } | Change::Unbind { user, role } => {
                format!("role {role} of user {user}")
            }
            Change::Grant { role, grant, .. } | Change::Revoke { role, grant } => {
                let Grant { object_type, database, object, privilege } = grant;
                let object_type = object_type.name();
                format!("{privilege} on {object_type} {database}.{object} to role {role}")
            }
        }
    }

    /// What the record said before, for people; none where there was none.
    pub fn before(&self) -> Option<String> {
        self.before.as_ref().and_then(text_of)
    }

    /// What it says now; none where there is none any more.
    pub fn after(&self) -> Option<String> {
        let text = text_of(&self.change)?;
        Some(match (self.new_password, text.is_empty()) {
            (false, _) => text,
            (true, true) => "password changed".to_owned(),
            (true, false) => format!("{text}; password changed"),
        })
    }

    /// Whether a user, role, group, database or object of this name is concerned.
    pub fn concerns(&self, name: &str) -> bool {
        let (names, grant): ([Option<&Name>; 2], Option<&Grant>) = match &self.change {
            Change::PutUser { name, .. }
            | Change::DeleteUser { name }
            | Change::PutRole { name, .. }
            | Change::DeleteRole { name }
            | Change::PutGroup { name, .. }
            | Change::DeleteGroup { name }
            | Change::PutDatabase { name, .. }
            | Change::DeleteDatabase { name } => ([Some(name), None], None),
            Change::Bind { user, role } | Change::Unbind { user, role } => {
                ([Some(user), Some(role)], None)
            }
            Change::Grant { role, grant, .. } | Change::Revoke { role, grant } => {
                ([Some(role), None], Some(grant))
            }
        };
        let of_grant = grant.into_iter().flat_map(|grant| [&grant.database, &grant.object]);
        let of_grant = of_grant.filter(|part| **part != *ANY);
        names.into_iter().flatten().chain(of_grant).any(|other| **other == *name)
    }
}

/// What a record says beside its name; none for a removal.
fn text_of(change: &Change) -> Option<String> {
    match change {
        Change::PutUser { description, .. } | Change::PutRole { description, .. } => {
            Some(match description.as_str() {
                "" => String::new(),
                text => format!("description {text:?}"),
            })
        }
        Change::Bind { .. } => Some(String::new()),
        Change::Grant { grantor, .. } => Some(format!("by {grantor}")),
        Change::PutGroup { group, .. } => {
            let names: Vec<&str> = group.privileges.iter().map(Name::as_str).collect();
            Some(names.join(", "))
        }
        Change::PutDatabase { database, .. } => {
            let properties = database.properties.iter().map(|(k, v)| format!("{k}={v:?}"));
            Some(
                [format!("id {}", database.id)]
                    .into_iter()
                    .chain(properties)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        }
        Change::DeleteUser { .. }
        | Change::DeleteRole { .. }
        | Change::Unbind { .. }
        | Change::Revoke { .. }
        | Change::DeleteGroup { .. }
        | Change::DeleteDatabase { .. } => None,
    }
}

/// INVARIANT: no event holds a password or the hash of one. Defended by `tests/it/audit/`.
fn without_secret(change: Change) -> Change {
    match change {
        Change::PutUser { name, description, .. } => {
            Change::PutUser { name, password_hash: Name::new(), description }
        }
        other => other,
    }
}

impl State {
    /// The change that wrote the record with which `change` is concerned; none where there is none.
    fn record_of(&self, change: &Change) -> Option<Change> {
        Some(match change {
            Change::PutUser { name, .. } | Change::DeleteUser { name } => {
                let user = self.users.get(name)?;
                let (password_hash, description) =
                    (user.password_hash.clone(), user.description.clone());
                Change::PutUser { name: name.clone(), password_hash, description }
            }
            Change::PutRole { name, .. } | Change::DeleteRole { name } => {
                let description = self.roles.get(name)?.description.clone();
                Change::PutRole { name: name.clone(), description }
            }
            Change::Bind { user, role } | Change::Unbind { user, role } => {
                self.users.get(user).filter(|bound| bound.roles.contains_key(role))?;
                Change::Bind { user: user.clone(), role: role.clone() }
            }
            Change::Grant { role, grant, .. } | Change::Revoke { role, grant } => {
                let grantor = self.roles.get(role)?.grants.get(grant)?.clone();
                Change::Grant { role: role.clone(), grant: grant.clone(), grantor }
            }
            Change::PutGroup { name, .. } | Change::DeleteGroup { name } => {
                Change::PutGroup { name: name.clone(), group: self.groups.get(name)?.clone() }
            }
            Change::PutDatabase { name, .. } | Change::DeleteDatabase { name } => {
                let database = self.databases.get(name)?.clone();
                Change::PutDatabase { name: name.clone(), database }
            }
        })
    }
}

/// The events of one change.
pub fn events(
    revision: u64,
    time: u64,
    origin: &Origin,
    command: &str,
    steps: Vec<Step>,
) -> Vec<Event> {
    let count = steps.len().div_ceil(MAX_STEPS).max(1);
    let mut steps = steps.into_iter();
    (0_u32..)
        .take(count)
        .map(|part| Event {
            revision,
            part,
            last: steps.len() <= MAX_STEPS,
            time,
            origin: origin.clone(),
            command: command.to_owned(),
            steps: steps.by_ref().take(MAX_STEPS).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::command::{Command, Rules};
    use crate::model::privilege::ObjectType;

    fn put_user(hash: &str, description: &str) -> Change {
        let (name, password_hash) = ("u".into(), hash.into());
        Change::PutUser { name, password_hash, description: description.into() }
    }

    #[test]
    fn a_step_tells_both_sides_and_no_secret() {
        let mut state = State::default();
        let first = Step::of(&put_user("hash one", ""), &state);
        assert_eq!((first.before(), first.after()), (None, Some("password changed".to_owned())));
        state.apply(&put_user("hash one", "")).unwrap();
        let described = Step::of(&put_user("hash one", "new"), &state);
        assert_eq!(described.before(), Some(String::new()));
        assert_eq!(described.after(), Some("description \"new\"".to_owned()));
        let changed = Step::of(&put_user("hash two", "new"), &state);
        assert_eq!(changed.after(), Some("description \"new\"; password changed".to_owned()));
        let gone = Step::of(&Change::DeleteUser { name: "u".into() }, &state);
        assert_eq!((gone.before(), gone.after()), (Some(String::new()), None));
        for step in [first, described, changed, gone] {
            assert_eq!((step.kind(), step.name()), ("user", "u".to_owned()));
            assert!(step.concerns("u") && !step.concerns("v"));
            assert!(
                !format!("{step:?}").contains("hash one")
                    && !format!("{step:?}").contains("hash two")
            );
        }
    }

    #[test]
    fn grants_and_bindings_concern_all_who_are_named() {
        let grant = Grant {
            object_type: ObjectType::Collection,
            database: "d".into(),
            object: "*".into(),
            privilege: "PrivilegeSearch".into(),
        };
        let granted = Change::Grant { role: "r".into(), grant, grantor: "g".into() };
        let step = Step::of(&granted, &State::default());
        assert_eq!(step.name(), "PrivilegeSearch on Collection d.* to role r");
        assert_eq!(
            ["r", "d", "*", "g"].map(|name| step.concerns(name)),
            [true, true, false, false]
        );
        let bound = Change::Bind { user: "u".into(), role: "r".into() };
        let step = Step::of(&bound, &State::default());
        assert_eq!(["u", "r", "d"].map(|name| step.concerns(name)), [true, true, false]);
    }

    #[test]
    fn a_large_change_is_told_in_parts_without_a_gap() {
        let role =
            |number| Change::PutRole { name: format!("r{number}").into(), description: "".into() };
        for count in [0, 1, MAX_STEPS, MAX_STEPS + 1, 3 * MAX_STEPS] {
            let steps =
                (0..count).map(|n| Step::of(&role(n), &State::default())).collect::<Vec<_>>();
            let parts = events(7, 8, &Origin::default(), "Restore", steps.clone());
            assert_eq!(parts.len(), count.div_ceil(MAX_STEPS).max(1));
            assert!(parts.iter().zip(0..).all(|(event, part)| event.part == part));
            let last: Vec<bool> = parts.iter().map(|event| event.last).collect();
            assert_eq!(last.iter().position(|last| *last), Some(parts.len() - 1));
            assert!(parts.iter().all(|event| event.steps.len() <= MAX_STEPS));
            let told: Vec<Step> = parts.into_iter().flat_map(|event| event.steps).collect();
            assert_eq!(told, steps);
        }
    }

    #[test]
    fn the_steps_of_all_events_lead_to_the_state_without_its_secrets() {
        let rules = Rules::default();
        let (mut state, mut told) = (State::default(), State::default());
        let seed = Command::Seed { root_password_hash: "secret".into(), created: 1 };
        let user = Command::CreateUser {
            name: "u".to_owned(),
            password_hash: "secret".into(),
            description: "d".to_owned(),
        };
        let gone = Command::DeleteUser { name: "u".to_owned() };
        for command in [seed, user.clone(), gone, user] {
            for change in command.plan(&state, &rules).unwrap() {
                let step = Step::of(&change, &state);
                assert_eq!(step.before, told.record_of(&change));
                state.apply(&change).unwrap();
                told.apply(&step.change).unwrap();
            }
        }
        assert_ne!(state, told);
        for user in state.users.clone().keys() {
            state.users.get_mut(user).unwrap().password_hash = Name::new();
        }
        assert_eq!(state, told);
    }
}
