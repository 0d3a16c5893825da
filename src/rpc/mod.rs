//! The wire: Milvus' messages in and out. Decodes a request, asks the engine, encodes the answer;
//! no rule lives here.

mod access;
pub mod answers;
mod backup;
mod batches;
pub mod codec;
mod databases;
mod grants;
mod groups;
pub mod health;
mod reports;
mod roles;
mod service;
pub mod status;
mod system;
mod users;

pub use access::Access;
pub use backup::of as backup_of;
pub use health::HealthService;
pub use service::{Behind, Service};

/// Does what takes long where no other call waits for it.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    let flavor = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // There is nobody else.
        _ => work(),
    }
}

/// The generated messages and services.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/protos.rs"));
    pub use self::milvus::proto::{common, milvus as service};
    pub use self::milvus_rbac::v1 as access;
}

/// The descriptors of everything served, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
