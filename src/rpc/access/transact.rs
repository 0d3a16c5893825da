//! Several of Milvus' own calls as one change.

use tonic::Status;

use super::Access;
use crate::engine::Order;
use crate::gate::{Caller, Encoded};
use crate::model::command::Command;
use crate::model::error::Error;
use crate::model::name::MAX_DESCRIPTION;
use crate::model::origin::Origin;
use crate::rpc::proto::access::step::Step as Call;
use crate::rpc::proto::access::{Step, TransactRequest, TransactResponse};
use crate::rpc::service::{Answer, Service};
use crate::rpc::{backup, grants, groups, roles, status, users};

/// Steps that bring a password to be hashed, which takes long.
const MAX_PASSWORDS: usize = 100;

pub(super) async fn transact(
    access: &Access,
    caller: &Caller,
    encoded: &Encoded,
    request: TransactRequest,
) -> Answer<TransactResponse> {
    let TransactRequest { steps, only_at_revision: only_at, comment, dry_run } = request;
    let order = async {
        let bounded = check(&steps, &comment);
        if let Err(e) = bounded {
            return Ok(Err(e));
        }
        let mut commands = Vec::with_capacity(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            let step_name = || format!("step {}", index + 1);
            let Some(call) = step.step else {
                return Ok(Err(Error::invalid(format_args!(
                    "{} is none that is known",
                    step_name()
                ))));
            };
            match command(&access.service, caller, call).await {
                Ok(command) => commands.push(command),
                Err(e) => return Ok(Err(e.context(&step_name()))),
            }
        }
        // INVARIANT: a step is admitted as the call that it is, for the same caller: by the gate before
        // anything of it is done, and once more when all that takes long is done. Defended by
        // `tests/it/rpc/transact.rs`.
        access.gate.admit_again(caller, encoded).await?;
        let origin = Origin { comment, ..caller.origin() };
        Ok::<_, Status>(Ok(Order { command: Command::All(commands), origin, only_at }))
    };
    let engine = access.engine();
    let done = match order.await? {
        Err(e) => Err(e),
        Ok(order) if dry_run => engine.rehearse(&order),
        Ok(order) => engine.execute(order).await,
    };
    let (status, revision) = match done {
        Ok(revision) => (status::ok(), revision),
        Err(e) => (Some(status::refused(&e, None)?), engine.snapshot().revision),
    };
    Ok(status::at(revision, TransactResponse { status, revision }))
}

fn check(steps: &[Step], comment: &str) -> Result<(), Error> {
    if comment.len() > MAX_DESCRIPTION {
        return Err(Error::invalid(format_args!(
            "the comment is longer than {MAX_DESCRIPTION} bytes"
        )));
    }
    let hashed = |step: &&Step| match &step.step {
        Some(Call::CreateCredential(_)) => true,
        Some(Call::UpdateCredential(update)) => !update.new_password.is_empty(),
        _ => false,
    };
    let passwords = steps.iter().filter(hashed).count();
    if passwords > MAX_PASSWORDS {
        return Err(Error::invalid(format_args!(
            "{passwords} steps bring passwords to be hashed, more than {MAX_PASSWORDS}; users are \
             restored with hashes instead"
        )));
    }
    Ok(())
}

/// The command of a step, whose form is checked as that of the call is.
async fn command(service: &Service, caller: &Caller, call: Call) -> Result<Command, Error> {
    match call {
        Call::CreateCredential(m) => users::create_command(service, m).await,
        Call::UpdateCredential(m) => users::update_command(service, caller, m).await,
        Call::DeleteCredential(m) => users::delete_command(m),
        Call::CreateRole(m) => roles::create_command(m),
        Call::AlterRole(m) => roles::alter_command(m),
        Call::DropRole(m) => roles::drop_command(m),
        Call::OperateUserRole(m) => roles::operate_command(m),
        Call::OperatePrivilege(m) => grants::operate_command(service, caller, m).await,
        Call::OperatePrivilegeV2(m) => grants::operate_v2_command(service, caller, m).await,
        Call::CreatePrivilegeGroup(m) => groups::create_command(m),
        Call::DropPrivilegeGroup(m) => groups::drop_command(m),
        Call::OperatePrivilegeGroup(m) => groups::operate_command(m),
        Call::RestoreRbac(m) => backup::restore_command(m),
    }
}
