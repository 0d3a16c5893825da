//! Another instance of milvus-rbac as the store: everything is read from it once, and then its
//! changes. Nothing is written to it from here; the gate has changes made there.

mod link;
mod watch;

use std::time::{Duration, Instant};

use http::uri::Authority;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::trail::Page;
use super::{Batch, Loaded, Login, News, Revision, Store, StoreError};
use crate::tls::TlsFiles;
use link::{Center, Link};
use watch::Watch;

/// How long an instance that is not there, or too busy, is waited for.
const PATIENCE: Duration = Duration::from_secs(8);

/// Which instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`.
    pub authority: Authority,
    /// Set where it wants TLS.
    pub tls: Option<TlsFiles>,
}

/// Follows a central instance.
#[derive(Debug)]
pub struct FollowStore {
    runtime: Handle,
    center: Center,
    store_id: String,
    /// After everything was read: where the changes come from.
    link: Option<(Link, Revision)>,
    watching: Option<Watching>,
}

/// The thread that hears of changes.
#[derive(Debug)]
struct Watching {
    /// Dropped, it ends the thread.
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<Option<Link>>,
}

impl FollowStore {
    /// Follows the instance that `target` tells. That it is up to date is asked for every
    /// `interval`. Needs a runtime of several threads, and must not be used on one of them.
    ///
    /// # Errors
    /// The login cannot be sent.
    pub fn new(
        target: Target,
        login: Option<&Login>,
        interval: Duration,
        runtime: Handle,
    ) -> Result<Self, StoreError> {
        let center = Center::new(target, login, interval)?;
        Ok(Self { runtime, center, store_id: String::new(), link: None, watching: None })
    }
}

impl Store for FollowStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.link = None;
        let begun = self.watching.take().and_then(Watching::end);
        let (runtime, center) = (&self.runtime, &self.center);
        let mut link = match begun {
            Some(link) => link,
            None => runtime.block_on(center.reach(Instant::now() + PATIENCE))?,
        };
        let (loaded, store_id) = runtime.block_on(link.load())?;
        self.store_id = store_id;
        self.link = Some((link, loaded.revision));
        Ok(loaded)
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn watch(&mut self, news: Box<dyn Fn(News) + Send>) -> Result<bool, StoreError> {
        let no_link = || StoreError::Unavailable("nothing was loaded".to_owned());
        let (link, revision) = self.link.take().ok_or_else(no_link)?;
        let watch = Watch::new(self.center.clone(), self.store_id.clone(), revision, news);
        let (stop, stopped) = oneshot::channel();
        let runtime = self.runtime.clone();
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    link = watch.run(link) => link,
                    _ = stopped => None,
                }
            })
        };
        // A thread of its own: whoever hears the news may be busy.
        let thread = std::thread::Builder::new().name("follow".to_owned()).spawn(run);
        let thread = thread.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        self.watching = Some(Watching { stop, thread });
        Ok(true)
    }

    fn audit(&mut self, _: u64) -> Result<Page, StoreError> {
        Err(StoreError::Unfit(format!(
            "the audit trail is kept by the central instance alone: ask {}",
            self.center.target.authority
        )))
    }

    fn store_id(&self) -> String {
        self.store_id.clone()
    }

    /// INVARIANT: nothing runs on the runtime any more, which may end now. Defended by
    /// `tests/it/follow/stopped.rs`.
    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        self.watching.take().and_then(Watching::end);
        Ok(())
    }
}

impl Watching {
    /// Ends the thread; returns a link on which everything is about to be told, if it has one.
    fn end(self) -> Option<Link> {
        drop(self.stop);
        self.thread.join().ok().flatten()
    }
}
