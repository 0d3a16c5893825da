//! Users: CreateCredential, UpdateCredential, DeleteCredential, ListCredUsers, SelectUser.

use base64::DecodeError;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use base64::engine::{DecodePaddingMode, Engine as _};

use super::proto::common::{self, ErrorCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::gate::Caller;
use crate::model::command::{self, Command, PasswordChange};
use crate::model::error::{Error, ErrorKind};
use crate::model::name;
use crate::model::state::{Name, User};

pub(super) async fn create(
    service: &Service,
    caller: &Caller,
    request: CreateCredentialRequest,
) -> Answer<common::Status> {
    let command = create_command(service, request).await;
    service.change(caller, command, Some(ErrorCode::CreateCredentialFailure)).await
}

pub(super) async fn create_command(
    service: &Service,
    request: CreateCredentialRequest,
) -> Result<Command, Error> {
    let CreateCredentialRequest { username, password, description, .. } = request;
    let description = description.unwrap_or_default();
    name::check_user(&username)?;
    name::check_user_description(&description)?;
    let password = decode_password(&password, "decode password fail")?;
    name::check_password(&password)?;
    let password_hash = service.passwords.hash(password).await?.into();
    Ok(Command::CreateUser { name: username, password_hash, description })
}

pub(super) async fn update(
    service: &Service,
    caller: &Caller,
    request: UpdateCredentialRequest,
) -> Answer<common::Status> {
    let command = update_command(service, caller, request).await;
    service.change(caller, command, Some(ErrorCode::UpdateCredentialFailure)).await
}

pub(super) async fn update_command(
    service: &Service,
    caller: &Caller,
    request: UpdateCredentialRequest,
) -> Result<Command, Error> {
    let UpdateCredentialRequest { username, old_password, new_password, description, .. } = request;
    name::check_user_description(description.as_deref().unwrap_or_default())?;
    if new_password.is_empty() {
        if description.is_none() {
            return Err(Error::invalid("must update either password or description"));
        }
        return Ok(Command::UpdateUser { name: username, password: None, description });
    }
    let old = decode_password(&old_password, "decode old password failed")?;
    let new = decode_password(&new_password, "decode password failed")?;
    name::check_password(&new)?;
    let state = &caller.snapshot().state;
    let verified_hash = service
        .passwords
        .verify(state, &username, &old)
        .await?
        .ok_or_else(|| command::wrong_old_password(&username))?;
    let new_hash = service.passwords.hash(new).await?.into();
    let password = Some(PasswordChange { verified_hash, new_hash });
    Ok(Command::UpdateUser { name: username, password, description })
}

pub(super) async fn delete(
    service: &Service,
    caller: &Caller,
    request: DeleteCredentialRequest,
) -> Answer<common::Status> {
    let command = delete_command(request);
    service.change(caller, command, Some(ErrorCode::DeleteCredentialFailure)).await
}

pub(super) fn delete_command(request: DeleteCredentialRequest) -> Result<Command, Error> {
    let DeleteCredentialRequest { username: name, .. } = request;
    command::check_deletable_user(&name).map(|()| Command::DeleteUser { name })
}

pub(super) async fn list(
    _: &Service,
    caller: &Caller,
    _: ListCredUsersRequest,
) -> Answer<ListCredUsersResponse> {
    let usernames = caller.snapshot().state.users.keys().map(ToString::to_string).collect();
    reply(caller, ListCredUsersResponse { status: status::ok(), usernames })
}

pub(super) async fn select(
    _: &Service,
    caller: &Caller,
    request: SelectUserRequest,
) -> Answer<SelectUserResponse> {
    let users = &caller.snapshot().state.users;
    let with_roles = request.include_role_info;
    let results = match request.user {
        None => users.iter().map(|found| user_result(found, with_roles)).collect(),
        Some(UserEntity { name }) => {
            if let Err(e) = name::check_user(&name) {
                let status = Some(status::refused(&e, None)?);
                return reply(caller, SelectUserResponse { status, results: Vec::new() });
            }
            let found = users.get_key_value(name.as_str());
            found.into_iter().map(|found| user_result(found, with_roles)).collect()
        }
    };
    reply(caller, SelectUserResponse { status: status::ok(), results })
}

fn user_result((name, user): (&Name, &User), with_roles: bool) -> UserResult {
    let role = |name: &Name| RoleEntity { name: name.to_string(), ..RoleEntity::default() };
    let roles = if with_roles { user.roles.keys().map(role).collect() } else { Vec::new() };
    UserResult {
        user: Some(UserEntity { name: name.to_string() }),
        roles,
        description: user.description.to_string(),
    }
}

/// Go's standard base64, which takes odd last bits and skips line breaks.
fn decode_password(text: &str, prefix: &str) -> Result<Vec<u8>, Error> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        PAD.with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    BASE64.decode(&text).map_err(|e| {
        let at = match e {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() / 4 * 4,
        };
        Error::verbatim(
            ErrorKind::InvalidParameter,
            format!("{prefix}: illegal base64 data at input byte {at}"),
        )
    })
}
