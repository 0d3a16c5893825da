//! What is said of decisions, against the decisions: explanations, the lists of those who may and of
//! what they may, and the grants that would help.

use milvus_rbac::authz::{
    Decision, Need, Object, Policy, Query, Reason, Subject, View, explain, what_can, who_can,
};
use milvus_rbac::model::builtin::BuiltInGroups;
use milvus_rbac::model::command::{Command, MemberOperation, PrivilegeOperation, Rules, Target};
use milvus_rbac::model::name::{Kind, check, check_database};
use milvus_rbac::model::privilege::{Level, Privilege};
use milvus_rbac::model::state::{Change, Grant, PUBLIC, Role, State};

use crate::oracle::{Call, On};

/// What is wrong with what is said of `calls`, if anything. What would help is tried out for one in
/// `tried` of those that are refused.
pub(crate) fn faults(
    state: &State,
    policy: &Policy,
    calls: &[Call<'_>],
    tried: usize,
) -> Vec<String> {
    let groups = BuiltInGroups::default();
    let view = View { state, policy, groups: &groups };
    let mut faults = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let need = need_of(call);
        let faulty = of_call(&view, call, &need, number % tried == 0)
            .and_then(|()| of_role(&view, call, &need))
            .and_then(|()| of_all(&view, &need));
        faults.extend(faulty.err().map(|fault| format!("{call:?}: {fault}")));
    }
    faults
}

fn need_of<'a>(call: &Call<'a>) -> Need<'a> {
    let object = match call.on {
        On::Collection(name) => Object::Collection(name),
        On::Global(collection) => Object::Global { collection },
        On::User(name) => Object::User(name),
    };
    let privilege = Privilege::named(call.privilege).unwrap();
    Need::Privilege { privilege, database: call.database, object }
}

fn decide<'a>(view: &View<'a>, user: &'a str, need: &Need<'a>) -> Decision<'a> {
    let Need::Privilege { privilege, database, object } = *need else {
        panic!("{need:?}");
    };
    view.policy.decide(&Query { user, privilege, database, object })
}

fn ensure(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

/// The explanation says what is decided, and why; what would help does.
fn of_call(view: &View<'_>, call: &Call<'_>, need: &Need<'_>, tried: bool) -> Result<(), String> {
    let subject = Subject::User(call.user);
    let explained = explain(view, subject, need, true);
    let reason = match decide(view, call.user, need) {
        Decision::Allowed(reason) => Some(reason),
        Decision::Denied => None,
    };
    ensure(explained.path.map(|path| path.reason) == reason, || format!("{explained:?}"))?;
    if let Some(Reason::Role(role)) = reason {
        let grant = explained.path.and_then(|path| path.grant).ok_or("no grant")?;
        ensure(view.state.roles[role].grants.contains_key(grant), || format!("{grant:?}"))?;
        ensure(is_enough(view, grant, need), || format!("{grant:?} is not enough"))?;
    }
    let covered = reason == Some(Reason::Oneself)
        || what_can(*view, subject).any(|capability| {
            capability.reaches.iter().any(|reach| {
                let Need::Privilege { privilege, database, object } = *need else {
                    return false;
                };
                let name = match object {
                    Object::Collection(name) | Object::User(name) => Some(name),
                    Object::Global { collection } => collection,
                };
                let of_cluster = privilege.level() == Some(Level::Cluster);
                reach.privileges.contains(privilege)
                    && (&*reach.database == "*" || !of_cluster && reach.database == database)
                    && (&*reach.object == "*" || name.is_some_and(|name| reach.object == name))
            })
        });
    ensure(covered == reason.is_some(), || format!("{covered} by what can be done"))?;
    if reason.is_some() {
        return Ok(());
    }
    ensure(explained.nearby.len() <= 10, || "too much is near".to_owned())?;
    for near in &explained.nearby {
        let holds = view.state.roles[near.role].grants.contains_key(near.grant);
        let enough = is_enough(view, near.grant, need);
        let held = explained.roles.contains(&near.role);
        ensure(holds && enough != held, || format!("{near:?}"))?;
    }
    // Where no grant can name the place there is none that is not more.
    let can_be_named =
        need.database().is_none_or(|name| name == "*" || check_database(name).is_ok())
            && need.object_name().is_none_or(|name| check(Kind::Collection, name).is_ok());
    let helps = !explained.suggestions.is_empty() || !can_be_named;
    ensure(helps, || "nothing would help".to_owned())?;
    for suggestion in explained.suggestions.iter().filter(|_| tried) {
        let mut state = view.state.clone();
        let role = suggestion.role.unwrap_or("new_role").to_owned();
        if suggestion.role.is_none() {
            let name = role.clone();
            apply(&mut state, &Command::CreateRole { name, description: String::new() })?;
            let (user, role) = (call.user.to_owned(), role.clone());
            if state.users.contains_key(call.user) {
                let operation = Some(MemberOperation::Add);
                apply(&mut state, &Command::OperateUserRole { user, role, operation })?;
            } else {
                continue;
            }
        }
        let collection = suggestion.collection.clone();
        apply(
            &mut state,
            &Command::OperatePrivilege(PrivilegeOperation {
                operation: Ok(MemberOperation::Add),
                role,
                grantor: "root".to_owned(),
                privilege: suggestion.privilege.to_owned(),
                database: suggestion.database.clone(),
                target: Target::V2 { collection },
            }),
        )?;
        let policy = Policy::compile(&state, view.groups);
        let after = View { state: &state, policy: &policy, groups: view.groups };
        let allowed = decide(&after, call.user, need).is_allowed();
        ensure(allowed, || format!("{suggestion:?} does not help"))?;
    }
    Ok(())
}

fn apply(state: &mut State, command: &Command) -> Result<(), String> {
    let rules = Rules { max_users: 0, max_roles: 0, ..Rules::default() };
    let changes = command.plan(state, &rules).map_err(|e| format!("{command:?}: {e}"))?;
    changes.iter().try_for_each(|change| state.apply(change)).map_err(|e| e.to_string())
}

/// Whether a role with this grant alone would be enough.
fn is_enough(view: &View<'_>, grant: &Grant, need: &Need<'_>) -> bool {
    let mut state = State { groups: view.state.groups.clone(), ..State::default() };
    let role =
        Role { grants: [(grant.clone(), "root".into())].into_iter().collect(), ..Role::default() };
    state.roles.insert(PUBLIC.into(), role);
    let policy = Policy::compile(&state, view.groups);
    let view = View { state: &state, policy: &policy, groups: view.groups };
    decide(&view, "nobody", need).is_allowed()
}

/// A role is decided on like a user who is bound to no other.
fn of_role(view: &View<'_>, call: &Call<'_>, need: &Need<'_>) -> Result<(), String> {
    // Once for each call of another.
    if call.user != "root" {
        return Ok(());
    }
    for name in view.state.roles.keys() {
        let user = "only-so";
        let mut state = view.state.clone();
        for change in [
            Change::PutUser {
                name: user.into(),
                password_hash: "h".into(),
                description: "".into(),
            },
            Change::Bind { user: user.into(), role: name.clone() },
        ] {
            state.apply(&change).map_err(|e| e.to_string())?;
        }
        let policy = Policy::compile(&state, view.groups);
        let bound = View { state: &state, policy: &policy, groups: view.groups };
        let expected = decide(&bound, user, need).is_allowed();
        let explained = explain(view, Subject::Role(name), need, false);
        let allowed = view.decide(Subject::Role(name), need).is_allowed();
        let both = (explained.path.is_some(), allowed);
        ensure(both == (expected, expected), || format!("role {name}: {both:?}"))?;
    }
    Ok(())
}

/// Those are listed who may.
fn of_all(view: &View<'_>, need: &Need<'_>) -> Result<(), String> {
    let listed: Vec<_> = who_can(*view, need).collect();
    for holder in &listed {
        let reason = Decision::Allowed(holder.path.reason);
        let expected = match holder.holder {
            Subject::User(user) => decide(view, user, need),
            Subject::Role(_) => view.decide(holder.holder, need),
        };
        // To oneself one may before any role is looked at.
        let oneself = expected == Decision::Allowed(Reason::Oneself);
        ensure(oneself || reason == expected, || format!("{holder:?}: {expected:?}"))?;
    }
    let lists = |subject| listed.iter().any(|holder| holder.holder == subject);
    for user in view.state.users.keys() {
        let decision = decide(view, user, need);
        let expected = decision.is_allowed();
        let own = decision == Decision::Allowed(Reason::Oneself);
        ensure(own || lists(Subject::User(user)) == expected, || format!("user {user}"))?;
    }
    for role in view.state.roles.keys() {
        let expected = match view.decide(Subject::Role(role), need) {
            Decision::Allowed(Reason::Role(by)) => by == role,
            Decision::Allowed(reason) => reason == Reason::Admin,
            Decision::Denied => false,
        };
        ensure(lists(Subject::Role(role)) == expected, || format!("role {role}"))?;
    }
    Ok(())
}
