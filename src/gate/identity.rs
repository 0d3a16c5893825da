//! Who is calling: the `authorization` metadata, verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use tonic::Status;

use crate::model::state::{ROOT, State};
use crate::passwords::Passwords;
use crate::rpc::status;

/// A login as it was sent.
struct Login {
    user: String,
    password: Vec<u8>,
}

/// The name of the caller.
///
/// # Errors
/// The credentials are missing, unreadable or wrong. Which of user and password is wrong is not
/// told.
pub(super) async fn authenticate(
    headers: &HeaderMap,
    state: &State,
    passwords: &Passwords,
) -> Result<String, Status> {
    let Login { user, password } = login(headers)?;
    match passwords.verify(state, &user, &password).await {
        Ok(Some(_)) => Ok(user),
        Ok(None) => Err(status::unauthenticated(
            "auth check failure, please check username and password are correct",
        )),
        Err(e) => Err(status::overloaded(&e)),
    }
}

/// The caller where authorization is off: the user that the credentials name, unverified, and
/// `root` where they name nobody known. It becomes the grantor of grants.
pub(super) fn claimed(headers: &HeaderMap, state: &State) -> String {
    login(headers)
        .ok()
        .map(|login| login.user)
        .filter(|user| state.users.contains_key(user.as_str()))
        .unwrap_or_else(|| ROOT.to_owned())
}

fn login(headers: &HeaderMap) -> Result<Login, Status> {
    let header = headers
        .get("authorization")
        .ok_or_else(|| status::unauthenticated("missing authorization in header"))?;
    let decoded = STANDARD
        .decode(header.as_bytes())
        .map_err(|_| status::unauthenticated("invalid token format"))?;
    let mut parts = decoded.splitn(2, |byte| *byte == b':');
    let (Some(user), Some(password)) = (parts.next(), parts.next()) else {
        return Err(status::unauthenticated("auth check failure, please check api key is correct"));
    };
    Ok(Login { user: String::from_utf8_lossy(user).into_owned(), password: password.to_vec() })
}
