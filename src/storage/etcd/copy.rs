//! All records of an etcd that matter, and the state that they make up, at one revision of the etcd.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::client::{Client, Failure};
use super::layout::{COPYING, HEAD, Mirror, ROOTS, SEGMENTS, TRAIL, Write};
use super::proto::compare::{CompareResult, CompareTarget, TargetUnion};
use super::proto::event::EventType;
use super::proto::request_op::Request as Op;
use super::proto::{
    Compare, DeleteRangeRequest, Event, KeyValue, PutRequest, RangeRequest, RequestOp,
};
use crate::model::state::{Change, State};
use crate::storage::trail::Trail;
use crate::storage::{BatchId, Loaded, News, Revision, StoreError};

/// The records that are asked for at once.
const PAGE: i64 = 1000;

/// How keys begin.
#[derive(Debug, Clone)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn new(root: &str) -> Self {
        Self(format!("{root}/"))
    }

    pub(super) fn key(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.0).into_bytes()
    }

    pub(super) fn head(&self) -> RangeRequest {
        self.one(HEAD)
    }

    /// One record.
    pub(super) fn one(&self, key: &str) -> RangeRequest {
        RangeRequest { key: self.key(key), ..RangeRequest::default() }
    }

    /// The key of the segment of a store's audit trail that ends with that event. They sort as numbers.
    pub(super) fn segment(&self, store_id: u128, last: u64) -> Vec<u8> {
        self.key(&format!("{SEGMENTS}{store_id:032x}/{last:020}"))
    }

    /// From the first record that matters to behind the last, with some of Milvus' between: only
    /// what is watched as one range is told transaction by transaction.
    pub(super) fn span(&self) -> (Vec<u8>, Vec<u8>) {
        let (first, last) = (ROOTS.iter().min(), ROOTS.iter().max());
        let [first, last] = [first, last].map(|root| self.key(root.copied().unwrap_or_default()));
        (first, behind(&last))
    }

    /// The key as the layout knows it.
    fn relative<'k>(&self, key: &'k [u8]) -> Option<&'k str> {
        std::str::from_utf8(key).ok()?.strip_prefix(&self.0)
    }

    pub(super) fn op(&self, write: Write) -> RequestOp {
        let op = match write {
            Write::Put { key, value } => {
                let key = self.key(&key);
                Op::RequestPut(PutRequest { key, value, lease: 0 })
            }
            Write::Delete { key } => {
                let (key, range_end) = (self.key(&key), Vec::new());
                Op::RequestDeleteRange(DeleteRangeRequest { key, range_end })
            }
            Write::DeletePrefix { prefix } => {
                let key = self.key(&prefix);
                let range_end = behind(&key);
                Op::RequestDeleteRange(DeleteRangeRequest { key, range_end })
            }
        };
        RequestOp { request: Some(op) }
    }

    /// That there is a record at this key.
    pub(super) fn is_there(&self, key: &str) -> Compare {
        Compare {
            result: CompareResult::Greater.into(),
            target: CompareTarget::Create.into(),
            key: self.key(key),
            target_union: Some(TargetUnion::CreateRevision(0)),
        }
    }

    /// That the record of the last commit is this one; that there is none.
    pub(super) fn head_is(&self, value: Option<Vec<u8>>) -> Compare {
        let (target, union) = match value {
            Some(value) => (CompareTarget::Value, TargetUnion::Value(value)),
            None => (CompareTarget::Create, TargetUnion::CreateRevision(0)),
        };
        Compare {
            result: CompareResult::Equal.into(),
            target: target.into(),
            key: self.key(HEAD),
            target_union: Some(union),
        }
    }
}

/// The first key behind all that begin with `prefix`, which does not end with the greatest byte.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// The copy that the watch carries on, and commits start from.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Copy>);

impl Shared {
    pub(super) fn new(copy: Copy) -> Self {
        Self(Mutex::new(copy))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Copy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Copy {
    place: Place,
    pub(super) mirror: Mirror,
    state: State,
    /// The last commit, as it stands there; none where nobody of us has written yet.
    pub(super) head: Option<Vec<u8>>,
    /// The audit trail up to the last commit; an empty one where nobody has kept any yet.
    pub(super) trail: Result<Trail, StoreError>,
    /// Whether somebody copies into it, or has broken that off.
    pub(super) is_marked: bool,
    /// The revision of the etcd up to which everything is in here.
    pub(super) at: i64,
    /// What was last told that all instances have in force.
    told: Revision,
}

impl Copy {
    /// Reads everything as it is now.
    pub(super) async fn read(client: &mut Client, place: &Place) -> Result<Self, StoreError> {
        const TRIES: usize = 3;
        for _ in 1..TRIES {
            match Self::read_once(client, place).await {
                // So much was written meanwhile that the first page's moment is forgotten.
                Err(Failure::Passed(text)) => warn!(text, "reading etcd again"),
                read => return read.map_err(Failure::of_reading)?.settled(),
            }
        }
        Self::read_once(client, place).await.map_err(Failure::of_reading)?.settled()
    }

    async fn read_once(client: &mut Client, place: &Place) -> Result<Self, Failure> {
        let mut copy = Self {
            place: place.clone(),
            mirror: Mirror::default(),
            state: State::default(),
            head: None,
            trail: Ok(Trail::default()),
            is_marked: false,
            at: 0,
            told: 0,
        };
        for root in ROOTS {
            let mut key = place.key(root);
            let range_end = behind(&key);
            loop {
                let page = RangeRequest {
                    key,
                    range_end: range_end.clone(),
                    limit: PAGE,
                    // The first page tells the newest, the others show the same moment.
                    revision: copy.at,
                    ..RangeRequest::default()
                };
                let page = client.range(page).await?;
                // INVARIANT: all pages show one moment, the first page's. The others tell the newest
                // revision too, which is another one by then. Defended by `tests/it/etcd/watch.rs`.
                if copy.at == 0 {
                    copy.at = page.header.map_or(0, |header| header.revision);
                }
                let last = page.kvs.last().map(|last| [&*last.key, &[0]].concat());
                page.kvs.iter().for_each(|kv| copy.put(kv));
                match last {
                    Some(next) if page.more => key = next,
                    _ => break,
                }
            }
        }
        Ok(copy)
    }

    fn settled(mut self) -> Result<Self, StoreError> {
        self.settle()?;
        Ok(self)
    }

    pub(super) fn loaded(&self) -> Result<Loaded, StoreError> {
        let (revision, batch) = self.mirror.head()?.map_or((0, None), |h| (h.revision, h.batch));
        Ok(Loaded { state: self.state.clone(), revision, batch, as_of: None })
    }

    /// Takes in what a watch has told, which may be known already, and tells it commit by commit.
    /// What comes before an error is news all the same.
    pub(super) fn follow(&mut self, events: &[Event]) -> (Vec<News>, Result<(), StoreError>) {
        let mut news = Vec::new();
        let of = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
        for transaction in events.chunk_by(|a, b| of(a) == of(b)) {
            let at = transaction.first().map_or(0, of);
            if at <= self.at {
                continue;
            }
            match self.step(transaction) {
                Ok(step) => news.extend(step),
                Err(e) => return (news, Err(e)),
            }
            self.at = at;
            news.extend(self.in_force());
        }
        (news, Ok(()))
    }

    /// What all instances have in force, where that is more than was told.
    pub(super) fn in_force(&mut self) -> Option<News> {
        let last = || self.mirror.head().ok().flatten().map(|head| head.revision);
        // Where nobody is there, nobody decides.
        let reached = self.mirror.in_force().or_else(last)?;
        let rises = reached > self.told;
        self.told = reached.max(self.told);
        rises.then_some(News::InForce(reached))
    }

    fn step(&mut self, transaction: &[Event]) -> Result<Option<News>, StoreError> {
        let before = self.last()?;
        let head = self.place.key(HEAD);
        let mut ours = false;
        for event in transaction {
            let Some(kv) = &event.kv else { continue };
            ours |= kv.key == head;
            match event.r#type() {
                EventType::Put => self.put(kv),
                EventType::Delete => self.delete(kv),
            }
        }
        let changes = self.settle()?;
        let (id, revision, batch) = self.last()?;
        if id != before.0 || ours && revision <= before.1 {
            return Err(StoreError::Damaged(format!(
                "the record of the last commit was changed by somebody else: revision {} became \
                 {revision}",
                before.1
            )));
        }
        let batch = batch.filter(|_| ours);
        Ok((ours || !changes.is_empty()).then_some(News::Committed { revision, batch, changes }))
    }

    /// The strict commit that the instances are to tell of.
    pub(super) fn strict(&self) -> Revision {
        self.mirror.head().ok().flatten().map_or(0, |head| head.strict)
    }

    fn last(&self) -> Result<(u128, Revision, Option<BatchId>), StoreError> {
        let head = self.mirror.head()?.map(|head| (head.store_id, head.revision, head.batch));
        head.ok_or_else(|| StoreError::Damaged("the record of the last commit is gone".to_owned()))
    }

    fn put(&mut self, kv: &KeyValue) {
        match self.place.relative(&kv.key) {
            Some(HEAD) => {
                self.head = Some(kv.value.clone());
                self.mirror.put(HEAD, &kv.value);
            }
            Some(COPYING) => self.is_marked = true,
            Some(TRAIL) => self.trail = Trail::decode(&kv.value),
            Some(key) => self.mirror.put(key, &kv.value),
            None => warn!(key = ?String::from_utf8_lossy(&kv.key), "a key is passed over"),
        }
    }

    fn delete(&mut self, kv: &KeyValue) {
        match self.place.relative(&kv.key) {
            Some(TRAIL) => self.trail = Ok(Trail::default()),
            Some(key) => self.mirror.delete(key),
            None => {}
        }
    }

    fn settle(&mut self) -> Result<Vec<Change>, StoreError> {
        let changes = self.mirror.changes(&self.state)?;
        for change in &changes {
            self.state.apply(change).map_err(|e| StoreError::Damaged(e.to_string()))?;
        }
        Ok(changes)
    }
}
