//! `restore`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::apply::apply;
use super::backup_file::{self, Content};
use super::plan::show;
use super::policy::Plan;
use super::state::{self, Found};
use super::{Failure, Outcome, ServerFlags};
use crate::model::command::{Command, Rules};
use crate::model::restore::Backup;
use crate::model::state::{ADMIN, Change, Name, PUBLIC, ROOT, State};
use crate::policy::difference::{Counts, difference};
use crate::policy::steps::steps;

/// The largest file that is read: the largest message that a server takes.
const MAX_FILE: u64 = 64 << 20;

/// The flags of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    server: ServerFlags,
    /// A file of `backup`, the answer of BackupRBAC as JSON, or milvus-backup's meta.
    file: PathBuf,
    /// Where the server has users, roles or groups already: add what is missing, and change nothing
    /// that is there.
    #[arg(long)]
    merge: bool,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Restore {
    pub(super) async fn run(self) -> Outcome {
        let tell = |e: String| format!("{}: {e}", self.file.display());
        let size = fs::metadata(&self.file).map_err(|e| tell(e.to_string()))?.len();
        if size > MAX_FILE {
            return Err(tell(format!("it is larger than {MAX_FILE} bytes")));
        }
        let text = fs::read_to_string(&self.file).map_err(|e| tell(e.to_string()))?;
        let content = backup_file::read(&text).map_err(tell)?;
        let server = self.server.connect().await?;
        let grants = content.backup.grants.iter();
        let databases = grants.map(|grant| grant.database.as_str().into()).collect();
        let found = state::read(&server, &databases).await?;
        if !self.merge {
            check_empty(&found.state)?;
        }
        let plan = plan(content, found, self.merge, self.server.user().unwrap_or(ROOT))?;
        if self.dry_run {
            show(&plan)?;
            return Ok(ExitCode::SUCCESS);
        }
        let counts = Counts::of(&plan.items);
        if !plan.steps.is_empty() {
            let how = apply(&server, &plan, "milvus-rbac restore").await?;
            let Some(how) = how else {
                return Err("something was changed meanwhile; run it again".to_owned());
            };
            println!("restored {how}: {counts}");
        } else {
            println!("restored: {counts}");
        }
        for note in &plan.notes {
            println!("note: {note}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check_empty(state: &State) -> Result<(), Failure> {
    let users = state.users.keys().filter(|name| **name != *ROOT).count();
    let roles = state.roles.keys().filter(|name| !matches!(&***name, ADMIN | PUBLIC)).count();
    let groups = state.groups.len();
    if users + roles + groups == 0 {
        return Ok(());
    }
    Err(format!(
        "the server has {users} users, {roles} roles and {groups} groups of its own already; \
         --merge adds what is missing; nothing was restored"
    ))
}

/// What is missing comes back as one step; what a restore cannot say follows.
fn plan(content: Content, found: Found, merge: bool, caller: &str) -> Result<Plan, Failure> {
    let Content { backup, descriptions, whole } = content;
    let fails = |e: String| format!("the backup does not fit: {e}");
    let state = &found.state;
    let mut notes = Vec::new();
    let mut missing = backup.clone();
    missing.users.retain(|user| !state.users.contains_key(user.name.as_str()));
    missing.roles.retain(|role| !state.roles.contains_key(role.name.as_str()));
    missing.groups.retain(|group| !state.groups.contains_key(group.name.as_str()));
    for (what, all, new) in [
        ("users", backup.users.len(), missing.users.len()),
        ("roles", backup.roles.len(), missing.roles.len()),
        ("groups", backup.groups.len(), missing.groups.len()),
    ] {
        if new < all {
            notes.push(format!("{} {what} were there already and keep what they are", all - new));
        }
    }
    let rules = Rules { max_users: 0, max_roles: 0, groups: found.rules.groups.clone() };
    let restore = Command::Restore(missing);
    let changes = restore.plan(state, &rules).map_err(|e| fails(e.to_string()))?;
    let mut restored = state.clone();
    for change in &changes {
        restored.apply(change).map_err(|e| fails(e.to_string()))?;
    }
    let mut wanted = restored.clone();
    for change in beside(&backup, &descriptions, &restored, state, whole && !merge) {
        wanted.apply(&change).map_err(|e| fails(e.to_string()))?;
    }
    let mut all = if changes.is_empty() { Vec::new() } else { vec![restore] };
    all.extend(steps(&restored, &wanted, caller, &rules).map_err(|e| fails(e.to_string()))?);
    let items = difference(state, &wanted);
    let (plain, lockout) = (BTreeMap::new(), None);
    Ok(Plan { found, items, steps: all, plain, notes, lockout })
}

/// Bindings of users who were there, descriptions of those who were not, and, where the backup tells
/// all of it, what `public` holds too much.
fn beside(
    backup: &Backup,
    descriptions: &BTreeMap<String, String>,
    restored: &State,
    before: &State,
    exactly: bool,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for user in &backup.users {
        let Some((name, held)) = restored.users.get_key_value(user.name.as_str()) else { continue };
        for role in &user.roles {
            let role = Name::from(role.as_str());
            if !held.roles.contains_key(&role) {
                changes.push(Change::Bind { user: name.clone(), role });
            }
        }
        let described = descriptions.get(&user.name);
        if let Some(description) = described.filter(|_| !before.users.contains_key(name)) {
            changes.push(Change::PutUser {
                name: name.clone(),
                password_hash: held.password_hash.clone(),
                description: description.as_str().into(),
            });
        }
    }
    if let Some((name, public)) = restored.roles.get_key_value(PUBLIC).filter(|_| exactly) {
        let kept: BTreeSet<_> = backup
            .grants
            .iter()
            .filter(|grant| grant.role == PUBLIC)
            .filter_map(|g| g.stored().ok())
            .collect();
        for grant in public.grants.keys().filter(|grant| !kept.contains(*grant)) {
            changes.push(Change::Revoke { role: name.clone(), grant: grant.clone() });
        }
    }
    changes
}
