//! The store in an etcd, in Milvus' own metadata layout, which several instances and Milvus itself
//! can share.
//!
//! Each commit is one transaction, which compares and replaces the record `milvus-rbac/head`; so
//! one instance commits at a time, and all see the same commits in the same order. What is known of
//! the etcd advances by its watch alone, or, where nobody watches, by reading it again.

mod client;
mod copy;
mod layout;
mod target;
mod watch;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tracing::{info, warn};

use self::client::{Client, Failure};
use self::copy::{Copy, Place, Shared};
use self::layout::{HEAD, Head, Write};
use self::proto::TxnRequest;
use self::proto::request_op::Request as Op;
use self::proto::response_op::Response as Done;
pub use self::target::Target;
use self::watch::{Tell, Watch};
use super::{Batch, Loaded, Store, StoreError, random_id};

/// etcd's messages and services.
#[expect(missing_docs, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}

/// Records below the root of a Milvus in an etcd.
#[derive(Debug)]
pub struct EtcdStore {
    target: Arc<Target>,
    place: Place,
    /// Keeps the connection alive while nobody calls.
    runtime: Runtime,
    client: Client,
    id: u128,
    /// What is known; none where it is not the newest, and nobody watches.
    copy: Option<Arc<Shared>>,
    watch: Option<Watch>,
}

impl EtcdStore {
    /// Finds the store in an etcd, and creates it if need be: records of a Milvus that are there
    /// already are what it starts with.
    ///
    /// # Errors
    /// No member answers, or lets us in; or the records are not ones that this version understands.
    pub fn open(target: Target) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let target = Arc::new(target);
        let (client, place) = (Client::new(target.clone()), Place::new(&target.root));
        let mut store = Self { target, place, runtime, client, id: 0, copy: None, watch: None };
        let copy = store.read_or_create()?;
        let head = copy.mirror.head()?;
        store.id = head.map_or(0, |head| head.store_id);
        store.copy = Some(Arc::new(Shared::new(copy)));
        Ok(store)
    }

    fn read(&mut self) -> Result<Copy, StoreError> {
        self.runtime.block_on(Copy::read(&mut self.client, &self.place))
    }

    fn read_or_create(&mut self) -> Result<Copy, StoreError> {
        let copy = self.read()?;
        if copy.head.is_some() {
            return Ok(copy);
        }
        let head = Head { store_id: random_id()?, revision: 0, batch: None };
        let put = Write::Put { key: HEAD.to_owned(), value: head.encode() };
        let create = TxnRequest {
            compare: vec![self.place.head_is(None)],
            success: vec![self.place.op(put)],
            failure: Vec::new(),
        };
        let created = self.runtime.block_on(self.client.txn(create));
        if created.map_err(Failure::of_reading)?.succeeded {
            info!(root = self.target.root, "a new store was made in etcd");
        }
        // Where somebody else was faster, it is theirs.
        self.read()
    }

    /// What is known, as new as it was when it was last read or told.
    fn copy(&mut self) -> Result<Arc<Shared>, StoreError> {
        if let Some(copy) = &self.copy {
            return Ok(copy.clone());
        }
        let copy = self.read()?;
        let id = copy.mirror.head()?.map(|head| head.store_id);
        if id != Some(self.id) {
            return Err(StoreError::Damaged(format!(
                "{}: another store has been put into its place",
                self.target.root
            )));
        }
        Ok(self.copy.insert(Arc::new(Shared::new(copy))).clone())
    }

    /// The transaction for a batch, and what it leaves as the last commit.
    fn plan(&mut self, batch: &Batch) -> Result<(TxnRequest, Vec<u8>), StoreError> {
        let copy = self.copy()?;
        let copy = copy.lock();
        let known = copy.mirror.head()?.map(|head| head.revision);
        if known != Some(batch.expected) {
            return Err(StoreError::Conflict);
        }
        let writes = copy.mirror.writes(&batch.changes, now())?;
        let head = Head { store_id: self.id, revision: batch.revision, batch: Some(batch.id) };
        let head = head.encode();
        let put = Write::Put { key: HEAD.to_owned(), value: head.clone() };
        let success: Vec<_> =
            writes.into_iter().chain([put]).map(|write| self.place.op(write)).collect();
        if success.len() > self.target.max_txn_ops {
            warn!(
                operations = success.len(),
                limit = self.target.max_txn_ops,
                "a change takes more operations than a transaction of etcd may have"
            );
            return Err(StoreError::TooLarge);
        }
        let look = proto::RequestOp { request: Some(Op::RequestRange(self.place.head())) };
        let compare = vec![self.place.head_is(copy.head.clone())];
        Ok((TxnRequest { compare, success, failure: vec![look] }, head))
    }
}

impl Store for EtcdStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.watch = None;
        self.copy = None;
        self.copy()?.lock().loaded()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let (transaction, head) = self.plan(batch)?;
        let done = self.runtime.block_on(self.client.txn(transaction));
        if self.watch.is_none() {
            self.copy = None;
        }
        let done = done.map_err(Failure::of_writing)?;
        if done.succeeded {
            return Ok(());
        }
        // It may be there already, where a connection sent it twice.
        let found = done.responses.into_iter().find_map(|done| match done.response {
            Some(Done::ResponseRange(found)) => found.kvs.into_iter().next(),
            _ => None,
        });
        let is_ours = found.is_some_and(|found| found.value == head);
        if is_ours { Ok(()) } else { Err(StoreError::Conflict) }
    }

    fn watch(&mut self, news: Tell) -> Result<bool, StoreError> {
        let copy = self.copy()?;
        let client = Client::new(self.target.clone());
        let watch = Watch::start(client, self.place.clone(), copy, news);
        self.watch = Some(watch.map_err(|e| StoreError::Unavailable(e.to_string()))?);
        Ok(true)
    }

    fn store_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// In milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
