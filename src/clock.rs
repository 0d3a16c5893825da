//! Hybrid timestamps, as Milvus hands them out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bits for timestamps within one millisecond.
const LOGICAL_BITS: u32 = 18;

/// Gives out timestamps that rise with every call, even when the system's clock goes back.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// The next timestamp: milliseconds since 1970 shifted left by 18 bits, and a counter.
    pub fn timestamp(&self) -> u64 {
        let now = milliseconds() << LOGICAL_BITS;
        let next = |last: u64| Some(now.max(last + 1));
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => now.max(last + 1),
        }
    }
}

/// Milliseconds since 1970.
pub fn milliseconds() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or_default()
}
