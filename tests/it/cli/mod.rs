//! The client commands: the real binary against a real server.

mod answers;
mod backup;
mod health;
mod manual;
mod run_command;

use std::process::{Command, Output};

use crate::support::Server;

/// What a command said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `milvus-rbac` with `args` as root against `server`.
pub(crate) fn as_root(server: &Server, args: &[&str]) -> Said {
    as_user(server, "root:Milvus", args)
}

/// The same with another login.
pub(crate) fn as_user(server: &Server, token: &str, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
    command.args(args).env("MILVUS_URI", format!("http://{}", server.address));
    said(command.env("MILVUS_TOKEN", token).output().unwrap())
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
