//! x
pub mod authz;
pub mod engine;
pub mod model;
pub mod storage;
pub mod telemetry;
