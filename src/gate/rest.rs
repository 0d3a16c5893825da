//! What REST asks of the gate: the same checks on calls that do not come as messages, and answers
//! of the upstream for those that do.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};
use tonic::Status;

use super::alias::Forgetting;
use super::forward::Answer;
use super::frame::Frame;
use super::methods::{self, Access, Method};
use super::{Caller, Gate, Identity, Login, Purpose, asked, unknown};
use crate::model::privilege::ObjectType;
use crate::rpc::status;
use crate::tls::subject::Certified;

/// What a call names, beside the database that it is for. What is empty is not named.
#[derive(Debug, Default)]
pub struct Names {
    /// The collection.
    pub collection: String,
    /// The database into which something is moved.
    pub target_database: String,
    /// Names that decide nothing, but must be names.
    pub others: Vec<String>,
}

impl Gate {
    /// Who makes the call that stands for the one at `path`.
    ///
    /// # Errors
    /// As for [`Gate::identify`].
    pub async fn identify_for(
        &self,
        path: &str,
        headers: &HeaderMap,
        login: Result<Login, Status>,
        certified: Option<&Certified>,
    ) -> Result<Identity, Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        self.identified(method, headers, login, certified).await
    }

    /// Decides whether the caller may make the call that stands for the one at `path`, on its
    /// names, or may see a part of an answer that this call would tell.
    ///
    /// # Errors
    /// As for [`Gate::admit`].
    pub async fn admit_names(
        &self,
        identity: &Identity,
        purpose: Purpose,
        database: &str,
        path: &str,
        names: &Names,
    ) -> Result<Caller, Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        if self.forwards(method) {
            names.others.iter().try_for_each(|name| asked::check_name(name))?;
        }
        self.admit_to(identity, purpose, database, path, &method.message(names)).await
    }

    /// The upstream's answer to an allowed call, or the centre's; none where this process answers it. `database` is
    /// the one for which it was allowed, empty for the default one.
    ///
    /// # Errors
    /// The upstream cannot be reached, or refuses.
    pub async fn ask_upstream(
        &self,
        caller: &Caller,
        database: &str,
        path: &str,
        login: Option<&HeaderValue>,
        message: &[u8],
    ) -> Result<Option<Vec<u8>>, Status> {
        let method = methods::find(path).ok_or_else(|| unknown(path))?;
        let center = self.center_of(method);
        if center.is_none() && !self.forwards(method) {
            return Ok(None);
        }
        let parts = head(path, login)?;
        let frame = Frame::of(message);
        let answer = match center {
            Some(center) => {
                center.change(parts, caller.snapshot(), database, None, frame.pieces()).await?
            }
            None => self.forward(method, caller, &parts, database, None, &frame).await?,
        };
        Answer::read(answer).await?.message().map(Some)
    }

    /// Keep this while a call is under way that stands for the one at `path`: names may stand for
    /// other collections after it.
    pub fn names_may_change(&self, path: &str) -> Option<Forgetting> {
        self.forgetting(methods::find(path)?)
    }

    pub(super) fn forgetting(&self, method: &Method) -> Option<Forgetting> {
        let aliases = self.aliases.as_ref().filter(|_| method.changes_names)?;
        Some(aliases.forgetting())
    }
}

/// The head of a call that does not come as one.
pub(super) fn head(path: &str, login: Option<&HeaderValue>) -> Result<Parts, Status> {
    let mut request = Request::new(());
    *request.uri_mut() = path.parse().map_err(|e| status::malformed(&e))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(login) = login {
        headers.insert(AUTHORIZATION, login.clone());
    }
    Ok(request.into_parts().0)
}

impl Method {
    /// A message of this method that names just this.
    fn message(&self, names: &Names) -> Vec<u8> {
        let mut message = Vec::new();
        let mut put = |field: u32, text: &String| {
            if field != 0 && !text.is_empty() {
                prost::encoding::string::encode(field, text, &mut message);
            }
        };
        let (collection, target_database) = match &self.access {
            Access::Privileged(requirement) if requirement.object_type != ObjectType::User => {
                let named = requirement.names.first().copied();
                (named.unwrap_or(self.row.collection), requirement.target_database)
            }
            _ => (self.row.collection, 0),
        };
        put(collection, &names.collection);
        put(target_database, &names.target_database);
        message
    }
}
