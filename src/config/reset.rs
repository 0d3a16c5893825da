//! What `reset-root-password` is asked for.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

use super::{StoreUrl, Task, password, store, store_url};

/// The flags of `reset-root-password`.
#[derive(Debug, Args)]
pub(super) struct ResetFlags {
    /// The store: `sled:DIR`, which no server may use meanwhile, `etcd://H1:2379/ROOT` or `etcds:`.
    #[arg(long, env = "MILVUS_RBAC_STORE", value_name = "URL")]
    store: String,
    /// Holds the new password, 6 to 72 bytes; without it, one is made up and printed. The end of the
    /// line does not count.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    reach: store::StoreFlags,
}

/// A new password for `root`.
pub struct Reset {
    /// The store of which it is.
    pub store: StoreUrl,
    /// The password; none to have one made up.
    pub password: Option<Vec<u8>>,
}

impl fmt::Debug for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reset").field("store", &self.store).finish_non_exhaustive()
    }
}

impl TryFrom<ResetFlags> for Task {
    type Error = String;

    fn try_from(flags: ResetFlags) -> Result<Self, String> {
        let ResetFlags { store: url, password_file, reach } = flags;
        let store = match store_url("--store", &url, &reach)? {
            StoreUrl::Follow(_) | StoreUrl::Memory => {
                let why = "is none of sled:DIR, etcd://HOST:PORT/ROOT";
                return Err(format!("--store: `{url}` {why}"));
            }
            store => store,
        };
        let read = |file: PathBuf| password("--password-file", &file);
        let password = password_file.map(read).transpose()?;
        Ok(Self::Reset(Box::new(Reset { store, password })))
    }
}
