//! What becomes of the grants on a collection that a call has the upstream drop or rename: they go
//! or move with it, as in Milvus.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tonic::{Code, Status};
use tracing::{error, warn};

use super::forward::Answer;
use super::methods::{self, Method};
use super::{Center, Gate, Identity, Upstream, connection_database, filter, frame};
use crate::engine::{Engine, Order};
use crate::model::command::Command;
use crate::model::error::{Error, ErrorKind};
use crate::model::name::shortened;
use crate::model::origin::Origin;
use crate::rpc::proto::access::MoveGrantsRequest;
use crate::rpc::proto::common;
use crate::rpc::proto::service::{DropCollectionRequest, RenameCollectionRequest};
use crate::rpc::status;
use crate::telemetry::{Shed, in_call};

/// How long a call goes on whose caller is gone.
const ALONE: Duration = Duration::from_secs(60);

/// What is told where the grants could not follow, and how to mend it.
const DROPPED: &str =
    "dropped, but the grants on it may still be there: drop it once more, or revoke them";
const RENAMED: &str = "renamed, but the grants on it may still be those on the old name: \
                       rename it back and once more, or revoke and grant them";

/// A collection, by the database and the name that a call gives.
#[derive(Debug)]
struct Collection {
    database: String,
    name: String,
}

/// What a call does to a collection, if its upstream then says that it went well.
#[derive(Debug)]
pub struct Fate {
    engine: Engine,
    /// Where the grants are changed, if not here.
    center: Option<Arc<Center>>,
    upstream: Arc<Upstream>,
    /// Whose call it is.
    origin: Origin,
    collection: Collection,
    /// What it is afterwards; none if it is gone.
    renamed: Option<Collection>,
    /// Its id, where it goes to another database; 0 if that cannot be told.
    id: u64,
    /// Given back when it is fulfilled, or known not to be.
    place: OwnedSemaphorePermit,
}

/// Whether the call does something to a collection: its answer is read here.
pub(super) fn is_sealed_by(method: &Method) -> bool {
    matches!(method.row.name, "DropCollection" | "RenameCollection")
}

impl Gate {
    /// What the call at `path` does to a collection once its upstream answers with success; none
    /// for most. `connection` is the database for requests that name none. Ask before the call.
    ///
    /// # Errors
    /// The message cannot be read.
    pub async fn fate(
        &self,
        path: &str,
        caller: &Identity,
        connection: &str,
        message: &[u8],
    ) -> Result<Option<Fate>, Status> {
        match methods::find(path) {
            Some(method) => self.fate_by(method, caller, connection, message).await,
            None => Ok(None),
        }
    }

    pub(super) async fn fate_by(
        &self,
        method: &Method,
        caller: &Identity,
        connection: &str,
        message: &[u8],
    ) -> Result<Option<Fate>, Status> {
        let malformed = |e| status::malformed(&e);
        let Some(upstream) = &self.upstream else { return Ok(None) };
        let connection = connection_database(connection)?;
        let of = |database: String, name: String| {
            let database = if database.is_empty() { connection.to_owned() } else { database };
            Collection { database, name }
        };
        let (mut collection, renamed) = match method.row.name {
            "DropCollection" => {
                let request = DropCollectionRequest::decode(message).map_err(malformed)?;
                (of(request.db_name, request.collection_name), None)
            }
            "RenameCollection" => {
                let request = RenameCollectionRequest::decode(message).map_err(malformed)?;
                let to = of(request.new_db_name, request.new_name);
                (of(request.db_name, request.old_name), Some(to))
            }
            _ => return Ok(None),
        };
        let place = self.seals.clone().try_acquire_owned().map_err(|_| {
            status::overloaded(
                Shed::Seals,
                "too many collections are dropped or renamed at once, try again later",
            )
        })?;
        // INVARIANT: where it is known before that the grants cannot follow, nothing is dropped or
        // renamed. Defended by `tests/it/sidecar/followed.rs`.
        if let Some(center) = &self.center {
            let could = center.move_grants(&MoveGrantsRequest::default(), &caller.origin()).await;
            could.map_err(|e| {
                let why = e.message();
                let text = format!("nothing was done, since the grants could not follow: {why}");
                match e.code() {
                    Code::PermissionDenied => status::denied(text),
                    _ => status::unavailable(text),
                }
            })?;
        }
        // Milvus refuses aliases here, Milvus Lite takes them.
        if let Some(aliases) = &self.aliases {
            let Collection { database, name } = &collection;
            collection.name = aliases.resolve(database, name).await.to_string();
        }
        let mut id = 0;
        if renamed.as_ref().is_some_and(|to| to.database != collection.database) {
            id = upstream.id_of(&collection.database, &collection.name).await.unwrap_or_default();
        }
        let (engine, center) = (self.engine.clone(), self.center.clone());
        let origin = caller.origin();
        let upstream = upstream.clone();
        Ok(Some(Fate { engine, center, upstream, origin, collection, renamed, id, place }))
    }
}

impl Fate {
    /// The upstream has answered the call with success: the grants follow, durably.
    ///
    /// # Errors
    /// They could not; the error tells what to do.
    pub async fn fulfil(self) -> Result<(), Error> {
        let moved = match &self.renamed {
            Some(to) => to.database == self.collection.database || self.has_crossed(to).await,
            None => false,
        };
        let Self { engine, center, origin, collection, renamed, place: _place, .. } = self;
        let Collection { database, name } = collection;
        let (what, done) = match &renamed {
            None => (DROPPED, "dropped"),
            Some(_) => (RENAMED, "renamed"),
        };
        let comment = format!("the Milvus behind the gate has {done} the collection");
        let text = format!("collection {} is {what}", shortened(&name));
        let to = renamed.filter(|_| moved).map(|to| (to.database, to.name));
        let (new_database, new_collection) = to.unwrap_or_default();
        let request =
            MoveGrantsRequest { database, collection: name, new_database, new_collection };
        let done = match center {
            Some(center) => {
                center.move_grants(&request, &origin).await.map_err(|e| e.message().to_owned())
            }
            None => {
                let origin = Origin { comment, ..origin };
                let order = Order { origin, ..Command::from(request).into() };
                engine.execute(order).await.map(drop).map_err(|e| e.to_string())
            }
        };
        done.map_err(|e| {
            let text = format!("{text}: {e}");
            error!("{text}");
            Error::verbatim(ErrorKind::Unavailable, text)
        })
    }

    /// Whether the collection is in the other database now: Milvus Lite renames it where it is, and
    /// the grants must not come to stand on another collection there.
    async fn has_crossed(&self, to: &Collection) -> bool {
        let found = self.upstream.id_of(&to.database, &to.name).await;
        let crossed = self.id != 0 && found.is_ok_and(|id| id == self.id);
        if !crossed {
            warn!(
                collection = shortened(&self.collection.name),
                "the upstream does not tell that it moved to another database: the grants on it go"
            );
        }
        crossed
    }

    /// The answer to the call, once the grants have followed.
    ///
    /// # Errors
    /// The answer cannot be read: nobody knows then what happened, and the grants stay.
    pub(super) async fn seal(self, answer: Response) -> Result<Response, Status> {
        let mut answer = Answer::read(answer).await?;
        // INVARIANT: the caller hears of a success only when the grants have followed durably.
        // Defended by `tests/it/sidecar/fate.rs`.
        if is_success(&answer)?
            && let Err(e) = self.fulfil().await
        {
            answer.body = frame::of(&status::refused(&e, None)?.encode_to_vec());
        }
        Ok(filter::whole(answer))
    }
}

/// What comes of `work`, which starts at once and goes on when nobody waits for that any more: a
/// caller who is gone does not keep the grants from following.
///
/// # Errors
/// Those of `work`.
pub fn until_done<T: Send + 'static, E: From<Status> + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> impl Future<Output = Result<T, E>> {
    let (mut send, done) = oneshot::channel();
    tokio::spawn(in_call(async move {
        let abandoned = async {
            send.closed().await;
            tokio::time::sleep(ALONE).await;
        };
        let done = tokio::select! {
            done = work => Some(done),
            () = abandoned => None,
        };
        // Whether somebody still waits makes no difference.
        let _ = done.map(|done| send.send(done));
    }));
    let lost = |_| status::unavailable("the call was not brought to its end".to_owned());
    async move { done.await.map_err(lost)? }
}

/// Whether an answer says, in all of its places, that the call went well.
fn is_success(answer: &Answer) -> Result<bool, Status> {
    if answer.status.as_ref().is_none_or(|status| status.code() != Code::Ok) {
        return Ok(false);
    }
    let message = frame::message(&answer.body).ok();
    let told =
        message.and_then(|message| common::Status::decode(message).ok()).ok_or_else(|| {
            let text = "the upstream's answer cannot be read: nobody knows what happened";
            status::unavailable(text.to_owned())
        })?;
    Ok(told.code == 0 && told.error_code == 0)
}
