//! Being told to stop, and giving others the time to take over.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::engine::{Engine, Health};
use crate::listener::Phase;

/// The signals that end the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Who wants it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Something that starts and stops processes, and has others to send clients to.
    Terminate,
    /// A person, who is waiting.
    Interrupt,
}

impl Signals {
    /// Listens for them from now on.
    pub(super) fn listen() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|e| e.to_string());
        let (terminate, interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    /// The next that comes, or came before it was asked for.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Terminate,
            _ = self.interrupt.recv() => Told::Interrupt,
        }
    }

    /// What comes of `work`; none where a signal comes first.
    pub(super) async fn before<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            _ = self.next() => None,
        }
    }
}

/// Ends when there is a reason to stop: a signal, or a writer that ended by itself.
pub(super) async fn reason(signals: &mut Signals, engine: &Engine) -> Option<Told> {
    let mut health = engine.watch_health();
    tokio::select! {
        told = signals.next() => Some(told),
        _ = health.wait_for(|health| *health == Health::Stopped) => None,
    }
}

/// What this instance's readiness depends on.
pub(super) struct Readiness {
    pub(super) ready: watch::Sender<bool>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) upstream: watch::Receiver<bool>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Readiness {
    /// Tells what holds now. Returns whether that may change.
    pub(super) fn tell(&mut self) -> bool {
        let stays = *self.phase.borrow_and_update() == Phase::Serving;
        let upstream_ready = *self.upstream.borrow_and_update();
        let healthy = *self.health.borrow_and_update() == Health::Healthy;
        let now = healthy && upstream_ready && stays;
        self.ready.send_if_modified(|ready| std::mem::replace(ready, now) != now);
        stays
    }

    /// Tells every change, until the process is told to stop.
    pub(super) async fn keep(mut self) {
        while self.tell() {
            tokio::select! {
                changed = self.health.changed() => if changed.is_err() { break },
                Ok(()) = self.upstream.changed() => {}
                changed = self.phase.changed() => if changed.is_err() { break },
            }
        }
    }
}

/// The time in which whoever sends clients here hears that it should not. It is cut short by a second
/// signal, and by a writer that ends.
pub(super) async fn drain(wait: Duration, signals: &mut Signals, engine: &Engine) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        _ = reason(signals, engine) => {}
    }
}
