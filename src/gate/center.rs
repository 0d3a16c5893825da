//! The central instance of a follower: changes that were allowed here are made there, by the caller's
//! own credentials, and answered once they are in force here. What becomes of the grants on a
//! collection is no caller's wish, and asked for by the credentials of this instance.

use std::time::{Duration, Instant};

use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use prost::Message;
use tonic::{Code, Status};

use super::connections::Content;
use super::forward::{Answer, Credentials, OfOurOwn};
use super::frame::Frame;
use super::{REVISION_WAIT, Upstream, filter, rest};
use crate::engine::{Engine, Missed, Snapshot};
use crate::model::origin::Origin;
use crate::rpc::proto::access::MoveGrantsRequest;
use crate::rpc::proto::common;
use crate::rpc::status;
use crate::storage::{Login, Revision};

const MOVE_GRANTS: &str = "/milvus_rbac.v1.AccessService/MoveGrants";
/// How long the centre may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Where a follower has changes made.
#[derive(Debug)]
pub struct Center {
    engine: Engine,
    instance: Upstream,
    /// Who this instance is there.
    login: Option<HeaderValue>,
}

impl Center {
    /// `engine` follows `instance`, which is shown the credentials of the callers, or `login`.
    ///
    /// # Errors
    /// The login cannot be sent.
    pub fn new(engine: Engine, instance: Upstream, login: Option<&Login>) -> Result<Self, String> {
        let login = match login {
            None => None,
            Some(Login { user, password }) => {
                match Credentials::own(&format!("{user}:{password}")) {
                    Some(Credentials::Own(value, _)) => Some(value),
                    _ => return Err("--store-login-file: the login cannot be sent".to_owned()),
                }
            }
        };
        Ok(Self { engine, instance, login })
    }

    /// Has the grants on a collection go or move with it, and waits until they have here. With no
    /// collection it is only asked whether that could be done.
    ///
    /// # Errors
    /// It could not, or nobody knows.
    pub(super) async fn move_grants(
        &self,
        request: &MoveGrantsRequest,
        origin: &Origin,
    ) -> Result<(), Status> {
        let mut parts = rest::head(MOVE_GRANTS, self.login.as_ref())?;
        parts.extensions.insert(OfOurOwn);
        // By this login, but it is not the one who has dropped or renamed the collection.
        let peer = format!("{} from {}", origin.user, origin.peer);
        let origin = Origin { peer, ..origin.clone() };
        super::origin::forward(&mut parts.headers, &origin)?;
        let pieces = Frame::of(&request.encode_to_vec()).pieces();
        let answer = self.change(parts, &self.engine.snapshot(), "", None, pieces).await?;
        let answer = Answer::read(answer).await?.message().map_err(|e| match e.code() {
            Code::PermissionDenied | Code::Unauthenticated => status::denied(format!(
                "the login that --store-login-file gives needs ManageOwnership on `*` at the \
                 central instance: {}",
                e.message()
            )),
            _ => e,
        })?;
        let told = common::Status::decode(&*answer).map_err(|e| status::malformed(&e))?;
        if told.code == 0 { Ok(()) } else { Err(status::unavailable(told.reason)) }
    }

    /// The centre's answer to a change that was `decided` here, once what it tells of holds here.
    ///
    /// INVARIANT: a change that is acknowledged here is in force here, in the store in which it was made: the
    /// centre makes it in the one on which it was decided, or not at all. Defended by
    /// `tests/it/follow/writes.rs` and `replaced.rs`.
    ///
    /// # Errors
    /// The centre does not answer, or its change has not been heard of in time.
    pub(super) async fn change(
        &self,
        mut parts: Parts,
        decided: &Snapshot,
        connection: &str,
        deadline: Option<Instant>,
        message: Vec<Bytes>,
    ) -> Result<Response, Status> {
        let limit = Instant::now() + ANSWER;
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        let store = HeaderValue::from_str(&decided.store).map_err(|e| status::malformed(&e))?;
        parts.headers.insert(status::STORE, store);
        // It is read here, so it must not come compressed.
        parts.headers.remove("grpc-accept-encoding");
        let content = Content::Whole(message);
        let asked = async {
            let answer = self.instance.forward(&parts, connection, Some(until), content).await?;
            Answer::read(answer).await
        };
        let answer = Upstream::within(Some(until), asked).await.flatten();
        let answer = answer.map_err(|e| match e.code() {
            Code::Unavailable => status::unavailable(
                "changes are made by the central instance, which does not answer; whether this \
                 one was made is not known"
                    .to_owned(),
            ),
            Code::DeadlineExceeded => status::too_late(
                "changes are made by the central instance, which did not answer in time; whether \
                 this one was made is not known"
                    .to_owned(),
            ),
            _ => e,
        })?;
        if answer.status.as_ref().is_none_or(|status| status.code() != Code::Ok) {
            return Ok(filter::whole(answer));
        }
        let told = answer.head.headers.get(status::REVISION).and_then(|told| told.to_str().ok());
        let told = told.and_then(|told| told.parse::<Revision>().ok()).ok_or_else(|| {
            let why = "the central instance does not tell at which revision it answered";
            status::unavailable(why.to_owned())
        })?;
        if told < decided.revision {
            return Err(status::unavailable(format!(
                "the central instance answered at revision {told}, though it was at {} before: its \
                 store has gone back, and what holds is not known here",
                decided.revision
            )));
        }
        let limit = until.saturating_duration_since(Instant::now()).min(REVISION_WAIT);
        let reached = self.engine.wait_in(&decided.store, told, limit).await;
        reached.map_err(|missed| match missed {
            Missed::Late(reached) => status::too_late(format!(
                "the central instance answered at revision {told}, and this one has heard of \
                 {reached} alone: what was changed there is not in force here yet"
            )),
            Missed::Replaced => status::unavailable(
                "the central instance has another store by now: what was changed is not in force"
                    .to_owned(),
            ),
        })?;
        Ok(filter::whole(answer))
    }
}
