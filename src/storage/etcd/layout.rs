//! Milvus' metadata layout, and our own records beside it: what keys and values mean, which state
//! they make up, and which of them a change writes. All keys are relative to the root.
//!
//! What others have written is read as they read it, where that grants nothing more than was
//! granted. A user, role or group whose value cannot be understood is there with nothing in it: no
//! password fits, no privilege follows. A key that cannot be understood is passed over.

mod changes;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fake;
mod keys;
mod mirror;
#[cfg(test)]
mod random;
mod values;
mod writes;

pub(super) use self::keys::{COPYING, HEAD, INSTANCES, RECORDS, ROOTS, SEGMENTS, TRAIL};
pub(super) use self::mirror::Mirror;
pub(super) use self::values::{Head, encode_instance};
pub(super) use self::writes::Write;
