//! Requests that break the rules: an answer or a closed connection, and the server goes on.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{connect, expect, parse, post, read_all, send};
use crate::support::Server;

fn still_serves(server: &Server) {
    expect(&post(server, "/users/list", "{}"), r#"{"code":0,"data":["root"]}"#);
}

const LIST: &str =
    "POST /v2/vectordb/users/list HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer root:Milvus\r\n";

#[test]
fn http_1_0_is_answered_and_closed() {
    let server = Server::start(&[]);
    let request = LIST.replace("1.1", "1.0") + "Content-Length: 2\r\n\r\n{}";
    let answer = parse(&send(&server, request.as_bytes()));
    expect(&answer, r#"{"code":0,"data":["root"]}"#);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let one = format!("{LIST}Content-Length: 2\r\n\r\n{{}}");
    let last = format!("{LIST}Connection: close\r\nContent-Length: 4\r\n\r\nnull");
    let answers = send(&server, format!("{one}{one}{last}").as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert_eq!(answers.matches(r#"{"code":0,"data":["root"]}"#).count(), 3, "{answers}");
}

#[test]
fn a_chunked_body_is_read() {
    let server = Server::start(&[]);
    let request = format!(
        "{LIST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n"
    );
    let answer = send(&server, request.as_bytes());
    assert!(answer.contains("200 OK") && answer.contains(r#"["root"]"#), "{answer}");
}

#[test]
fn broken_requests_are_refused_or_cut() {
    let server = Server::start(&[]);
    let long_header = format!("{LIST}X: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("{LIST}{}\r\n", "X: y\r\n".repeat(500));
    let cases: Vec<(&str, &[u8])> = vec![
        ("garbage", b"\x00\x01\x02\x03\r\n\r\n"),
        ("no version", b"POST /v2/vectordb/users/list\r\n\r\n"),
        ("a negative length", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        ("two lengths", b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        ("a bad chunk", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ("a bare preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a broken preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage after it"),
        ("a cut body", b"POST /v2/vectordb/users/list HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"),
        ("a long header", long_header.as_bytes()),
        ("many headers", many_headers.as_bytes()),
        ("nothing", b""),
    ];
    for (what, bytes) in cases {
        let started = Instant::now();
        let answer = send(&server, bytes);
        assert!(started.elapsed() < Duration::from_secs(10), "{what} is not let go");
        let refused = answer.is_empty()
            || ["400", "401", "404", "405", "413", "431"]
                .iter()
                .any(|code| answer.starts_with(&format!("HTTP/1.1 {code}")))
            || !answer.starts_with("HTTP");
        assert!(refused, "{what}: {answer}");
        still_serves(&server);
    }
}

#[test]
fn a_huge_body_is_refused_without_being_kept() {
    let server = Server::start(&[]);
    let mut stream = connect(&server);
    let length = 100 << 20;
    write!(stream, "{LIST}Content-Length: {length}\r\n\r\n").unwrap();
    let chunk = vec![b' '; 1 << 20];
    // The server answers and stops reading long before the end.
    let sent = (0..100).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    let answer = read_all(&mut stream);
    assert!(sent < 100, "all of it was read");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    still_serves(&server);
}

#[test]
fn a_slow_body_ends_with_the_time_the_client_gave() {
    let server = Server::start(&[]);
    let mut stream = connect(&server);
    write!(stream, "{LIST}Request-Timeout: 1\r\nContent-Length: 100\r\n\r\n{{").unwrap();
    let started = Instant::now();
    let answer = parse(&read_all(&mut stream));
    assert_eq!((answer.status, answer.code()), (408, 10001));
    assert!(started.elapsed() < Duration::from_secs(10));
    still_serves(&server);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let server = Server::start(&[]);
    for _ in 0..200 {
        let mut stream = connect(&server);
        write!(stream, "{LIST}Content-Length: 100\r\n\r\n{{").unwrap();
    }
    still_serves(&server);
}
