//! What holds at a server, read by calls that every Milvus has; what an older one lacks is not missed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tonic::{Code, Response, Status};

use super::Failure;
use super::server::{Server, accepted, refused};
use crate::model::builtin::BuiltInGroups;
use crate::model::command::Rules;
use crate::model::load::Loader;
use crate::model::privilege::{ANY, ObjectType, stored_name};
use crate::model::state::{Change, DEFAULT_DATABASE, Grant, Group, Name, State};
use crate::rpc::proto::common;
use crate::rpc::proto::service::*;
use crate::rpc::status::REVISION;
use crate::storage::Revision;

/// How often everything is read anew because something changed meanwhile.
const TRIES: usize = 10;

/// What holds at a server.
#[derive(Debug)]
pub(super) struct Found {
    /// Users, roles, grants and custom groups; no databases.
    pub(super) state: State,
    /// The built-in groups.
    pub(super) rules: Rules,
    /// The moment, where the server counts them: all of this held then.
    pub(super) revision: Option<Revision>,
    /// Whether the hashes of passwords were told; all of them are empty otherwise.
    pub(super) hashes: bool,
    /// Whether it knows privilege groups, and the grants of the second generation with them.
    pub(super) groups: bool,
}

/// Reads all of it. `databases` are some where there may be grants, though they do not exist yet.
///
/// # Errors
/// The server refuses to tell, or changes faster than it can be read.
pub(super) async fn read(server: &Server, databases: &BTreeSet<Name>) -> Result<Found, Failure> {
    for _ in 0..TRIES {
        let mut reading = Reading::default();
        let found = reading.all(server, databases).await?;
        if reading.revisions.len() <= 1 {
            return Ok(Found { revision: reading.revisions.pop_first(), ..found });
        }
    }
    Err("access is changed faster than it can be read, try again".to_owned())
}

/// The revisions at which calls were answered.
#[derive(Default)]
struct Reading {
    revisions: BTreeSet<Revision>,
}

impl Reading {
    async fn all(&mut self, server: &Server, databases: &BTreeSet<Name>) -> Result<Found, Failure> {
        let mut milvus = server.milvus();
        let users = SelectUserRequest { include_role_info: true, ..Default::default() };
        let users = self.told(milvus.select_user(users).await, |m| &mut m.status)?.results;
        let roles = SelectRoleRequest { include_user_info: false, ..Default::default() };
        let roles = self.told(milvus.select_role(roles).await, |m| &mut m.status)?.results;
        let groups = milvus.list_privilege_groups(ListPrivilegeGroupsRequest::default()).await;
        let groups = match groups {
            Err(e) if e.code() == Code::Unimplemented => None,
            groups => Some(self.told(groups, |m| &mut m.status)?.privilege_groups),
        };
        let backup = match milvus.backup_rbac(BackupRbacMetaRequest::default()).await {
            Err(e) if matches!(e.code(), Code::Unimplemented | Code::PermissionDenied) => None,
            backup => self.told(backup, |m| &mut m.status)?.rbac_meta,
        };
        let in_backup: BTreeSet<&str> =
            backup.iter().flat_map(|meta| &meta.roles).map(|role| &*role.name).collect();
        let databases = self.databases(server, databases).await?;
        let mut grants = Vec::new();
        for role in roles.iter().filter_map(|result| result.role.as_ref()) {
            if in_backup.contains(&*role.name) {
                continue;
            }
            for db_name in databases.iter().cloned() {
                let role = Some(RoleEntity { name: role.name.clone(), ..Default::default() });
                let entity = Some(GrantEntity { role, db_name, ..Default::default() });
                let asked = SelectGrantRequest { entity, ..Default::default() };
                let told = self.told(milvus.select_grant(asked).await, |m| &mut m.status)?;
                grants.extend(told.entities);
            }
        }
        let (hashes, has_groups) = (backup.is_some(), groups.is_some());
        let mut passwords = HashMap::new();
        if let Some(meta) = backup {
            grants.extend(meta.grants);
            passwords.extend(meta.users.into_iter().map(|user| (user.user, user.password)));
        }
        let (custom, rules) = split(groups.unwrap_or_default());
        let state = assembled(custom, roles, users, grants, &passwords);
        let state = state.map_err(|e| format!("the server tells what does not fit: {e}"))?;
        Ok(Found { state, rules, revision: None, hashes, groups: has_groups })
    }

    /// Where a listing of grants has to look. `*` lists all of them here and at a newer Milvus; an
    /// older one lists those of one database at a time.
    async fn databases(
        &mut self,
        server: &Server,
        beside: &BTreeSet<Name>,
    ) -> Result<BTreeSet<String>, Failure> {
        let mut databases = BTreeSet::from([ANY.to_owned()]);
        if self.revisions.is_empty() {
            databases.insert(DEFAULT_DATABASE.to_owned());
            databases.extend(beside.iter().map(ToString::to_string));
            match server.milvus().list_databases(ListDatabasesRequest::default()).await {
                Err(e) if e.code() == Code::Unimplemented => {}
                listed => databases.extend(self.told(listed, |m| &mut m.status)?.db_names),
            }
        }
        Ok(databases)
    }

    /// The message of an answer.
    fn told<M>(
        &mut self,
        answer: Result<Response<M>, Status>,
        status: impl Fn(&mut M) -> &mut Option<common::Status>,
    ) -> Result<M, Failure> {
        let answer = answer.map_err(|e| refused(&e))?;
        let revision = answer.metadata().get(REVISION).and_then(|text| text.to_str().ok());
        self.revisions.extend(revision.and_then(|text| text.parse::<Revision>().ok()));
        let mut message = answer.into_inner();
        accepted(status(&mut message).take())?;
        Ok(message)
    }
}

/// The custom groups of a listing, and the others as the rules that hold there.
fn split(listed: Vec<PrivilegeGroupInfo>) -> (Vec<PrivilegeGroupInfo>, Rules) {
    let built_in = BuiltInGroups::default();
    let (own, custom): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|group| built_in.members(&group.group_name).is_some());
    let lists = own.into_iter().map(|group| (group.group_name, names(group.privileges)));
    let lists: BTreeMap<String, Vec<String>> = lists.collect();
    // A newer Milvus may have privileges that nobody here knows; the groups are what they are called.
    let groups = BuiltInGroups::overridden(&lists).unwrap_or(built_in);
    (custom, Rules { groups, ..Rules::default() })
}

fn names(privileges: Vec<PrivilegeEntity>) -> Vec<String> {
    privileges.into_iter().map(|privilege| privilege.name).collect()
}

fn assembled(
    groups: Vec<PrivilegeGroupInfo>,
    roles: Vec<RoleResult>,
    users: Vec<UserResult>,
    grants: Vec<GrantEntity>,
    passwords: &HashMap<String, String>,
) -> Result<State, Failure> {
    let mut records = Vec::new();
    for group in groups {
        let privileges = names(group.privileges).into_iter().map(Name::from).collect();
        records
            .push(Change::PutGroup { name: group.group_name.into(), group: Group { privileges } });
    }
    for role in roles.into_iter().filter_map(|result| result.role) {
        let (name, description) = (role.name.into(), role.description.into());
        records.push(Change::PutRole { name, description });
    }
    for UserResult { user, roles, description } in users {
        let name: Name = user.unwrap_or_default().name.into();
        let password_hash = passwords.get(&*name).map_or("", |hash| hash).into();
        let description = description.into();
        records.push(Change::PutUser { name: name.clone(), password_hash, description });
        let bind = |role: RoleEntity| Change::Bind { user: name.clone(), role: role.name.into() };
        records.extend(roles.into_iter().map(bind));
    }
    // One on every database may be told with each of them.
    let mut told = HashSet::new();
    for entity in grants {
        let (role, grant, grantor) = granted(entity)?;
        if told.insert((role.clone(), grant.clone())) {
            records.push(Change::Grant { role, grant, grantor });
        }
    }
    let mut loader = Loader::default();
    records.into_iter().try_for_each(|record| loader.add(record)).map_err(|e| e.to_string())?;
    Ok(loader.state())
}

/// The role, what it is granted, and by whom.
fn granted(entity: GrantEntity) -> Result<(Name, Grant, Name), Failure> {
    let object_type = entity.object.unwrap_or_default().name;
    let object_type = ObjectType::named(&object_type)
        .ok_or_else(|| format!("`{object_type}` is no type of an object"))?;
    let grantor = entity.grantor.unwrap_or_default();
    let database = match entity.db_name.as_str() {
        "" => DEFAULT_DATABASE,
        name => name,
    };
    let grant = Grant {
        object_type,
        database: database.into(),
        object: entity.object_name.into(),
        privilege: stored_name(&grantor.privilege.unwrap_or_default().name).into(),
    };
    let role = entity.role.unwrap_or_default().name.into();
    Ok((role, grant, grantor.user.unwrap_or_default().name.into()))
}
