//! What each route does: the request of the gRPC call that it stands for, and its answer as JSON.

mod databases;
mod groups;
mod roles;
mod run_command;
mod users;

use serde_json::json;

use super::body::Body;
use super::call::Call;
use super::envelope::{Answer, Refusal};
use super::routes::Action;

pub(super) use self::run_command::run_command;

type Answered = Result<Answer, Refusal>;

/// Asks one method of the service, through the gate. Returns its answer and the caller.
macro_rules! ask {
    ($call:expr, $name:literal, $method:ident, $request:expr) => {
        $call
            .ask($crate::rest::routes::method!($name), $request, async |service, request| {
                service.$method(request).await
            })
            .await
    };
}
use ask;

/// Asks a method that answers a bare `Status`.
macro_rules! change {
    ($call:expr, $name:literal, $method:ident, $request:expr) => {{
        let (status, _) = $crate::rest::actions::ask!($call, $name, $method, $request)?;
        $crate::rest::envelope::check(Some(status))?;
        Ok($crate::rest::actions::nothing())
    }};
}
use change;

/// The data of a change.
fn nothing() -> Answer {
    Answer::data(json!({}))
}

pub(super) async fn perform(action: Action, call: &Call<'_>, body: &Body) -> Answered {
    match action {
        Action::ListUsers => users::list(call).await,
        Action::DescribeUser => users::describe(call, body).await,
        Action::CreateUser => users::create(call, body).await,
        Action::UpdatePassword => users::update(call, body).await,
        Action::DropUser => users::drop(call, body).await,
        Action::BindRole(bind) => users::bind(call, body, bind).await,
        Action::ListRoles => roles::list(call).await,
        Action::DescribeRole => roles::describe(call, body).await,
        Action::CreateRole => roles::create(call, body).await,
        Action::AlterRole => roles::alter(call, body).await,
        Action::DropRole => roles::drop(call, body).await,
        Action::OperatePrivilege(grant) => roles::operate(call, body, grant).await,
        Action::OperatePrivilegeV2(grant) => roles::operate_v2(call, body, grant).await,
        // Its body is bound to no fields.
        Action::RunCommand => Err(Refusal::not_found()),
        Action::CreateGroup => groups::create(call, body).await,
        Action::DropGroup => groups::drop(call, body).await,
        Action::ListGroups => groups::list(call).await,
        Action::OperateGroup(add) => groups::operate(call, body, add).await,
        Action::ListDatabases => databases::list(call).await,
        Action::DescribeDatabase => databases::describe(call, body).await,
        Action::CreateDatabase => databases::create(call, body).await,
        Action::AlterDatabase => databases::alter(call, body).await,
        Action::DropDatabaseProperties => databases::drop_properties(call, body).await,
        Action::DropDatabase => databases::drop(call, body).await,
    }
}
