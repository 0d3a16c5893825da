//! The server, in its release form.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use milvus_rbac::rpc::proto::common::Status;
use prost::Message;

use super::child::Child;
use super::load::{Call, Connection};

/// The login that may do everything.
pub(crate) const ROOT: &str = "root:Milvus";

/// Starts it on free ports, for data and administration, with as many users and roles as one likes.
pub(crate) fn start(binary: &str, arguments: &[&str]) -> (Child, [SocketAddr; 2]) {
    let mut process = Command::new(binary)
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--max-users", "0", "--max-roles", "0", "--log-level", "error"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut address = |what: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(what).unwrap().parse().unwrap()
    };
    let addresses = ["listening on ", "admin on "].map(&mut address);
    (Child::new(process, None), addresses)
}

/// Makes a call as root that must succeed.
pub(crate) async fn change(connection: &Connection, method: &'static str, message: &impl Message) {
    let frame = Call::new(method, ROOT, message, 0).make(connection).await;
    let status = Status::decode(&frame[5..]).unwrap();
    assert_eq!((status.code, status.error_code), (0, 0), "{method}: {}", status.reason);
}
