//! What benchmarks of running servers share: processes, and the load on them.

pub(crate) mod child;
pub(crate) mod load;
pub(crate) mod server;
