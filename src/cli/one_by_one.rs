//! A plan made true at a server without transactions: any Milvus, call by call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::{Code, Response, Status};

use super::policy::Plan;
use super::progress::Progress;
use super::server::{Server, accepted, refused};
use super::{Failure, wire};
use crate::model::command::{Command, MemberOperation, PrivilegeOperation, Target};
use crate::model::privilege::api_name;
use crate::model::restore::BackupUser;
use crate::model::state::ROOT;
use crate::policy::export::one_user;
use crate::policy::steps::part;
use crate::rpc::proto::access::step::Step;
use crate::rpc::proto::common;
use crate::rpc::proto::service::*;

/// The calls of a plan.
pub(super) struct OneByOne<'a> {
    server: &'a Server,
    plan: &'a Plan,
    notes: Vec<String>,
}

/// Why a call was not done.
enum Undone {
    /// The server does not know it.
    Unknown,
    Refused(Failure),
}

impl<'a> OneByOne<'a> {
    pub(super) fn new(server: &'a Server, plan: &'a Plan) -> Self {
        Self { server, plan, notes: Vec::new() }
    }

    /// Makes the calls. Returns what an old Milvus could not do and nobody has to miss.
    ///
    /// # Errors
    /// One was refused; those before it stay.
    pub(super) async fn run(mut self) -> Result<Vec<String>, Failure> {
        let all = self.plan.steps.len();
        let mut progress = Progress::of("calls");
        let mut done = 0;
        while let Some(rest) = self.plan.steps.get(done..).filter(|rest| !rest.is_empty()) {
            let together = part(rest, 1);
            for (index, command) in together.iter().enumerate() {
                if let Err(e) = self.command(command).await {
                    let lost = together.first().filter(|_| index > 0);
                    let lost = lost.map(|first| self.lost(first)).unwrap_or_default();
                    return Err(format!("{e}; {done} of {all} calls were made before{lost}"));
                }
                done += 1;
                progress.tell(done, all);
            }
        }
        Ok(self.notes)
    }

    /// What is not there any more where one goes that was to come back, and how it comes back.
    fn lost(&self, gone: &Command) -> String {
        let state = &self.plan.found.state;
        match gone {
            Command::DeleteUser { name } => {
                let Some((name, user)) = state.users.get_key_value(name.as_str()) else {
                    return String::new();
                };
                format!(
                    "; the user `{name}` was deleted to get the new password, and did not come back \
                     whole: apply it again with what the document does not say of\n{}",
                    one_user(name, user)
                )
            }
            Command::DropRole { name, .. } => {
                let users = state.roles.get(name.as_str()).into_iter().flat_map(|r| r.users.keys());
                let users: Vec<&str> = users.map(|user| &**user).collect();
                format!(
                    "; the role `{name}` was dropped to be made anew, and did not come back whole: \
                     apply it again, and see that these still hold it: {}",
                    users.join(", ")
                )
            }
            _ => String::new(),
        }
    }

    async fn command(&mut self, command: &Command) -> Result<(), Failure> {
        if let Command::DropRole { name, .. } = command
            && !self.plan.found.groups
        {
            // As old as that, it drops no role that holds something.
            self.empty(name).await?;
        }
        if let Command::Restore(backup) = command
            && let [user] = backup.users.as_slice()
            && let Some(password) = self.plan.plain.get(user.name.as_str())
        {
            return self.create(user, password).await;
        }
        match (self.call(command).await, command) {
            (Ok(()), _) => Ok(()),
            (Err(Undone::Refused(e)), _) => Err(e),
            (Err(Undone::Unknown), Command::AlterRole { name, .. }) => {
                self.notes
                    .push(format!("the role {name} gets no description: this Milvus has none"));
                Ok(())
            }
            (Err(Undone::Unknown), Command::UpdateUser { name, .. }) => {
                self.notes
                    .push(format!("the user {name} gets no description: this Milvus has none"));
                Ok(())
            }
            (Err(Undone::Unknown), Command::Restore(backup)) if !backup.users.is_empty() => {
                let user = backup.users.first().map(|user| user.name.as_str()).unwrap_or_default();
                Err(format!(
                    "this Milvus takes no hash for the user {user}, who needs password_file or \
                     password_env"
                ))
            }
            (Err(Undone::Unknown), _) => {
                Err("this Milvus is too old for a part of the document".to_owned())
            }
        }
    }

    async fn create(&mut self, user: &BackupUser, password: &[u8]) -> Result<(), Failure> {
        let request = CreateCredentialRequest {
            username: user.name.clone(),
            password: STANDARD.encode(password),
            ..Default::default()
        };
        let answer = self.server.milvus().create_credential(request).await;
        done(answer).map_err(Undone::told)?;
        for role in &user.roles {
            let bind = Command::OperateUserRole {
                user: user.name.clone(),
                role: role.clone(),
                operation: Some(MemberOperation::Add),
            };
            self.call(&bind).await.map_err(Undone::told)?;
        }
        Ok(())
    }

    async fn empty(&mut self, name: &str) -> Result<(), Failure> {
        let Some(role) = self.plan.found.state.roles.get(name) else { return Ok(()) };
        for grant in role.grants.keys() {
            let revoke = Command::OperatePrivilege(PrivilegeOperation {
                operation: Ok(MemberOperation::Remove),
                role: name.to_owned(),
                grantor: ROOT.to_owned(),
                privilege: api_name(&grant.privilege).to_owned(),
                database: grant.database.to_string(),
                target: Target::V1 {
                    object_type: grant.object_type.name().to_owned(),
                    object: grant.object.to_string(),
                },
            });
            self.call(&revoke).await.map_err(Undone::told)?;
        }
        Ok(())
    }

    async fn call(&self, command: &Command) -> Result<(), Undone> {
        let mut milvus = self.server.milvus();
        done(match wire::call(command).map_err(Undone::Refused)? {
            Step::CreateCredential(m) => milvus.create_credential(m).await,
            Step::UpdateCredential(m) => milvus.update_credential(m).await,
            Step::DeleteCredential(m) => milvus.delete_credential(m).await,
            Step::CreateRole(m) => milvus.create_role(m).await,
            Step::AlterRole(m) => milvus.alter_role(m).await,
            Step::DropRole(m) => milvus.drop_role(m).await,
            Step::OperateUserRole(m) => milvus.operate_user_role(m).await,
            Step::OperatePrivilege(m) => milvus.operate_privilege(m).await,
            Step::OperatePrivilegeV2(m) => milvus.operate_privilege_v2(m).await,
            Step::CreatePrivilegeGroup(m) => milvus.create_privilege_group(m).await,
            Step::DropPrivilegeGroup(m) => milvus.drop_privilege_group(m).await,
            Step::OperatePrivilegeGroup(m) => milvus.operate_privilege_group(m).await,
            Step::RestoreRbac(m) => milvus.restore_rbac(m).await,
        })
    }
}

impl Undone {
    fn told(self) -> Failure {
        match self {
            Self::Unknown => "this Milvus is too old for a part of the document".to_owned(),
            Self::Refused(e) => e,
        }
    }
}

fn done(answer: Result<Response<common::Status>, Status>) -> Result<(), Undone> {
    match answer {
        Err(e) if e.code() == Code::Unimplemented => Err(Undone::Unknown),
        Err(e) => Err(Undone::Refused(refused(&e))),
        Ok(status) => accepted(Some(status.into_inner())).map_err(Undone::Refused),
    }
}
