//! What touches much at once: a role of 100,000 grants, a group in use, all of it as a backup. Of
//! each, how long it takes and how long a decision beside it waits at most.

use std::time::Instant;

use milvus_rbac::engine::Engine;
use milvus_rbac::model::command::{Command, MemberOperation, PrivilegeOperation, Target};
use milvus_rbac::model::privilege::api_name;
use milvus_rbac::model::restore::{Backup, BackupGrant, BackupGroup, BackupRole, BackupUser};
use milvus_rbac::model::state::State;
use milvus_rbac::rpc::backup_of;
use milvus_rbac::storage::Loaded;

use crate::decide::{Question, longest_pause};
use crate::store::Prepared;
use crate::{data, millis, row, start, stop, write};

const LARGE: &str = "large";
const GRANTS: usize = 100_000;

fn during(name: &str, engine: &Engine, questions: &[Question], work: impl FnOnce()) {
    let (pause, took, ()) = longest_pause(engine, questions, work);
    let figures = format!("{}, {}", millis(took), millis(pause));
    row(&format!("{name}; longest decision beside it, ms"), figures, "");
}

/// A role of that many grants comes, is added to, and goes.
pub(crate) fn role(engine: &Engine, questions: &[Question]) {
    let grants = (0..GRANTS).map(|index| BackupGrant {
        role: LARGE.to_owned(),
        object_type: "Collection".to_owned(),
        object: data::collection(index),
        database: data::database(index),
        privilege: data::PRIVILEGES[index % data::PRIVILEGES.len()].to_owned(),
        grantor: "root".to_owned(),
    });
    let role = BackupRole { name: LARGE.to_owned(), description: String::new() };
    let backup = Backup { roles: vec![role], grants: grants.collect(), ..Backup::default() };
    during("restoring a role of 100,000 grants", engine, questions, || {
        write::execute(engine, Command::Restore(backup));
    });
    let (grant, revoke) = write::single(engine, |_| LARGE.to_owned(), 200);
    row("one durable grant to it, revoke, µs", format!("{grant:.0}, {revoke:.0}"), "");
    during("dropping it", engine, questions, || {
        write::execute(engine, Command::DropRole { name: LARGE.to_owned(), force: true });
    });
}

/// A group that ten grants use.
pub(crate) fn groups(engine: &Engine) {
    let group = "readers".to_owned();
    for index in 0..10 {
        let target = Target::V2 { collection: data::collection(index) };
        write::execute(
            engine,
            Command::OperatePrivilege(PrivilegeOperation {
                operation: Ok(MemberOperation::Add),
                role: data::role(index),
                grantor: "root".to_owned(),
                privilege: group.clone(),
                database: data::database(index),
                target,
            }),
        );
    }
    let change = |operation| {
        let command = Command::OperateGroup {
            name: group.clone(),
            privileges: vec!["Insert".to_owned()],
            operation: Some(operation),
        };
        let began = Instant::now();
        write::execute(engine, command);
        began.elapsed()
    };
    let times = [MemberOperation::Add, MemberOperation::Remove].map(change);
    row("durable change of a group of ten grants, twice, ms", times.map(millis).join(", "), "");
    let began = Instant::now();
    let drop = Command::DropGroup { name: group.clone() };
    drop.plan(&engine.snapshot().state, &data::rules()).unwrap_err();
    row("refusal to drop it, µs", began.elapsed().as_micros(), "");
}

/// Everything as a backup, and back into an empty server.
pub(crate) fn backup(engine: &Engine, questions: &[Question]) {
    let snapshot = engine.snapshot();
    during("BackupRBAC of everything", engine, questions, || {
        std::hint::black_box(backup_of(&snapshot.state));
    });
    let backup = backed_up(&snapshot.state);
    drop(snapshot);
    let empty = start(Prepared(Loaded::default()));
    let root_password_hash = "h".into();
    write::execute(&empty.0, Command::Seed { root_password_hash, created: 1 });
    during("RestoreRBAC of everything, without a disk", &empty.0, questions, || {
        write::execute(&empty.0, Command::Restore(backup));
    });
    stop(empty);
}

fn backed_up(state: &State) -> Backup {
    let users = state.users.iter().filter(|(name, _)| **name != "root");
    let roles = || state.roles.iter().filter(|(name, _)| **name != "admin" && **name != "public");
    let grants = roles().flat_map(|(name, role)| {
        role.grants.iter().map(|(grant, grantor)| BackupGrant {
            role: name.to_string(),
            object_type: grant.object_type.name().to_owned(),
            object: grant.object.to_string(),
            database: grant.database.to_string(),
            privilege: api_name(&grant.privilege).to_owned(),
            grantor: grantor.to_string(),
        })
    });
    let role = |name: &str| BackupRole { name: name.to_owned(), description: String::new() };
    Backup {
        users: users
            .map(|(name, user)| BackupUser {
                name: name.to_string(),
                password_hash: user.password_hash.to_string(),
                roles: user.roles.keys().map(ToString::to_string).collect(),
            })
            .collect(),
        roles: roles().map(|(name, _)| role(name)).collect(),
        grants: grants.collect(),
        groups: state
            .groups
            .iter()
            .map(|(name, group)| BackupGroup {
                name: name.to_string(),
                privileges: group.privileges.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }
}
