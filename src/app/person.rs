//! Who runs a command that needs no server, as far as the system tells.

use rustix::process::getuid;
use rustix::system::uname;

/// The user's number, the name that the shell gives it, and the host: for the audit trail.
pub(super) fn person() -> String {
    /// Who sets it can write anything.
    const LONGEST: usize = 64;
    let name: String = std::env::var("USER")
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    let host = uname().nodename().to_string_lossy().into_owned();
    let uid = getuid().as_raw();
    if name.is_empty() {
        format!("uid {uid} at {host}")
    } else {
        format!("uid {uid} ({name}) at {host}")
    }
}
