//! Hears of the central instance's changes, over one link after the other.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::link::{Center, Link, Pauses};
use crate::model::names::Names;
use crate::rpc::proto::access::Start;
use crate::rpc::proto::access::watch_changes_response::Answer;
use crate::storage::{News, Revision, StoreError, records};

/// How long a ping may go unanswered, with nothing else heard.
const DEAF: Duration = Duration::from_secs(5);
/// How often one and the same failure to connect is told.
const TOLD: Duration = Duration::from_secs(60);

/// What is known of the central instance.
pub(super) struct Watch {
    center: Center,
    store_id: String,
    revision: Revision,
    names: Names,
    news: Box<dyn Fn(News) + Send>,
}

impl Watch {
    pub(super) fn new(
        center: Center,
        store_id: String,
        revision: Revision,
        news: Box<dyn Fn(News) + Send>,
    ) -> Self {
        Self { center, store_id, revision, names: Names::default(), news }
    }

    /// Ends when everything must be read again; returns the link on which that is told, if there is
    /// one.
    pub(super) async fn run(mut self, mut link: Link) -> Option<Link> {
        loop {
            match self.hear(&mut link).await {
                Ok(why) => warn!(
                    center = %self.center.target.authority,
                    why, "the central instance is not heard any more; trying to reach it"
                ),
                Err(lost) => {
                    (self.news)(News::Lost(lost));
                    return None;
                }
            }
            link = self.resume().await;
            if link.begins_anew() {
                let why = "the central instance tells everything anew".to_owned();
                (self.news)(News::Lost(StoreError::Unavailable(why)));
                return Some(link);
            }
            info!(center = %self.center.target.authority, "the central instance is heard again");
        }
    }

    /// A link to what comes next.
    async fn resume(&self) -> Link {
        let mut pauses = Pauses::new();
        let mut told: Option<(String, Instant)> = None;
        loop {
            pauses.pause().await;
            let start = Start { after_revision: self.revision, store_id: self.store_id.clone() };
            let why = match self.center.link(start).await {
                Ok(link) => return link,
                Err(failure) => failure.into_text(),
            };
            if !told.as_ref().is_some_and(|(same, when)| *same == why && when.elapsed() < TOLD) {
                warn!("{why}");
                told = Some((why, Instant::now()));
            }
        }
    }

    /// Tells the news until the link ends, and returns why.
    ///
    /// # Errors
    /// What is told does not make sense.
    async fn hear(&mut self, link: &mut Link) -> Result<String, StoreError> {
        let mut ticks = interval(self.center.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let answer = tokio::select! {
                answer = link.next() => answer,
                _ = ticks.tick() => {
                    if link.unanswered() > DEAF && heard.elapsed() > DEAF {
                        return Ok("it does not answer".to_owned());
                    }
                    match link.ping() {
                        Ok(()) => continue,
                        Err(why) => return Ok(why),
                    }
                }
            };
            heard = Instant::now();
            match answer {
                Ok(Answer::Commit(commit)) => {
                    let revision = commit.revision;
                    let changes = records::decode(&commit.records, &mut self.names)?;
                    if revision < self.revision {
                        return Err(StoreError::Damaged("a revision went back".to_owned()));
                    }
                    self.revision = revision;
                    (self.news)(News::Committed { revision, batch: None, changes });
                }
                Ok(Answer::Pong(pong)) => {
                    if let Some(at) = link.up_to_date(&pong) {
                        (self.news)(News::UpToDate(at));
                    }
                }
                Ok(Answer::Snapshot(_) | Answer::Resumed(_)) => {
                    return Err(StoreError::Damaged("the stream began twice".to_owned()));
                }
                Err(why) => return Ok(why),
            }
        }
    }
}
