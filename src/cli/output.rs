//! Where a command's output goes.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use super::Failure;

/// Writes to a file that nobody else may read, or to standard output. What was there before stays until
/// all of it is on the disk.
pub(super) fn put(file: Option<&Path>, text: &str) -> Result<(), Failure> {
    let Some(file) = file else { return tell(text) };
    let written = || {
        if file.metadata().is_ok_and(|there| !there.is_file()) {
            // A pipe, or a device.
            return fs::write(file, text);
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut new = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(file).map(drop).map_err(|e| e.error)
    };
    written().map_err(|e: io::Error| format!("{}: {e}", file.display()))
}

/// Tells a person: names may hold what a terminal obeys.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    tell(&plain(text))
}

/// The text without control characters but the ends of lines.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// Writes to standard output. Whoever reads no more has read enough.
pub(super) fn tell(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.to_string()),
        _ => Ok(()),
    }
}
