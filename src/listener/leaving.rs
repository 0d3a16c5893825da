//! How connections end that could go on: their clients are told, and open others, elsewhere.

use std::time::Duration;

use tokio::sync::watch;

/// How far from both sides the age of connections may be from what was asked for, lest those that
/// began together end together.
const JITTER: f64 = 0.1;

/// How far a process has come with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It does not end.
    Serving,
    /// Others are to take over, and everything is served still.
    Draining,
    /// What runs is finished, and nothing begun.
    Stopping,
}

/// How long connections may stay.
#[derive(Debug, Clone)]
pub struct Stay {
    /// When Stopping, all go.
    pub phase: watch::Receiver<Phase>,
    /// How long running calls may take to finish then.
    pub grace: Duration,
    /// How old a connection may be when no new calls begin on it.
    pub max_age: Option<Duration>,
}

impl Stay {
    /// Ends when all have to go.
    pub(super) async fn stopping(&self) {
        let mut phase = self.phase.clone();
        let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
    }

    /// Ends when a connection that begins now is old enough.
    pub(super) async fn aged(&self) {
        let Some(age) = self.max_age else { return std::future::pending().await };
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        tokio::time::sleep(age.mul_f64(1.0 + JITTER * (2.0 * random - 1.0))).await;
    }

    /// Whether clients should come back by another connection.
    pub(super) fn is_over(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }
}

/// In the extensions of each request: whether its connection is about to end. Answers that never end
/// have to, then.
#[derive(Debug, Clone)]
pub struct Leaving(pub(super) watch::Receiver<bool>);

impl Leaving {
    /// Ends when the connection is about to: what is sent then comes after the client was told.
    pub async fn told(&mut self) {
        // Without its sender the connection has ended.
        let _ = self.0.wait_for(|leaving| *leaving).await;
    }
}
