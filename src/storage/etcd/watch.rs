//! Follows an etcd on a thread of its own, with a connection of its own.

use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{debug, info, warn};

use super::client::{Client, Connection, Failure, MAX_ANSWER, silent};
use super::copy::{Copy, Place, Shared};
use super::instance::{Asked, Instance};
use super::proto::watch_client::WatchClient;
use super::proto::watch_request::RequestUnion;
use super::proto::{WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse};
use crate::storage::{News, Revision, StoreError};

/// How often it is found out whether everything has been told.
const EVERY: Duration = Duration::from_secs(1);
/// A member looks every tenth of a second what a new watch has missed. Those before 3.4.25 and 3.5.8
/// tell of progress without having looked; so it is not asked for at once.
const SETTLE: Duration = Duration::from_millis(500);
/// A member that tells nothing for so long, though it is asked, is left.
const SILENCE: Duration = Duration::from_secs(4);
/// Between two connections, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

pub(super) type Tell = Box<dyn Fn(News) + Send>;

/// A running watch; it ends when dropped.
pub(super) struct Watch {
    _end: oneshot::Sender<()>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    pub(super) fn start(
        client: Client,
        place: Place,
        instance: Arc<Instance>,
        copy: Arc<Shared>,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let (written, wanted) = (0, 0);
        let follower = Follower { client, place, instance, copy, tell, written, wanted };
        thread::Builder::new().name("etcd-watch".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    () = follower.run() => {}
                }
            });
        })?;
        Ok(Self { _end: end })
    }
}

/// Why a member is left.
enum End {
    /// Another one can go on.
    Broken(String),
    /// Nobody can.
    Lost(StoreError),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Passed(text) => Self::Lost(StoreError::Unavailable(text)),
            other => Self::Broken(other.of_reading().to_string()),
        }
    }
}

struct Follower {
    client: Client,
    place: Place,
    instance: Arc<Instance>,
    copy: Arc<Shared>,
    tell: Tell,
    /// What the others were last told that is in force here.
    written: Revision,
    /// The strict commit that they wait for next.
    wanted: Revision,
}

/// What is under way beside the watch.
///
/// INVARIANT: nothing that waits for a member holds a lock that somebody else needs, here or in the
/// writer: such a guard is not `Send`, so that it does not compile.
type Asking<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// How far it is known whether everything has been told.
enum Proof {
    None,
    /// At that moment the newest revision of the etcd was this one, and that of the last commit …
    Asked {
        at: Instant,
        newest: i64,
        head: i64,
    },
}

impl Follower {
    async fn run(mut self) {
        let mut pause = PAUSE.0;
        let in_force = self.copy.lock().in_force();
        in_force.into_iter().for_each(&self.tell);
        loop {
            let started = Instant::now();
            match self.follow().await {
                End::Lost(e) => {
                    warn!(error = %e, "the changes of etcd cannot be followed any more");
                    (self.tell)(News::Lost(e));
                    return;
                }
                End::Broken(text) => warn!(error = text, "etcd's changes are asked for again"),
            }
            self.client.leave();
            if started.elapsed() > SILENCE * 2 {
                pause = PAUSE.0;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Follows one member as long as that goes well.
    async fn follow(&mut self) -> End {
        match self.follow_member().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn follow_member(&mut self) -> Result<std::convert::Infallible, End> {
        let connection = self.client.connection().await?;
        let (asks, mut answers) = self.create(&connection).await?;
        info!(endpoint = connection.endpoint, "following the changes of etcd");
        let mut tick = interval_at((Instant::now() + SETTLE).into(), EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut proof = Proof::None;
        let mut asking: Option<Asking<(i64, Asked)>> = None;
        let mut telling: Option<Asking<Revision>> = None;
        let mut in_force = self.instance.in_force.subscribe();
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                answer = answers.message() => {
                    let answer = answer
                        .map_err(|status| Failure::of(&connection.endpoint, &status))?
                        .ok_or_else(|| End::Broken("the member ended the watch".to_owned()))?;
                    if self.take(&answer)? {
                        (proof, asking) = (Proof::None, None);
                    }
                    self.conclude(&answer, &mut proof);
                    self.tell_in_force(&connection, &mut telling);
                    // Whoever is told may take time; that is not the member's.
                    heard = Instant::now();
                }
                found = resolved(&mut asking) => {
                    asking = None;
                    let (known, (at, newest, head)) = found?;
                    let head = head.map_or(0, |kv| kv.mod_revision);
                    // A watch would wait for what is known to come again, and pass over the rest.
                    if newest < known {
                        return Err(End::Lost(StoreError::Damaged(format!(
                            "etcd has gone back: it was at {known}, and is at {newest}"
                        ))));
                    }
                    proof = Proof::Asked { at, newest, head };
                    ask_progress(&asks);
                }
                changed = in_force.changed() => {
                    changed.map_err(|_| End::Broken("the store is gone".to_owned()))?;
                    self.tell_in_force(&connection, &mut telling);
                }
                told = resolved(&mut telling) => {
                    telling = None;
                    match told {
                        Ok(revision) => self.written = revision,
                        // With the next tick it is tried again.
                        Err(Failure::Refused(text)) => warn!(text, "etcd takes no record of us"),
                        Err(failure) => return Err(failure.into()),
                    }
                }
                _ = tick.tick() => {
                    // What a late request has overwritten is told again.
                    self.written = 0;
                    self.tell_in_force(&connection, &mut telling);
                    // Where nobody asks, silence means nothing.
                    if heard.elapsed() > SILENCE {
                        return Err(silent(&connection.endpoint, SILENCE).into());
                    }
                    match proof {
                        Proof::None if asking.is_none() => {
                            let (connection, head) = (connection.clone(), self.place.head());
                            let known = self.copy.lock().at;
                            let instance = self.instance.clone();
                            asking = Some(Box::pin(async move {
                                instance.ask(&connection, head).await.map(|found| (known, found))
                            }));
                        }
                        Proof::None => {}
                        Proof::Asked { .. } => ask_progress(&asks),
                    }
                }
            }
        }
    }

    /// Has the others told, once for each strict commit. One that comes meanwhile has its turn next.
    fn tell_in_force(&mut self, connection: &Connection, telling: &mut Option<Asking<Revision>>) {
        if telling.is_some() {
            return;
        }
        let copy = self.copy.lock();
        let Some(shown) = copy.mirror.instance(&self.instance.id) else { return };
        let written = shown.max(self.written);
        if self.wanted <= written {
            self.wanted = copy.strict();
        }
        let revision = *self.instance.in_force.borrow();
        if written < self.wanted && self.wanted <= revision {
            let (instance, connection) = (self.instance.clone(), connection.clone());
            *telling = Some(Box::pin(async move { instance.tell(&connection, revision).await }));
        }
    }

    /// From what is known: some members tell of their progress only once they have reached the
    /// first revision that was asked for, so it must not be one that is still to come.
    async fn create(
        &self,
        connection: &Connection,
    ) -> Result<(mpsc::Sender<WatchRequest>, Streaming<WatchResponse>), End> {
        let (key, range_end) = self.place.span();
        let start_revision = self.copy.lock().at;
        let create = WatchCreateRequest { key, range_end, start_revision };
        let (asks, asked) = mpsc::channel(4);
        let create = RequestUnion::CreateRequest(create);
        // There is room.
        let _ = asks.try_send(WatchRequest { request_union: Some(create) });
        let mut client =
            WatchClient::new(connection.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        let answers = timeout(SILENCE, client.watch(ReceiverStream::new(asked)))
            .await
            .map_err(|_| silent(&connection.endpoint, SILENCE))?
            .map_err(|status| Failure::of(&connection.endpoint, &status))?;
        Ok((asks, answers.into_inner()))
    }

    /// Returns whether the others do not see this instance any more.
    fn take(&self, answer: &WatchResponse) -> Result<bool, End> {
        if answer.compact_revision > 0 {
            return Err(End::Lost(StoreError::Unavailable(format!(
                "what comes after revision {} of etcd is compacted up to {}",
                self.copy.lock().at,
                answer.compact_revision
            ))));
        }
        if answer.canceled {
            return Err(End::Broken(format!("the watch was refused: {}", answer.cancel_reason)));
        }
        let mut copy = self.copy.lock();
        let is_seen = |copy: &Copy| copy.mirror.instance(&self.instance.id).is_some();
        let was_seen = is_seen(&copy);
        let (news, taken) = copy.follow(&answer.events);
        let lost = was_seen && !is_seen(&copy);
        drop(copy);
        if lost {
            warn!("the record of this instance is gone; nothing is decided until there is another");
            (self.tell)(News::Unseen);
        }
        news.into_iter().for_each(&self.tell);
        taken.map_err(End::Lost)?;
        Ok(lost)
    }

    /// INVARIANT: told to be up to date is only what has every commit up to then. Members before
    /// 3.4.25 and 3.5.8 tell of progress ahead of the changes; so those of the last commit must have
    /// come themselves. Defended by `tests/it/etcd/watch.rs`.
    fn conclude(&self, answer: &WatchResponse, proof: &mut Proof) {
        let Proof::Asked { at, newest, head } = *proof else { return };
        let progress = answer.events.is_empty() && !answer.created;
        let reached = answer.header.map_or(0, |header| header.revision);
        debug!(progress, reached, newest, head, "watch");
        if progress && reached >= newest && self.copy.lock().at >= head {
            *proof = Proof::None;
            (self.tell)(News::UpToDate(at));
        }
    }
}

fn ask_progress(asks: &mpsc::Sender<WatchRequest>) {
    let progress = RequestUnion::ProgressRequest(WatchProgressRequest {});
    // Where the last ones wait still, the member is silent.
    let _ = asks.try_send(WatchRequest { request_union: Some(progress) });
}

async fn resolved<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
