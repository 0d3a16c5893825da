//! Who is calling: the credentials of a call, verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tonic::Status;
use tracing::info;

use super::origin::Source;
use crate::model::name;
use crate::model::state::{Name, ROOT, State};
use crate::passwords::Passwords;
use crate::rpc::status;
use crate::telemetry::{self, Decision};

/// A login as it was sent.
pub struct Login {
    user: String,
    password: Vec<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    /// gRPC's form: the base64 of `user:password`.
    ///
    /// # Errors
    /// There is no such header, or it is not of that form.
    pub fn from_grpc(headers: &HeaderMap) -> Result<Self, Status> {
        let header = headers.get(AUTHORIZATION).ok_or_else(missing)?;
        Self::decoded(header.as_bytes())
    }

    /// REST's forms: `Bearer user:password` in plain text, the same without `Bearer`, and
    /// `Basic` with base64.
    ///
    /// # Errors
    /// There is no such header, or it is of none of these forms.
    pub fn from_http(headers: &HeaderMap) -> Result<Self, Status> {
        let header = headers.get(AUTHORIZATION).ok_or_else(missing)?.as_bytes();
        match header.strip_prefix(b"Basic ") {
            Some(basic) => Self::decoded(basic),
            None => Self::plain(header.strip_prefix(b"Bearer ").unwrap_or(header)),
        }
    }

    /// The same login in gRPC's form.
    pub fn to_grpc(&self) -> Option<HeaderValue> {
        let mut text = format!("{}:", self.user).into_bytes();
        text.extend_from_slice(&self.password);
        let mut header = HeaderValue::try_from(STANDARD.encode(text)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    fn decoded(base64: &[u8]) -> Result<Self, Status> {
        let decoded =
            STANDARD.decode(base64).map_err(|_| status::unauthenticated("invalid token format"))?;
        Self::plain(&decoded)
    }

    /// Passwords may hold further colons.
    fn plain(text: &[u8]) -> Result<Self, Status> {
        let mut parts = text.splitn(2, |byte| *byte == b':');
        let (Some(user), Some(password)) = (parts.next(), parts.next()) else {
            return Err(status::unauthenticated(
                "auth check failure, please check api key is correct",
            ));
        };
        Ok(Self { user: String::from_utf8_lossy(user).into_owned(), password: password.to_vec() })
    }

    #[cfg(test)]
    pub(super) fn into_parts(self) -> (String, Vec<u8>) {
        (self.user, self.password)
    }

    /// The caller, verified.
    ///
    /// # Errors
    /// The login is wrong. Which of user and password is wrong is not told.
    pub(super) async fn verified(
        self,
        state: &State,
        passwords: &Passwords,
    ) -> Result<Identity, Status> {
        match passwords.verify(state, &self.user, &self.password).await {
            Ok(Some(hash)) => Ok(Identity::new(self.user, Proof::Password(hash))),
            Ok(None) => Err(refused(&self.user)),
            Err(e) => Err(status::exhausted(e.text())),
        }
    }

    /// The caller where authorization is off: the user that the credentials name, unverified, and
    /// `root` where they name nobody known. It becomes the grantor of grants.
    pub(super) fn claimed(login: Option<Self>, state: &State) -> Identity {
        let user = login.map(|login| login.user);
        let known = user.filter(|user| state.users.contains_key(user.as_str()));
        let user = known.unwrap_or_else(|| ROOT.to_owned());
        Identity::new(user, Proof::None)
    }

    /// The same login, which must be of the user whom the caller's certificate names.
    ///
    /// # Errors
    /// It is another's.
    pub(super) fn of(self, user: &str) -> Result<Self, Status> {
        if self.user == user { Ok(self) } else { Err(refused(&self.user)) }
    }
}

/// What was verified of a caller.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// Nothing: authorization is off, or refusals are only recorded.
    None,
    /// The stored hash that the password matched.
    Password(Name),
    /// A certificate that names the user, and no login.
    Certificate,
}

/// A caller whose login was verified, or need not be.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(super) user: String,
    pub(super) proof: Proof,
    /// Where it calls from.
    pub(super) source: Source,
}

impl Identity {
    fn new(user: String, proof: Proof) -> Self {
        Self { user, proof, source: Source::default() }
    }

    /// A caller without a login, who has no roles but `public`.
    pub(super) fn nobody() -> Self {
        Self::new(String::new(), Proof::None)
    }

    /// The caller whom a certificate names, which was verified with the connection.
    ///
    /// # Errors
    /// There is no such user.
    pub(super) fn certified(user: &str, state: &State) -> Result<Self, Status> {
        if !state.users.contains_key(user) {
            return Err(refused(user));
        }
        Ok(Self::new(user.to_owned(), Proof::Certificate))
    }

    /// Whether the login still holds in `state`.
    ///
    /// # Errors
    /// The user is gone or has another password by now.
    pub(super) fn check(&self, state: &State) -> Result<(), Status> {
        let user = state.users.get(&*self.user);
        let holds = match &self.proof {
            Proof::None => true,
            Proof::Password(hash) => user.is_some_and(|user| user.password_hash == *hash),
            Proof::Certificate => user.is_some(),
        };
        if holds {
            return Ok(());
        }
        telemetry::decided(Decision::Unauthenticated, 0);
        Err(wrong())
    }
}

/// INVARIANT: the holder of a certificate hears of an unknown user what a wrong login tells. Defended
/// by `tests/it/tls/users.rs`.
fn refused(user: &str) -> Status {
    info!(user = name::shortened(user), "login refused");
    wrong()
}

fn wrong() -> Status {
    status::unauthenticated("auth check failure, please check username and password are correct")
}

fn missing() -> Status {
    status::unauthenticated("missing authorization in header")
}
