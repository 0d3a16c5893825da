//! The product's own commands, as somebody types them.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::Server;

/// Commands for one server, in a folder with some files.
#[derive(Clone)]
pub(super) struct Cli {
    folder: Arc<TempDir>,
    variables: Vec<(&'static str, String)>,
}

impl Cli {
    pub(super) fn of(server: &Server) -> Self {
        Self::at(&server.address)
    }

    /// By `root`.
    pub(super) fn at(address: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let uri = ("MILVUS_URI", format!("http://{address}"));
        Self { folder, variables: vec![uri] }.login("root:Milvus")
    }

    pub(super) fn login(self, token: &str) -> Self {
        self.variable("MILVUS_TOKEN", token)
    }

    pub(super) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self
    }

    pub(super) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
        command.env_clear().envs(self.variables.iter().cloned());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same, while tasks of the test go on.
    pub(super) async fn run_beside(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
