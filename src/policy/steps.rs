//! The commands that lead from one state to another.

use std::collections::BTreeSet;

use crate::model::command::{
    Command, MemberOperation, PrivilegeOperation, Rules, Target, same_level,
};
use crate::model::error::{Error, ErrorKind};
use crate::model::map::Set;
use crate::model::privilege::api_name;
use crate::model::restore::{Backup, BackupGrant, BackupGroup, BackupUser};
use crate::model::state::{Change, Grant, Name, PUBLIC, Role, State, User};

/// A command may bring or take more than it was chosen for, which the next round puts right. A role
/// that has to be made anew takes the most rounds.
const ROUNDS: usize = 5;

/// Leads from `current` to `wanted` by what everybody may ask a Milvus for: what is added first, then
/// what goes. `grantor` is the user who asks, and exists.
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
    fn commands(&self) -> Result<Vec<Command>, Error> {
        let mut commands = Vec::new();
        let mut removals = Vec::new();
        self.groups(&mut commands, &mut removals);
        let mut last = std::mem::take(&mut removals);
        self.roles(&mut commands);
        self.users(&mut commands);
        let anew = self.grants(&mut commands, &mut removals)?;
        self.bindings(&anew, &mut commands, &mut removals);
        for name in self.state.users.keys().filter(|name| !self.wanted.users.contains_key(*name)) {
            removals.push(Command::DeleteUser { name: name.to_string() });
        }
        for name in self.state.roles.keys().filter(|name| !self.wanted.roles.contains_key(*name)) {
            removals.push(drop_role(name));
        }
        commands.append(&mut removals);
        commands.append(&mut last);
        Ok(commands)
    }

    fn groups(&self, commands: &mut Vec<Command>, removals: &mut Vec<Command>) {
        for (name, group) in &self.wanted.groups {
            let held = self.state.groups.get(name);
            let members = || group.privileges.iter().map(|member| &**member);
            if held.is_none() && same_level(members()).is_err() {
                // Milvus refuses to make such a group, and restores one.
                let privileges = members().map(str::to_owned).collect();
                let groups = vec![BackupGroup { name: name.to_string(), privileges }];
                commands.push(Command::Restore(Backup { groups, ..Backup::default() }));
                continue;
            }
            if held.is_none() {
                commands.push(Command::CreateGroup { name: name.to_string() });
            }
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
            if same_level(held.chain(members())).is_ok() {
                commands.extend(add);
                removals.extend(remove);
            } else {
                // A group never mixes levels.
                commands.extend(remove);
                commands.extend(add);
            }
        }
        for name in self.state.groups.keys().filter(|name| !self.wanted.groups.contains_key(*name))
        {
            removals.push(Command::DropGroup { name: name.to_string() });
        }
    }

    fn roles(&self, commands: &mut Vec<Command>) {
        for (name, role) in &self.wanted.roles {
            let (name, description) = (name.to_string(), role.description.to_string());
            match self.state.roles.get(name.as_str()) {
                None => commands.push(Command::CreateRole { name, description }),
                Some(held) if held.description != role.description => {
                    commands.push(Command::AlterRole { name, description });
                }
                Some(_) => {}
            }
        }
    }

    /// A user who is new, or has a new password, comes with the roles: nobody else's password can be
    /// set but at creation.
    fn users(&self, commands: &mut Vec<Command>) {
        for (name, user) in &self.wanted.users {
            let held = self.state.users.get(name);
            let anew = held.is_none_or(|held| held.password_hash != user.password_hash);
            if anew {
                if held.is_some() {
                    commands.push(Command::DeleteUser { name: name.to_string() });
                }
                commands.push(restore_user(name, user));
            }
            let before = held.filter(|_| !anew).map(|held| &held.description);
            if before.map_or(!user.description.is_empty(), |held| *held != user.description) {
                commands.push(Command::UpdateUser {
                    name: name.to_string(),
                    password: None,
                    description: Some(user.description.to_string()),
                });
            }
        }
    }

    /// Returns the roles that are to be made anew.
    fn grants(
        &self,
        commands: &mut Vec<Command>,
        removals: &mut Vec<Command>,
    ) -> Result<BTreeSet<&Name>, Error> {
        let nothing = Role::default();
        let mut anew = BTreeSet::new();
        for (name, role) in &self.wanted.roles {
            let held = self.state.roles.get(name).unwrap_or(&nothing);
            for grant in role.grants.keys().filter(|grant| !held.grants.contains_key(*grant)) {
                commands.push(self.grant(name, role, grant));
            }
            let surplus = held.grants.keys().filter(|grant| !role.grants.contains_key(*grant));
            let mut revokes = Vec::new();
            for grant in surplus {
                match self.revoke(name, grant) {
                    Some(command) => revokes.push(command),
                    // INVARIANT: what a document does not have goes, even what no call revokes: the
                    // role is made anew. Defended by `tests/it/policy/random.rs`.
                    None if &**name == PUBLIC => {
                        return Err(unclassified(format!(
                            "{} of the role `public` was stored by other means, and no call \
                             revokes it",
                            super::difference::told(grant)
                        )));
                    }
                    None => {
                        revokes = vec![drop_role(name)];
                        anew.insert(name);
                        break;
                    }
                }
            }
            removals.append(&mut revokes);
        }
        Ok(anew)
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
            let grants = vec![BackupGrant {
                role: name.to_string(),
                object_type: grant.object_type.name().to_owned(),
                object: grant.object.to_string(),
                database: grant.database.to_string(),
                privilege: api_name(&grant.privilege).to_owned(),
                grantor: self.grantor.to_owned(),
            }];
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

    fn bindings(
        &self,
        anew: &BTreeSet<&Name>,
        commands: &mut Vec<Command>,
        removals: &mut Vec<Command>,
    ) {
        let operate = |user: &Name, role: &Name, operation| Command::OperateUserRole {
            user: user.to_string(),
            role: role.to_string(),
            operation: Some(operation),
        };
        for (name, user) in &self.wanted.users {
            let held = self.state.users.get(name).filter(|u| u.password_hash == user.password_hash);
            let Some(held) = held else { continue };
            for role in user.roles.keys().filter(|role| !held.roles.contains_key(*role)) {
                commands.push(operate(name, role, MemberOperation::Add));
            }
            let surplus = held.roles.keys().filter(|role| !user.roles.contains_key(*role));
            // Those of a role that goes go with it.
            let stays =
                |role: &&Name| self.wanted.roles.contains_key(*role) && !anew.contains(role);
            for role in surplus.filter(stays) {
                removals.push(operate(name, role, MemberOperation::Remove));
            }
        }
    }
}

fn nobody() -> User {
    User { password_hash: Name::new(), description: Name::new(), roles: Set::default() }
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
