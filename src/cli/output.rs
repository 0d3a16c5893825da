//! Where a command's output goes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Failure;

/// Writes to a file, which nobody else reads, or to standard output.
pub(super) fn put(file: Option<&Path>, text: &str) -> Result<(), Failure> {
    let Some(file) = file else { return tell(text) };
    let written = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|e: std::io::Error| format!("{}: {e}", file.display()))
}

/// Writes to standard output.
pub(super) fn tell(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string())
}
