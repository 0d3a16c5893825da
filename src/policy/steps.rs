//! The commands that lead from one state to another, in an order in which nobody holds in between
//! what nobody is to hold: neither before nor after.

mod order;

use std::collections::BTreeSet;

use self::order::{Moves, Stage, Stages, uses};

use crate::model::command::{
    Command, MemberOperation, PrivilegeOperation, Rules, Target, same_level,
};
use crate::model::error::{Error, ErrorKind};
use crate::model::map::Set;
use crate::model::privilege::{api_name, custom_group};
use crate::model::restore::{Backup, BackupGrant, BackupGroup, BackupRole, BackupUser};
use crate::model::state::{Change, Grant, Name, PUBLIC, Role, State, User};

/// A command may bring or take more than it was chosen for, which the next round puts right.
const ROUNDS: usize = 5;

/// Leads from `current` to `wanted` by what everybody may ask a Milvus for. `grantor` is the user who
/// asks, and exists.
///
/// # Errors
/// The rules refuse it.
pub fn steps(
    current: &State,
    wanted: &State,
    grantor: &str,
    rules: &Rules,
) -> Result<Vec<Command>, Error> {
    // How many users and roles there may be is known to whoever keeps them.
    let rules = &Rules { max_users: 0, max_roles: 0, groups: rules.groups.clone() };
    let mut state = current.clone();
    let mut steps = Vec::new();
    for _ in 0..ROUNDS {
        let round = Round { state: state.clone(), wanted, grantor, rules }.commands()?;
        if round.is_empty() {
            return Ok(steps);
        }
        let (before, mut refused) = (steps.len(), None);
        for command in round {
            let changes = match command.plan(&state, rules) {
                Ok(changes) => changes,
                // It may wait for what comes later, such as a group whose level changes.
                Err(e) => {
                    refused.get_or_insert(e);
                    continue;
                }
            };
            for change in &changes {
                state.apply(change).map_err(|e| unclassified(e.to_string()))?;
            }
            if !changes.is_empty() {
                steps.push(command);
            }
        }
        if let Some(refused) = refused.filter(|_| steps.len() == before) {
            return Err(refused);
        }
    }
    Err(unclassified("what each step leads to is not settled after several rounds"))
}

/// The first of `steps`: `most` of them at most, unless more are kept together.
///
/// INVARIANT: a user or a role that goes only to be made anew is never left out by a cut, since the
/// next plan would make it without what the document does not say. Defended by
/// `tests/it/policy/order.rs`.
pub fn part(steps: &[Command], most: usize) -> &[Command] {
    if steps.len() <= most {
        return steps;
    }
    let (mut head, mut end) = (None, 0);
    for (index, step) in steps.iter().enumerate() {
        if head.is_some_and(|head| stays_with(head, step)) {
            continue;
        }
        if index > most && end > 0 {
            break;
        }
        (head, end) = (Some(step), index);
        if index > most {
            break;
        }
    }
    steps.get(..end).filter(|part| !part.is_empty()).unwrap_or(steps)
}

/// Whether a step brings back what went with the one that its part begins with.
fn stays_with(head: &Command, step: &Command) -> bool {
    match (head, step) {
        (Command::DeleteUser { name }, Command::Restore(backup)) => {
            backup.users.iter().any(|user| user.name == *name)
        }
        (Command::DeleteUser { name }, Command::UpdateUser { name: updated, .. }) => {
            name == updated
        }
        (Command::DropRole { name, .. }, Command::Restore(backup)) => {
            backup.roles.iter().any(|role| role.name == *name)
        }
        (Command::DropRole { name, .. }, Command::OperateUserRole { role, .. }) => name == role,
        _ => false,
    }
}

fn unclassified(text: impl Into<String>) -> Error {
    Error::verbatim(ErrorKind::Unclassified, text)
}

struct Round<'a> {
    state: State,
    wanted: &'a State,
    grantor: &'a str,
    rules: &'a Rules,
}

impl Round<'_> {
    /// INVARIANT: nobody holds in between what nobody is to hold before or after. Defended by
    /// `tests/it/policy/order.rs`.
    fn commands(&self) -> Result<Vec<Command>, Error> {
        let moves = Moves::of(&self.state, self.wanted, self.grantor);
        let mut stages = Stages::default();
        self.groups(&moves, &mut stages);
        self.roles(&mut stages);
        let anew = self.grants(&moves, &mut stages)?;
        self.users(&moves, &mut stages);
        self.bindings(&moves, &anew, &mut stages);
        self.gone(&moves, &mut stages);
        Ok(stages.commands())
    }

    fn groups(&self, moves: &Moves<'_>, stages: &mut Stages) {
        for (name, group) in &self.wanted.groups {
            let held = self.state.groups.get(name);
            let members = || group.privileges.iter().map(|member| &**member);
            if held.is_none() && same_level(members()).is_err() {
                // Milvus refuses to make such a group, and restores one.
                let privileges = members().map(str::to_owned).collect();
                let groups = vec![BackupGroup { name: name.to_string(), privileges }];
                stages.push(Stage::New, Command::Restore(Backup { groups, ..Backup::default() }));
                continue;
            }
            if held.is_none() {
                stages.push(Stage::New, Command::CreateGroup { name: name.to_string() });
            }
            let is_new = held.is_none();
            let held = held.map(|group| &group.privileges);
            let is_held = |member: &&Name| held.is_some_and(|held| held.contains(*member));
            let added = group.privileges.iter().filter(|member| !is_held(member));
            let removed = held.into_iter().flat_map(|held| held.iter());
            let removed = removed.filter(|member| !group.privileges.contains(*member));
            let operate = |members: Vec<String>, operation| {
                let (name, operation) = (name.to_string(), Some(operation));
                (!members.is_empty()).then_some(Command::OperateGroup {
                    name,
                    privileges: members,
                    operation,
                })
            };
            let add = operate(added.map(ToString::to_string).collect(), MemberOperation::Add);
            let remove =
                operate(removed.map(ToString::to_string).collect(), MemberOperation::Remove);
            let held = held.into_iter().flat_map(|held| held.iter()).map(|member| &**member);
            let turns = same_level(held.chain(members())).is_err();
            let own = |state: &State, roles: &BTreeSet<&Name>| {
                let mut roles = roles.iter().filter_map(|role| state.roles.get(*role));
                roles.any(|role| uses(role, |group| group == &**name))
            };
            let (removal, addition) = match (turns, is_new) {
                // A group never mixes levels.
                (true, _) => (Stage::Clear, Stage::Add),
                (_, true) => (Stage::New, Stage::New),
                _ => (
                    moves.removal(moves.given.contains(&**name), own(&self.state, &moves.before)),
                    moves.addition(own(self.wanted, &moves.after)),
                ),
            };
            remove.into_iter().for_each(|command| stages.push(removal, command));
            add.into_iter().for_each(|command| stages.push(addition, command));
        }
        for name in self.state.groups.keys().filter(|name| !self.wanted.groups.contains_key(*name))
        {
            stages.push(Stage::Drop, Command::DropGroup { name: name.to_string() });
        }
    }

    fn roles(&self, stages: &mut Stages) {
        for (name, role) in &self.wanted.roles {
            let (name, description) = (name.to_string(), role.description.to_string());
            match self.state.roles.get(name.as_str()) {
                None => stages.push(Stage::New, Command::CreateRole { name, description }),
                Some(held) if held.description != role.description => {
                    stages.push(Stage::New, Command::AlterRole { name, description });
                }
                Some(_) => {}
            }
        }
    }

    /// A user who is new, or has a new password, comes with the roles: nobody else's password can be
    /// set but at creation.
    fn users(&self, moves: &Moves<'_>, stages: &mut Stages) {
        for (name, user) in &self.wanted.users {
            let held = self.state.users.get(name);
            let anew = held.is_none_or(|held| held.password_hash != user.password_hash);
            if anew {
                if let Some(held) = held {
                    let surplus = held.roles.keys().filter(|role| !user.roles.contains_key(*role));
                    for role in surplus.filter(|role| moves.wider.contains(role)) {
                        let unbind = operate(name, role, MemberOperation::Remove);
                        stages.push(Stage::Clear, unbind);
                    }
                    stages.push(Stage::Add, Command::DeleteUser { name: name.to_string() });
                }
                stages.push(Stage::Add, restore_user(name, user));
            }
            let before = held.filter(|_| !anew).map(|held| &held.description);
            if before.map_or(!user.description.is_empty(), |held| *held != user.description) {
                stages.push(
                    Stage::Add,
                    Command::UpdateUser {
                        name: name.to_string(),
                        password: None,
                        description: Some(user.description.to_string()),
                    },
                );
            }
        }
    }

    /// Returns the roles that are made anew.
    fn grants(&self, moves: &Moves<'_>, stages: &mut Stages) -> Result<BTreeSet<&Name>, Error> {
        let nothing = Role::default();
        let mut anew = BTreeSet::new();
        for (name, role) in &self.wanted.roles {
            let held = self.state.roles.get(name).unwrap_or(&nothing);
            let surplus = held.grants.keys().filter(|grant| !role.grants.contains_key(*grant));
            let revokes = surplus.map(|grant| (grant, self.revoke(name, grant)));
            let revokes: Vec<_> = revokes.collect();
            match revokes.iter().find(|(_, revoke)| revoke.is_none()) {
                // INVARIANT: what a document does not have goes, even what no call revokes: the
                // role is made anew. Defended by `tests/it/policy/random.rs`.
                Some((grant, _)) if &**name == PUBLIC => {
                    return Err(unclassified(format!(
                        "{} of the role `public` was stored by other means, and no call \
                         revokes it",
                        super::difference::told(grant)
                    )));
                }
                Some(_) => {
                    self.anew(name, role, stages);
                    anew.insert(name);
                    continue;
                }
                None => {}
            }
            for grant in role.grants.keys().filter(|grant| !held.grants.contains_key(*grant)) {
                let stage = moves.addition(moves.after.contains(name));
                stages.push(stage, self.grant(name, role, grant));
            }
            for (grant, revoke) in revokes {
                let group = custom_group(&grant.privilege);
                let awaited = moves.bound.contains(name)
                    || group.is_some_and(|group| moves.grown.contains(group));
                let stage = moves.removal(awaited, moves.before.contains(name));
                revoke.into_iter().for_each(|command| stages.push(stage, command));
            }
        }
        Ok(anew)
    }

    /// Drops a role and makes it again, with all that it permits, for those users who are there.
    fn anew(&self, name: &Name, role: &Role, stages: &mut Stages) {
        stages.push(Stage::Anew, drop_role(name));
        let (description, grants) = (role.description.to_string(), role.grants.keys());
        let roles = vec![BackupRole { name: name.to_string(), description }];
        let grants = grants.map(|grant| self.restored(name, grant)).collect();
        stages.push(Stage::Anew, Command::Restore(Backup { roles, grants, ..Backup::default() }));
        let users = self.wanted.users.iter().filter(|(_, user)| user.roles.contains_key(name));
        for (user, _) in users.filter(|(user, _)| self.state.users.contains_key(*user)) {
            stages.push(Stage::Anew, operate(user, name, MemberOperation::Add));
        }
    }

    fn restored(&self, role: &Name, grant: &Grant) -> BackupGrant {
        BackupGrant {
            role: role.to_string(),
            object_type: grant.object_type.name().to_owned(),
            object: grant.object.to_string(),
            database: grant.database.to_string(),
            privilege: api_name(&grant.privilege).to_owned(),
            grantor: self.grantor.to_owned(),
        }
    }

    /// The call that makes just this grant, or it and others that are wanted too. The older of
    /// Milvus' two calls comes first, since every Milvus has it; where neither stores it so, it is
    /// restored.
    fn grant(&self, name: &Name, role: &Role, grant: &Grant) -> Command {
        let mut before = State::default();
        before.users.insert(self.grantor.into(), nobody());
        before.roles.insert(name.clone(), Role::default());
        before.groups.clone_from(&self.wanted.groups);
        let fits = |command: &Command| {
            let changes = command.plan(&before, self.rules).unwrap_or_default();
            let granted = changes.iter().map(|change| match change {
                Change::Grant { grant, .. } => Some(grant),
                _ => None,
            });
            let granted: Option<BTreeSet<&Grant>> = granted.collect();
            granted.is_some_and(|granted| {
                granted.contains(grant) && granted.iter().all(|g| role.grants.contains_key(*g))
            })
        };
        let operations = self.operations(MemberOperation::Add, name, grant);
        operations.into_iter().find(fits).unwrap_or_else(|| {
            let grants = vec![self.restored(name, grant)];
            Command::Restore(Backup { grants, ..Backup::default() })
        })
    }

    /// The call that takes this grant away; what it takes beside, the next round brings back.
    fn revoke(&self, name: &Name, grant: &Grant) -> Option<Command> {
        self.operations(MemberOperation::Remove, name, grant).into_iter().find(|command| {
            let changes = command.plan(&self.state, self.rules).unwrap_or_default();
            changes.iter().any(
                |change| matches!(change, Change::Revoke { grant: revoked, .. } if revoked == grant),
            )
        })
    }

    fn operations(&self, operation: MemberOperation, role: &Name, grant: &Grant) -> [Command; 2] {
        let v1 = Target::V1 {
            object_type: grant.object_type.name().to_owned(),
            object: grant.object.to_string(),
        };
        let v2 = Target::V2 { collection: grant.object.to_string() };
        [v1, v2].map(|target| {
            Command::OperatePrivilege(PrivilegeOperation {
                operation: Ok(operation),
                role: role.to_string(),
                grantor: self.grantor.to_owned(),
                privilege: api_name(&grant.privilege).to_owned(),
                database: grant.database.to_string(),
                target,
            })
        })
    }

    fn bindings(&self, moves: &Moves<'_>, anew: &BTreeSet<&Name>, stages: &mut Stages) {
        for (name, user) in &self.wanted.users {
            let held = self.state.users.get(name).filter(|u| u.password_hash == user.password_hash);
            let Some(held) = held else { continue };
            let is_own = &**name == self.grantor;
            let added = user.roles.keys().filter(|role| !held.roles.contains_key(*role));
            for role in added.filter(|role| !anew.contains(*role)) {
                let stage = moves.addition(is_own);
                stages.push(stage, operate(name, role, MemberOperation::Add));
            }
            let surplus = held.roles.keys().filter(|role| !user.roles.contains_key(*role));
            // Those of a role that goes go with it.
            let stays =
                |role: &&Name| self.wanted.roles.contains_key(*role) && !anew.contains(role);
            for role in surplus.filter(stays) {
                let stage = moves.removal(moves.wider.contains(role), is_own);
                stages.push(stage, operate(name, role, MemberOperation::Remove));
            }
        }
    }

    fn gone(&self, moves: &Moves<'_>, stages: &mut Stages) {
        for (name, user) in &self.state.users {
            if !self.wanted.users.contains_key(name) {
                let stage = moves.removal(moves.widens(user), &**name == self.grantor);
                stages.push(stage, Command::DeleteUser { name: name.to_string() });
            }
        }
        for (name, role) in &self.state.roles {
            if !self.wanted.roles.contains_key(name) {
                let awaited = uses(role, |group| moves.grown.contains(group));
                let stage = moves.removal(awaited, moves.before.contains(name));
                stages.push(stage, drop_role(name));
            }
        }
    }
}

fn nobody() -> User {
    User { password_hash: Name::new(), description: Name::new(), roles: Set::default() }
}

fn operate(user: &Name, role: &Name, operation: MemberOperation) -> Command {
    Command::OperateUserRole {
        user: user.to_string(),
        role: role.to_string(),
        operation: Some(operation),
    }
}

fn drop_role(name: &Name) -> Command {
    Command::DropRole { name: name.to_string(), force: true }
}

fn restore_user(name: &Name, user: &User) -> Command {
    let users = vec![BackupUser {
        name: name.to_string(),
        password_hash: user.password_hash.to_string(),
        roles: user.roles.keys().map(ToString::to_string).collect(),
    }];
    Command::Restore(Backup { users, ..Backup::default() })
}
