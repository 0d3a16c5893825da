//! What comes first, so that nobody holds in between what nobody is to hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::command::Command;
use crate::model::privilege::custom_group;
use crate::model::state::{Name, PUBLIC, ROOT, Role, State, User};

/// When a step comes. What is added comes before what goes, so that nobody lacks in between what is
/// held before and after, except where that would give somebody more than is held then or now: what a
/// role or group loses goes before somebody gets that, and whoever loses it does so before it gets
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// What nobody holds yet.
    New,
    /// What something added has to wait for.
    Clear,
    /// Roles that are made anew.
    Anew,
    /// What the caller gets.
    Own,
    /// What the caller loses, and something added has to wait for.
    OwnClear,
    Add,
    Remove,
    /// What nobody holds any more.
    Drop,
}

/// What waits for what.
pub(super) struct Moves<'a> {
    /// Roles that somebody gets.
    pub(super) bound: BTreeSet<&'a Name>,
    /// Roles that permit more, by themselves or by a group.
    pub(super) wider: BTreeSet<&'a Name>,
    /// Groups that get members.
    pub(super) grown: BTreeSet<&'a str>,
    /// Groups that a role gets, or somebody with a role.
    pub(super) given: BTreeSet<&'a str>,
    /// What the caller holds now, and later; `root` needs nothing.
    pub(super) before: BTreeSet<&'a Name>,
    pub(super) after: BTreeSet<&'a Name>,
}

impl<'a> Moves<'a> {
    pub(super) fn of(state: &'a State, wanted: &'a State, caller: &str) -> Self {
        let grown = wanted.groups.iter().filter(|(name, group)| {
            let held = state.groups.get(*name);
            held.is_some_and(|held| !group.privileges.is_subset(&held.privileges))
        });
        let grown: BTreeSet<&str> = grown.map(|(name, _)| &**name).collect();
        let bound = wanted.users.iter().flat_map(|(name, user)| {
            let held = state.users.get(name);
            user.roles
                .keys()
                .filter(move |role| held.is_none_or(|held| !held.roles.contains_key(role)))
        });
        // Whoever is new holds what everybody holds.
        let is_new = wanted.users.keys().any(|name| !state.users.contains_key(name));
        let public = wanted.roles.get_key_value(PUBLIC).filter(|_| is_new);
        let bound: BTreeSet<&Name> = bound.chain(public.map(|(name, _)| name)).collect();
        let (mut wider, mut given) = (BTreeSet::new(), BTreeSet::new());
        for (name, role) in &wanted.roles {
            let held = state.roles.get(name);
            for grant in role.grants.keys() {
                let is_new = held.is_none_or(|held| !held.grants.contains_key(grant));
                let group = custom_group(&grant.privilege);
                if is_new || group.is_some_and(|group| grown.contains(group)) {
                    wider.insert(name);
                }
                given.extend(group.filter(|_| is_new || bound.contains(name)));
            }
            if held.is_some_and(|held| uses(held, |group| grown.contains(group))) {
                wider.insert(name);
            }
        }
        let held = |state: &'a State| {
            let user = state.users.get(caller).filter(|_| caller != ROOT);
            let public = state.roles.get_key_value(PUBLIC).filter(|_| user.is_some());
            let roles = user.into_iter().flat_map(|user| user.roles.keys());
            roles.chain(public.map(|(name, _)| name)).collect()
        };
        Self { bound, wider, grown, given, before: held(state), after: held(wanted) }
    }

    /// When something goes.
    pub(super) fn removal(&self, is_awaited: bool, is_own: bool) -> Stage {
        match (is_awaited, is_own) {
            (true, false) => Stage::Clear,
            (true, true) => Stage::OwnClear,
            (false, _) => Stage::Remove,
        }
    }

    /// Whether one of a user's roles permits more.
    pub(super) fn widens(&self, user: &User) -> bool {
        self.wider.iter().any(|role| ***role == *PUBLIC || user.roles.contains_key(*role))
    }

    /// When something comes.
    pub(super) fn addition(&self, is_own: bool) -> Stage {
        if is_own { Stage::Own } else { Stage::Add }
    }
}

/// Whether it holds such a group.
pub(super) fn uses(role: &Role, mut is_such: impl FnMut(&str) -> bool) -> bool {
    role.grants.keys().any(|grant| custom_group(&grant.privilege).is_some_and(&mut is_such))
}

/// Commands by when they come.
#[derive(Default)]
pub(super) struct Stages(BTreeMap<Stage, Vec<Command>>);

impl Stages {
    pub(super) fn push(&mut self, stage: Stage, command: Command) {
        self.0.entry(stage).or_default().push(command);
    }

    /// All of them.
    pub(super) fn commands(self) -> Vec<Command> {
        self.0.into_values().flatten().collect()
    }
}
