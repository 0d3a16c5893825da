//! How followers end.

use std::process::Stdio;

use super::*;
use crate::support::{signal, wait};

/// The thread that hears of changes once outlived the runtime that it needs, one time in ten.
#[test]
fn a_follower_ends_without_a_word() {
    let folder = TempDir::new().unwrap();
    let center = Server::start(&FLAGS);
    let login = login_file(folder.path(), "root:Milvus");
    for round in 0..30 {
        let mut start = following(&center.address, &login);
        let mut follower = start.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(follower.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        signal(follower.id(), "TERM");
        assert_eq!(wait(&mut follower).code(), Some(0));
        let told = std::io::read_to_string(follower.stderr.take().unwrap()).unwrap();
        assert_eq!(told, "", "round {round}");
    }
}
