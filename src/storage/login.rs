//! What a store is shown by an instance that it asks who it is.

use std::path::Path;
use std::{fmt, fs};

/// Who this instance is to its store.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    /// What `--store-login-file` holds: `user:password`. The end of the line does not count.
    ///
    /// # Errors
    /// A text that names the file, and nothing of what it holds.
    pub fn read(file: &Path) -> Result<Self, String> {
        let tell = |why: &dyn fmt::Display| format!("--store-login-file {}: {why}", file.display());
        let text = fs::read_to_string(file).map_err(|e| tell(&e))?;
        match text.trim_end_matches(['\r', '\n']).split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Ok(Self { user: user.to_owned(), password: password.to_owned() })
            }
            _ => Err(tell(&"it does not hold user:password")),
        }
    }
}
