//! Other names of collections: a grant on a collection covers its aliases, so a name in a request
//! is looked up before it is decided on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;
use prost::Message;
use tracing::warn;

use super::forward::{QUESTION_TIME, Upstream};
use crate::model::name::{MAX_NAME, shortened};
use crate::rpc::proto::service::{DescribeAliasRequest, DescribeAliasResponse};

const DESCRIBE_ALIAS: &str = "/milvus.proto.milvus.MilvusService/DescribeAlias";
/// How long an alias that was changed behind the gate's back may still stand for its old collection.
const AGE: Duration = Duration::from_secs(3);
/// Names that are remembered.
const NAMES: u64 = 10_000;

/// A name in a database, as looked up in an epoch.
type Key = (u64, Box<str>, Box<str>);

/// See [`Aliases::forgetting`].
#[derive(Debug)]
pub struct Forgetting(Arc<Aliases>);

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// Names as the upstream knows them.
#[derive(Debug)]
pub struct Aliases {
    upstream: Arc<Upstream>,
    /// The collection for which a name stands; none if it is no alias.
    known: Cache<Key, Option<Arc<str>>>,
    /// Raised with each change of names: what was looked up before no longer counts, even if its
    /// answer comes in later.
    epoch: AtomicU64,
}

impl Aliases {
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        let known = Cache::builder().max_capacity(NAMES).time_to_live(AGE).build();
        Self { upstream, known, epoch: AtomicU64::new(0) }
    }

    /// Forgets all names.
    fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.known.invalidate_all();
    }

    /// Forgets all names when it is dropped: even a call that failed, or that nobody waited for,
    /// may have changed something.
    pub(super) fn forgetting(self: &Arc<Self>) -> Forgetting {
        Forgetting(self.clone())
    }

    /// The collection that `name` stands for in `database`; the name itself if it is no alias, or
    /// if that cannot be told.
    pub async fn resolve(&self, database: &str, name: &str) -> Arc<str> {
        if name.is_empty() || name.len() > MAX_NAME {
            return name.into();
        }
        let key = (self.epoch.load(Ordering::SeqCst), database.into(), name.into());
        let found = self.known.try_get_with(key, self.look_up(database, name)).await;
        match found {
            Ok(Some(collection)) => collection,
            Ok(None) => name.into(),
            Err(e) => {
                warn!(name = shortened(name), error = %e, "a name could not be looked up");
                name.into()
            }
        }
    }

    async fn look_up(&self, database: &str, alias: &str) -> Result<Option<Arc<str>>, String> {
        let request =
            DescribeAliasRequest { db_name: database.to_owned(), alias: alias.to_owned() };
        let message = request.encode_to_vec();
        let asked = self.upstream.ask(DESCRIBE_ALIAS, &message);
        let answer = tokio::time::timeout(QUESTION_TIME, asked).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            // A Milvus without aliases.
            Ok(Err(status)) if status.code() == tonic::Code::Unimplemented => return Ok(None),
            Ok(Err(status)) => return Err(status.message().to_owned()),
            Err(_) => return Err("no answer".to_owned()),
        };
        let answer = DescribeAliasResponse::decode(&*answer).map_err(|e| e.to_string())?;
        let found = answer.status.unwrap_or_default();
        let known = found.code == 0 && found.error_code == 0 && !answer.collection.is_empty();
        Ok(known.then(|| answer.collection.into()))
    }
}
