//! The state that a document asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::document::{At, Document, Permission, Role, User};
use super::problem::{Place, Problems};
use crate::model::command::{Rules, check_level, group_level, related, same_level};
use crate::model::load::Loader;
use crate::model::name::shortened;
use crate::model::privilege::{
    ANY, Privilege, PrivilegeKind, api_name, custom_group, object_type_of, stored_name,
};
use crate::model::state::{ADMIN, Change, Grant, Group, Name, PUBLIC, ROOT, State};

/// What a document is applied to, and how.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What holds now. A password hash that nobody may see is empty.
    pub current: &'a State,
    /// Milvus' own groups.
    pub rules: &'a Rules,
    /// Whether what is not in the document goes.
    pub prune: bool,
    /// Whether descriptions are kept where it is applied; if not, those of a document mean nothing.
    pub descriptions: bool,
}

/// The state that `document` asks for. `hashes` are those of the passwords that it gives.
///
/// # Errors
/// What it asks for cannot be.
pub fn wanted(
    document: &Document,
    hashes: &BTreeMap<Name, Name>,
    target: Target<'_>,
) -> Result<State, Problems> {
    let mut problems = Problems::default();
    // INVARIANT: a document that was emptied or not written yet takes nothing away. Defended by
    // `tests/it/policy/kept.rs`.
    if document.is_nothing && target.prune {
        problems.add(
            START,
            "the document says nothing; with --prune it would remove everything; write \
             `users: {}` to mean that",
        );
    }
    let records = records(document, hashes, target, &mut problems);
    let mut loader = Loader::default();
    for record in records {
        if let Err(e) = loader.add(record) {
            problems.add(START, e);
        }
    }
    let state = loader.state();
    check(document, target, &state, &mut problems);
    problems.none().map(|()| state)
}

/// What is wrong with a document as a whole is told there.
const START: Place = Place { line: 1, column: 1 };

fn records(
    document: &Document,
    hashes: &BTreeMap<Name, Name>,
    target: Target<'_>,
    problems: &mut Problems,
) -> Vec<Change> {
    let Target { current, prune, .. } = target;
    let mut groups: BTreeMap<Name, Group> = BTreeMap::new();
    if !prune {
        groups.extend(current.groups.iter().map(|(name, group)| (name.clone(), group.clone())));
    }
    for group in &document.groups {
        let members = group.members.iter().map(|member| member.value.clone());
        groups.entry(group.name.value.clone()).or_default().privileges.extend(members);
    }
    let groups = groups.into_iter().map(|(name, group)| Change::PutGroup { name, group });
    let mut records: Vec<Change> = groups.collect();

    let named: HashMap<&Name, &Role> = document.roles.iter().map(|r| (&r.name.value, r)).collect();
    let stays = |name: &Name| !prune || matches!(&**name, ADMIN | PUBLIC);
    let kept = current.roles.keys().filter(|name| stays(name));
    let roles: BTreeSet<&Name> = kept.chain(named.keys().copied()).collect();
    for &name in &roles {
        role(name, named.get(name).copied(), target, &mut records);
    }
    let named: HashMap<&Name, &User> = document.users.iter().map(|u| (&u.name.value, u)).collect();
    let kept = current.users.keys().filter(|name| !prune || ***name == *ROOT);
    let users: BTreeSet<&Name> = kept.chain(named.keys().copied()).collect();
    for name in users {
        let hash = hashes.get(name);
        user(name, named.get(name).copied(), hash, &roles, target, &mut records, problems);
    }
    records
}

/// What a text is to be: what the document says, else what it is; with pruning nothing.
fn description(said: Option<&Name>, held: Option<&Name>, target: Target<'_>, named: bool) -> Name {
    let held = held.cloned().unwrap_or_default();
    match said {
        _ if !target.descriptions => held,
        Some(said) => said.clone(),
        None if target.prune && named => Name::new(),
        None => held,
    }
}

fn role(name: &Name, said: Option<&Role>, target: Target<'_>, records: &mut Vec<Change>) {
    let held = target.current.roles.get(name);
    let own = matches!(&**name, ADMIN | PUBLIC);
    let text = said.and_then(|role| role.description.as_ref());
    let named = said.is_some() && !own;
    let description = description(text, held.map(|role| &role.description), target, named);
    records.push(Change::PutRole { name: name.clone(), description });
    let mut grants = BTreeSet::new();
    // What `admin` is granted means nothing.
    if said.is_none() || !target.prune || &**name == ADMIN {
        grants.extend(held.into_iter().flat_map(|role| role.grants.keys()).cloned());
    }
    for At { value, .. } in said.into_iter().flat_map(|role| &role.grants) {
        grants.extend(meant(value));
    }
    records.extend(grants.into_iter().map(|grant| {
        let grantor = held.and_then(|role| role.grants.get(&grant)).cloned();
        Change::Grant { role: name.clone(), grantor: grantor.unwrap_or_else(|| ROOT.into()), grant }
    }));
}

/// All that comes with a grant.
pub(super) fn meant(permission: &Permission) -> Vec<Grant> {
    let Permission { grant, exact } = permission;
    let beside = if *exact { &[] } else { related(api_name(&grant.privilege)) };
    let beside = beside.iter().map(|privilege| Grant {
        object_type: object_type_of(privilege),
        privilege: stored_name(privilege).into(),
        ..grant.clone()
    });
    std::iter::once(grant.clone()).chain(beside).collect()
}

fn user(
    name: &Name,
    said: Option<&User>,
    hash: Option<&Name>,
    all_roles: &BTreeSet<&Name>,
    target: Target<'_>,
    records: &mut Vec<Change>,
    problems: &mut Problems,
) {
    let held = target.current.users.get(name);
    if let (Some(said), None) = (said, held)
        && said.password.is_none()
    {
        problems.add(
            said.name.place,
            format_args!(
                "the user `{name}` does not exist yet, and needs a password: password_file, \
                 password_env or password_hash"
            ),
        );
    }
    let text = said.and_then(|user| user.description.as_ref());
    let description = description(text, held.map(|user| &user.description), target, said.is_some());
    let password_hash = hash.or(held.map(|user| &user.password_hash)).cloned().unwrap_or_default();
    records.push(Change::PutUser { name: name.clone(), password_hash, description });
    let mut roles: BTreeSet<&Name> = BTreeSet::new();
    if said.is_none() || !target.prune {
        roles.extend(held.into_iter().flat_map(|user| user.roles.keys()));
    }
    for role in said.into_iter().flat_map(|user| &user.roles) {
        if !all_roles.contains(&role.value) {
            let role_name = shortened(&role.value);
            let text = format!("the role `{role_name}` is neither in the document nor there");
            problems.add(role.place, text);
        }
        roles.insert(&role.value);
    }
    let bound = roles.into_iter().filter(|role| all_roles.contains(role));
    records.extend(bound.map(|role| Change::Bind { user: name.clone(), role: role.clone() }));
}

/// Checks what depends on the groups that there will be.
fn check(document: &Document, target: Target<'_>, wanted: &State, problems: &mut Problems) {
    for At { place, value } in document.groups.iter().map(|group| &group.name) {
        // One that is not there yet is restored as it is.
        let Some(held) = target.current.groups.get(value) else { continue };
        let Some(wanted) = wanted.groups.get(value) else { continue };
        if !wanted.privileges.is_subset(&held.privileges)
            && let Err(e) = same_level(wanted.privileges.iter().map(|member| &**member))
        {
            problems.refused(*place, &e);
        }
    }
    for role in &document.roles {
        let held = target.current.roles.get(&role.name.value);
        for At { place, value } in &role.grants {
            let held = held.is_some_and(|role| role.grants.contains_key(&value.grant));
            check_grant(*place, value, held, target.rules, wanted, problems);
        }
    }
    for (group, role) in wanted.group_uses.keys() {
        // Those that the document grants were told of already.
        let named = document.roles.iter().any(|r| r.name.value == *role);
        if !named && !wanted.groups.contains_key(group) && target.current.groups.contains_key(group)
        {
            problems.add(
                START,
                format_args!(
                    "the group `{group}` is not in the document, and the role `{role}`, which it \
                     does not name, uses it"
                ),
            );
        }
    }
}

fn check_grant(
    place: Place,
    permission: &Permission,
    held: bool,
    rules: &Rules,
    wanted: &State,
    problems: &mut Problems,
) {
    let grant = &permission.grant;
    let name = api_name(&grant.privilege);
    if let Some(group) = custom_group(&grant.privilege)
        && !wanted.groups.contains_key(group)
    {
        let group = shortened(group);
        problems.add(place, format_args!("there is no privilege and no group `{group}`"));
        return;
    }
    if permission.exact || name == ANY {
        return;
    }
    let privilege = Privilege::named(name);
    if !held && privilege.is_some_and(Privilege::is_deprecated) {
        problems.add(place, format_args!("the privilege `{name}` can only be revoked"));
    }
    let level = match privilege.map(Privilege::kind) {
        Some(PrivilegeKind::Single) => privilege.map(Privilege::level),
        Some(PrivilegeKind::Everything | PrivilegeKind::LegacyGroup) => None,
        Some(PrivilegeKind::BuiltInGroup) | None => group_level(rules, wanted, name),
    };
    if let Some(level) = level
        && let Err(e) = check_level(level, name, &grant.database, &grant.object)
    {
        problems.refused(place, &e);
    }
}
