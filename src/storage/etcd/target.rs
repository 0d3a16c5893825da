//! Which etcd, and with what one gets in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::storage::Login;
use crate::tls::TlsFiles;

/// An etcd, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT` of its members; any of them will do.
    pub endpoints: Vec<String>,
    /// Milvus' meta root, such as `by-dev/meta`.
    pub root: String,
    /// The most operations that its members take in a transaction: their `--max-txn-ops`.
    pub max_txn_ops: usize,
    /// Holds `user:password`.
    pub user_file: Option<PathBuf>,
    /// Set where its members want TLS.
    pub tls: Option<TlsFiles>,
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
        let Some(file) = &self.user_file else { return Ok(None) };
        let text = read(file)?;
        let line = text.trim_end_matches(['\r', '\n']);
        match line.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Ok(Some(Login { user: user.to_owned(), password: password.to_owned() }))
            }
            _ => Err(format!("{}: it does not hold user:password", file.display())),
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}
