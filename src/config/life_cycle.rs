//! How an instance and its connections end while others serve on.

use std::time::Duration;

use clap::Args;

/// The flags of the life cycle.
#[derive(Debug, Args)]
pub(super) struct LifeCycleFlags {
    /// How many seconds everything is served still after SIGTERM, and told to be not ready: as long as
    /// balancers take to hear of it, at most 300. A second signal ends the wait; after SIGINT there is
    /// none.
    #[arg(long, env = "MILVUS_RBAC_DRAIN_WAIT", default_value_t = 0, value_name = "S",
          value_parser = clap::value_parser!(u64).range(..=300))]
    drain_wait: u64,
    /// After how many seconds, a tenth more or less, clients are told to open another connection; 0 for
    /// never. What runs on the old one is finished.
    #[arg(long, env = "MILVUS_RBAC_MAX_CONNECTION_AGE", default_value_t = 0, value_name = "S",
          value_parser = clap::value_parser!(u64).range(..=604_800))]
    max_connection_age: u64,
}

/// How an instance and its connections end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifeCycle {
    /// How long everything is served after SIGTERM.
    pub drain_wait: Duration,
    /// How old connections get.
    pub max_connection_age: Option<Duration>,
}

impl From<LifeCycleFlags> for LifeCycle {
    fn from(flags: LifeCycleFlags) -> Self {
        let age = flags.max_connection_age;
        Self {
            drain_wait: Duration::from_secs(flags.drain_wait),
            max_connection_age: (age > 0).then(|| Duration::from_secs(age)),
        }
    }
}
