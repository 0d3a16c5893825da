//! Whoever asks for health without a login.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::Server;

/// A request that is never ended keeps no place, on neither port: others would be kept out.
#[test]
fn who_does_not_end_a_request_is_not_waited_for() {
    let server = Server::start(&[]);
    let mut asking: Vec<_> = [&server.address, &server.admin]
        .map(|address| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let head = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: x\r\n\
                        Content-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .into();
    for stream in &mut asking {
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
        assert!(answer.contains("grpc-status: 4\r\n"), "{answer}");
    }
}
