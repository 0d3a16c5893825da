//! Processes, and what they use of the machine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// A process, ended when dropped, with its own children. Its folder goes after it.
pub(crate) struct Child {
    process: std::process::Child,
    _folder: Option<TempDir>,
}

impl Child {
    pub(crate) fn new(process: std::process::Child, folder: Option<TempDir>) -> Self {
        Self { process, _folder: folder }
    }

    /// Processor time so far, that of its children included.
    pub(crate) fn processor_time(&self) -> Duration {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let all = children.split_whitespace().map(str::to_owned).chain([id.to_string()]);
        all.map(|id| processor_time(&id)).sum()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

/// Of all threads that still run.
fn processor_time(id: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let nanos = threads.map(|thread| {
        let used = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        used.split_whitespace().next().map_or(0, |nanos| nanos.parse().unwrap())
    });
    Duration::from_nanos(nanos.sum())
}

impl Drop for Child {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to end.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}
