//! Whether somebody who changes access could still do so afterwards.

use crate::authz::{Object, Policy, Query};
use crate::model::builtin::BuiltInGroups;
use crate::model::command::{Command, Rules};
use crate::model::privilege::{ANY, Privilege};
use crate::model::state::{PUBLIC, State};

/// What reading and changing access needs.
const NEEDED: [&str; 12] = [
    "CreateOwnership",
    "DropOwnership",
    "SelectOwnership",
    "ManageOwnership",
    "SelectUser",
    "UpdateUser",
    "BackupRBAC",
    "RestoreRBAC",
    "CreatePrivilegeGroup",
    "DropPrivilegeGroup",
    "ListPrivilegeGroups",
    "OperatePrivilegeGroup",
];

/// What `user` would lose of what reading and changing access needs; none if nothing.
pub fn lost(user: &str, before: &State, after: &State, groups: &BuiltInGroups) -> Option<String> {
    let (Some(old), Some(new)) = (before.users.get(user), after.users.get(user)) else {
        return before.users.contains_key(user).then(|| "the user".to_owned());
    };
    if old.password_hash != new.password_hash {
        return Some("the password that this is asked with".to_owned());
    }
    let (before, after) = (Policy::compile(before, groups), Policy::compile(after, groups));
    let holds = |policy: &Policy, name: &str| {
        let privilege = Privilege::named(name);
        let object = |p: Privilege| match p.object_type() {
            crate::model::privilege::ObjectType::User => Object::User(ANY),
            _ => Object::Global { collection: None },
        };
        privilege.is_some_and(|privilege| {
            let object = object(privilege);
            policy.decide(&Query { user, privilege, database: ANY, object }).is_allowed()
        })
    };
    let lost = NEEDED.into_iter().filter(|name| holds(&before, name) && !holds(&after, name));
    let lost: Vec<_> = lost.collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}

/// The same on the way, where each step is seen: what `user` would lack before the last one, and
/// could not make the others for.
pub fn lost_between(
    user: &str,
    before: &State,
    steps: &[Command],
    rules: &Rules,
) -> Option<String> {
    let rules = Rules { max_users: 0, max_roles: 0, groups: rules.groups.clone() };
    let start = own(user, before);
    let mut state = before.clone();
    for step in steps {
        for change in step.plan(&state, &rules).ok()? {
            state.apply(&change).ok()?;
        }
        if step.takes_away()
            && let Some(lost) = lost(user, &start, &own(user, &state), &rules.groups)
        {
            return Some(format!("{lost} on the way"));
        }
    }
    None
}

/// What of a state decides about one user.
fn own(user: &str, state: &State) -> State {
    let mut own = State { groups: state.groups.clone(), ..State::default() };
    if let Some((name, user)) = state.users.get_key_value(user) {
        own.users.insert(name.clone(), user.clone());
        for role in user.roles.keys().map(|role| &**role).chain([PUBLIC]) {
            if let Some((name, role)) = state.roles.get_key_value(role) {
                own.roles.insert(name.clone(), role.clone());
            }
        }
    }
    own
}
