//! That this instance is there, as the others see it: a record under a lease, which etcd removes
//! where nobody asks for it any more.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::client::{Client, Connection, Failure, record};
use super::copy::Place;
use super::layout::{INSTANCES, encode_instance};
use super::proto::{KeyValue, PutRequest, RangeRequest};
use crate::storage::{Revision, StoreError, random_id};

/// How much longer the lease lasts than anything may be decided on what was known when it was asked for.
const MARGIN: Duration = Duration::from_secs(5);
/// What of it is used. The rest is for clocks that do not run alike, and for a lease that was renewed
/// by a leader who did not know yet that there is another.
const USED: Duration = Duration::from_secs(2);
/// How long etcd may take to be told of the end; it finds out by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// The latest moment for which it may be said that everything up to it is known, if the revision of
/// the etcd is; that revision; and the record that was asked for.
pub(super) type Asked = (Instant, i64, Option<KeyValue>);

/// One for the life of the store.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    key: Vec<u8>,
    /// In seconds.
    ttl: i64,
    /// The revision on which decisions rest.
    pub(super) in_force: watch::Sender<Revision>,
    lease: Mutex<Lease>,
}

#[derive(Debug, Clone, Copy)]
enum Lease {
    /// Nothing is decided here, so nobody waits for it.
    Unneeded,
    None,
    Held(i64),
    /// There will be no other.
    Ended,
}

impl Instance {
    /// Without a staleness nothing is decided.
    pub(super) fn new(place: &Place, max_staleness: Option<Duration>) -> Result<Self, StoreError> {
        let id = format!("{:032x}", random_id()?);
        let key = place.key(&format!("{INSTANCES}{id}"));
        let ttl = (max_staleness.unwrap_or_default() + MARGIN).as_millis().div_ceil(1000);
        let ttl = i64::try_from(ttl).unwrap_or(i64::MAX);
        let lease = Mutex::new(if max_staleness.is_some() { Lease::None } else { Lease::Unneeded });
        Ok(Self { id, key, ttl, in_force: watch::Sender::new(0), lease })
    }

    /// Makes sure that the others see this instance. Returns the latest moment for which it may be
    /// said that everything up to it is known: what is decided on that ends before the lease does.
    ///
    /// INVARIANT: whoever decides is seen by all who ask whether a commit is in force everywhere.
    /// So the record is written before the state is read, or is found to be the newest. Defended by
    /// `tests/it/etcd/strict.rs`.
    pub(super) async fn show(&self, connection: &Connection) -> Result<Instant, Failure> {
        let mut lease = self.lease.lock().await;
        match *lease {
            Lease::Unneeded => return Ok(Instant::now()),
            Lease::None => {}
            Lease::Held(id) => {
                let sent = Instant::now();
                if connection.keep_alive(id).await? > 0 {
                    return Ok(sent + USED);
                }
                warn!("etcd's lease has run out; taking another one");
                *lease = Lease::None;
            }
            Lease::Ended => return Err(Failure::Refused("the store is closed".to_owned())),
        }
        let sent = Instant::now();
        let granted = connection.grant(self.ttl).await?;
        let in_force = *self.in_force.borrow();
        self.put(connection, granted, in_force).await?;
        *lease = Lease::Held(granted);
        info!(instance = self.id, "the other instances can see this one");
        Ok(sent + USED)
    }

    /// Asks for the record at `key`, at a moment at which the others see this instance.
    ///
    /// INVARIANT: a record that is gone, or hangs on another lease, is no record: whoever took it away
    /// waits for nobody. Defended by `tests/it/etcd/strict.rs`.
    pub(super) async fn ask(
        &self,
        connection: &Connection,
        key: RangeRequest,
    ) -> Result<Asked, Failure> {
        let latest = self.show(connection).await?;
        let at = Instant::now().min(latest);
        let own = RangeRequest { key: self.key.clone(), ..RangeRequest::default() };
        let answer = connection.ranges([key, own]).await?;
        let mut found = answer.responses.into_iter().map(record);
        let (asked, own) = (found.next().flatten(), found.next().flatten());
        let mut lease = self.lease.lock().await;
        if let Lease::Held(id) = *lease
            && own.is_none_or(|own| own.lease != id)
        {
            *lease = Lease::None;
            let gone = format!("{}: the record of this instance is gone", connection.endpoint);
            return Err(Failure::Open(gone));
        }
        Ok((at, answer.header.map_or(0, |header| header.revision), asked))
    }

    /// Tells the others what is in force here.
    pub(super) async fn tell(
        &self,
        connection: &Connection,
        revision: Revision,
    ) -> Result<Revision, Failure> {
        let lease = self.lease.lock().await;
        // With a new lease it is told anyway.
        if let Lease::Held(id) = *lease {
            self.put(connection, id, revision).await?;
        }
        Ok(revision)
    }

    async fn put(
        &self,
        connection: &Connection,
        lease: i64,
        revision: Revision,
    ) -> Result<(), Failure> {
        let (key, value) = (self.key.clone(), encode_instance(revision));
        connection.put(PutRequest { key, value, lease }).await
    }

    /// Has the others wait no longer for this instance, which decides on nothing any more.
    pub(super) async fn end(&self, client: &mut Client) {
        let end = async {
            let lease = std::mem::replace(&mut *self.lease.lock().await, Lease::Ended);
            let Lease::Held(id) = lease else { return Ok(()) };
            client.connection().await?.revoke(id).await
        };
        match timeout(FAREWELL, end).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => debug!(?failure, "etcd was not told of the end"),
            Err(_) => debug!("etcd was not told of the end"),
        }
    }
}
