//! Integration tests, one binary. What belongs where:
//!
//! * `support`: a real server as a child process, and a client for it
//! * `rpc`: every call over the wire, row by row of the specification: what is refused and how,
//!   what changes, what is denied; and bad input of every kind

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rpc;
mod support;
