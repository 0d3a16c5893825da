//! `health`: whether a server is ready, told by an exit code.

use std::process::Command;
use std::time::{Duration, Instant};

use super::Said;
use crate::support::{Server, http_get, signal};

/// Runs `milvus-rbac health` as a container would: with nothing around it.
fn health(args: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
    command.env_clear().envs(environment.iter().copied()).arg("health").args(args);
    super::said(command.output().unwrap())
}

fn fails(args: &[&str], environment: &[(&str, &str)], code: i32, why: &str) {
    let said = health(args, environment);
    assert_eq!((said.code, &*said.out), (code, ""), "{}", said.err);
    assert!(said.err.starts_with("error: ") && said.err.contains(why), "{}", said.err);
}

#[test]
fn a_server_that_serves_is_told_from_one_that_does_not() {
    let server = Server::start(&["--drain-wait", "300"]);
    let port = server.admin.rsplit_once(':').unwrap().1;
    let everywhere = format!("0.0.0.0:{port}");
    let beside = [("MILVUS_RBAC_ADMIN_LISTEN", &*everywhere)];
    let (admin, data) = (format!("http://{}", server.admin), format!("http://{}", server.address));
    let liveness = ["--service", "liveness"];
    for (args, environment) in [
        (&["--uri", &*admin][..], &[][..]),
        (&["--uri", &data], &beside),
        (&[], &beside),
        (&liveness, &beside),
    ] {
        let said = health(args, environment);
        assert_eq!((said.code, &*said.out, &*said.err), (0, "serving\n", ""), "{args:?}");
    }
    fails(&["--service", "nonsense"], &beside, 1, "there is no such service");

    signal(server.pid(), "TERM");
    let give_up = Instant::now() + crate::support::LIMIT;
    while http_get(&format!("{admin}/readyz")).0 == 200 {
        assert!(Instant::now() < give_up, "it stays ready");
    }
    for args in [&["--uri", &*admin][..], &["--uri", &data], &[]] {
        fails(args, &beside, 1, "is not serving");
    }
    assert_eq!(health(&liveness, &beside).code, 0);
}

#[test]
fn what_does_not_answer_is_told_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = format!("http://{address}");
    let began = Instant::now();
    fails(&["--uri", &silent, "--timeout", "1"], &[], 1, "does not answer within 1 s");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(listener);
    fails(&["--uri", &silent], &[], 1, "cannot be reached");
    let here = address.to_string();
    fails(&[], &[("MILVUS_RBAC_ADMIN_LISTEN", &here)], 1, "cannot be reached");
    fails(&[], &[("MILVUS_RBAC_ADMIN_LISTEN", "off")], 1, "--uri is needed");
    fails(&["--uri", "127.0.0.1:9091"], &[], 1, "is not http://HOST:PORT");
    fails(&["--uri", &silent, "--ca", "x"], &[], 1, "--ca needs --uri https://");
    fails(&["--uri", "https://127.0.0.1:1", "--ca", "/nowhere"], &[], 1, "/nowhere");
    fails(&["--timeout", "0"], &[], 2, "--timeout");
}
