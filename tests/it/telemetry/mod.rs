//! What is told of calls: `metrics` against their documentation, `traces` as a collector gets them,
//! `logs` line by line, `log_level` changed while it runs.

mod exposition;
mod log_level;
mod logs;
mod metrics;
mod traces;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::Server;

/// A server whose log is read.
struct Logged {
    server: Server,
    log: PathBuf,
    _folder: TempDir,
}

impl Logged {
    fn run(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let server = Server::run(command.stderr(File::create(&log).unwrap()));
        Self { server, log, _folder: folder }
    }

    /// Everything that was logged so far.
    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}
