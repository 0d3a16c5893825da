//! REST v2 over real connections: `routes` what each route answers, `refusals` what is refused and
//! how, `bad_http` requests that break the rules of HTTP, `databases` and `data` what goes to a
//! Milvus behind the server, `fate` what then becomes of grants, for which `upstream` stands in.

mod bad_http;
mod data;
mod databases;
mod fate;
mod refusals;
mod routes;
pub(crate) mod upstream;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::{LIMIT, Server};

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["code"].as_i64().unwrap()
    }

    fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends bytes on a connection of their own, and reads all that comes back until it is closed.
fn send(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    read_all(&mut stream)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is no loss.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// One request with the given header lines.
pub(crate) fn request(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Answer {
    let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let length = body.len();
    parse(&send(
        server,
        format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .as_bytes(),
    ))
}

const ROOT: &str = "Authorization: Bearer root:Milvus";

pub(crate) fn post_as(server: &Server, login: &str, path: &str, body: &str) -> Answer {
    let login = format!("Authorization: Bearer {login}");
    request(server, "POST", &format!("/v2/vectordb{path}"), &[&login], body)
}

pub(crate) fn post(server: &Server, path: &str, body: &str) -> Answer {
    post_as(server, "root:Milvus", path, body)
}

/// Fails unless the answer is exactly this text, key order included.
fn expect(answer: &Answer, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (200, body), "{answer:?}");
}

fn basic(login: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(login))
}
