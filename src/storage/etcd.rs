//! The store in an etcd, in Milvus' own metadata layout, which several instances and Milvus itself
//! can share.
//!
//! Each commit is one transaction, which compares and replaces the record `milvus-rbac/head`; so
//! one instance commits at a time, and all see the same commits in the same order. What is known of
//! the etcd advances by its watch alone, or, where nobody watches, by reading it again.

mod client;
mod copy;
mod instance;
mod layout;
mod moved;
mod segments;
mod target;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::runtime::Runtime;
use tracing::info;

use self::client::{Client, Connection, Failure, look, record};
use self::copy::{Copy, Place, Shared};
use self::instance::Instance;
use self::layout::{HEAD, Head, TRAIL, Write};
use self::proto::TxnRequest;
pub use self::target::Target;
use self::watch::{Tell, Watch};
use super::copy::not_whole;
use super::trail::{Keep, Page};
use super::{Batch, Loaded, Revision, Store, StoreError, random_id};
use crate::clock::milliseconds;

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
    instance: Arc<Instance>,
    /// What is known; none where it is not the newest, and nobody watches.
    copy: Option<Arc<Shared>>,
    watch: Option<Watch>,
    /// Whether a copy goes into it, whose mark is then ours.
    filling: bool,
    keep: Keep,
}

impl EtcdStore {
    /// Finds the store in an etcd, and creates it if need be: records of a Milvus that are there
    /// already are what it starts with. Nothing is to be decided on what was the newest longer ago
    /// than `max_staleness`.
    ///
    /// # Errors
    /// No member answers, or lets us in; or the records are not ones that this version understands.
    pub fn open(target: Target, max_staleness: Duration) -> Result<Self, StoreError> {
        let mut store = Self::connect(target, Some(max_staleness))?;
        let copy = store.read_or_create()?;
        store.know(copy)?;
        Ok(store)
    }

    /// Not yet to any member; nothing is known. Without a staleness nothing is decided on it.
    fn connect(target: Target, max_staleness: Option<Duration>) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let target = Arc::new(target);
        let (client, place) = (Client::new(target.clone()), Place::new(&target.root));
        let instance = Arc::new(Instance::new(&place, max_staleness)?);
        let (id, copy, watch, filling, keep) = (0, None, None, false, Keep::default());
        Ok(Self { target, place, runtime, client, id, instance, copy, watch, filling, keep })
    }

    /// The same store, of whose trail so much is kept.
    #[must_use]
    pub fn keeping(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Goes on from what was read.
    fn know(&mut self, copy: Copy) -> Result<(), StoreError> {
        self.id = copy.mirror.head()?.map_or(0, |head| head.store_id);
        self.copy = Some(Arc::new(Shared::new(copy)));
        Ok(())
    }

    fn read(&mut self) -> Result<Copy, StoreError> {
        let copy = self.runtime.block_on(Copy::read(&mut self.client, &self.place))?;
        if copy.is_marked && !self.filling {
            return Err(not_whole(&self.target));
        }
        Ok(copy)
    }

    fn read_or_create(&mut self) -> Result<Copy, StoreError> {
        let copy = self.read()?;
        if copy.head.is_some() {
            return Ok(copy);
        }
        let head = Head { store_id: random_id()?, revision: 0, batch: None, strict: 0 };
        let put = Write::Put { key: HEAD.to_owned(), value: head.encode() };
        let create = TxnRequest {
            compare: vec![self.place.head_is(None)],
            // What may be left there is the trail of another store.
            success: [put, Write::Delete { key: TRAIL.to_owned() }]
                .map(|write| self.place.op(write))
                .into(),
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
        let id = copy.mirror.head()?.map_or(0, |head| head.store_id);
        if id != self.id {
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
        let oldest = self.too_old(&copy)?;
        let copy = copy.lock();
        let known = copy.mirror.head()?.filter(|head| head.revision == batch.expected);
        let last_strict = known.ok_or(StoreError::Conflict)?.strict;
        let writes = copy.mirror.writes(&batch.changes, milliseconds())?;
        let head = Head {
            store_id: self.id,
            revision: batch.revision,
            batch: Some(batch.id),
            strict: if batch.strict { batch.revision } else { last_strict },
        };
        let head = head.encode();
        let put = Write::Put { key: HEAD.to_owned(), value: head.clone() };
        let mut success: Vec<_> =
            writes.into_iter().chain([put]).map(|write| self.place.op(write)).collect();
        success.extend(self.extend(&copy, &batch.events, &oldest)?);
        let operations = success.len();
        let compare = vec![self.place.head_is(copy.head.clone())];
        let transaction = TxnRequest { compare, success, failure: vec![look(self.place.head())] };
        self.target.check_size(operations, transaction.encoded_len())?;
        Ok((transaction, head))
    }
}

impl Store for EtcdStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.watch = None;
        self.copy = None;
        let show = async |to: &Connection| self.instance.show(to).await;
        self.runtime.block_on(self.client.call(true, show)).map_err(Failure::of_reading)?;
        let copy = self.copy()?;
        let (instance, head) = (self.instance.clone(), self.place.head());
        let seen = async |to: &Connection| instance.ask(to, head.clone()).await;
        // Not again by itself: what was read is older than another record.
        self.runtime.block_on(self.client.call(false, seen)).map_err(Failure::of_reading)?;
        copy.lock().loaded()
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
        let found = done.responses.into_iter().find_map(record);
        let is_ours = found.is_some_and(|found| found.value == head);
        if is_ours { Ok(()) } else { Err(StoreError::Conflict) }
    }

    fn watch(&mut self, news: Tell) -> Result<bool, StoreError> {
        let copy = self.copy()?;
        let client = Client::new(self.target.clone());
        let (place, instance) = (self.place.clone(), self.instance.clone());
        let watch = Watch::start(client, place, instance, copy, news);
        self.watch = Some(watch.map_err(|e| StoreError::Unavailable(e.to_string()))?);
        Ok(true)
    }

    fn audit(&mut self, after: u64) -> Result<Page, StoreError> {
        self.page(after)
    }

    fn store_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    fn in_force(&mut self, revision: Revision) {
        self.instance.in_force.send_replace(revision);
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        self.watch = None;
        self.runtime.block_on(self.instance.end(&mut self.client));
        Ok(())
    }
}
