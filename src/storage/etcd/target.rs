//! Which etcd, and with what one gets in.

use std::fmt;
use std::path::PathBuf;

use tracing::warn;

use crate::storage::{Login, StoreError};
use crate::tls::TlsFiles;

/// What etcd adds to a request before it looks at its size.
const FRAME: usize = 1 << 10;

/// An etcd, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT` of its members; any of them will do.
    pub endpoints: Vec<String>,
    /// Milvus' meta root, such as `by-dev/meta`.
    pub root: String,
    /// The most operations that its members take in a transaction: their `--max-txn-ops`.
    pub max_txn_ops: usize,
    /// The most bytes that they take in a request: their `--max-request-bytes`.
    pub max_request_bytes: usize,
    /// See [`Login::read`].
    pub login_file: Option<PathBuf>,
    /// Set where its members want TLS.
    pub tls: Option<TlsFiles>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "etcds" } else { "etcd" };
        write!(f, "{scheme}://{}/{}", self.endpoints.join(","), self.root)
    }
}

impl Target {
    /// Whether the login can be read.
    ///
    /// # Errors
    /// Names the file.
    pub fn check(&self) -> Result<(), String> {
        self.login().map(drop)
    }

    pub(super) fn login(&self) -> Result<Option<Login>, String> {
        self.login_file.as_deref().map(Login::read).transpose()
    }

    /// Whether a transaction of that size will be taken.
    pub(super) fn check_size(&self, operations: usize, bytes: usize) -> Result<(), StoreError> {
        let (most, most_bytes) = (self.max_txn_ops, self.max_request_bytes);
        let why = if operations > most {
            format!(
                "it takes {operations} operations, and etcd takes {most} in a transaction; where its \
                 --max-txn-ops is larger, --store is to say so: ?max-txn-ops=N"
            )
        } else if bytes + FRAME > most_bytes {
            format!(
                "it takes {bytes} bytes, and etcd takes {most_bytes} in a request; where its \
                 --max-request-bytes is larger, --store is to say so: ?max-request-bytes=N"
            )
        } else {
            return Ok(());
        };
        warn!(why, "a change is larger than etcd takes at once");
        Err(StoreError::TooLarge(why))
    }
}
