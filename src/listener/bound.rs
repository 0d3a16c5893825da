//! Ports that are ours, and where nobody is let in yet: who connects is refused, and goes elsewhere.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, lookup_host};

use super::Port;

/// Connections that wait to be accepted, if the system allows so many: all followers may come at once.
const BACKLOG: u32 = 4096;

/// A port that is taken.
#[derive(Debug)]
pub struct Bound {
    socket: TcpSocket,
    flag: &'static str,
    address: String,
}

impl Bound {
    /// Binds `address`, which `flag` gave.
    ///
    /// # Errors
    /// The address is unusable or taken.
    pub async fn at(flag: &'static str, address: &str) -> Result<Self, String> {
        let wrong = |e| unusable(flag, address, &e);
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for found in lookup_host(address).await.map_err(wrong)? {
            match bind(found) {
                Ok(socket) => return Ok(Self { socket, flag, address: address.to_owned() }),
                Err(e) => failed = e,
            }
        }
        Err(wrong(failed))
    }

    /// Lets clients in.
    ///
    /// # Errors
    /// Somebody else does since.
    pub fn listen(self) -> Result<Port, String> {
        let Self { socket, flag, address } = self;
        socket
            .listen(BACKLOG)
            .map(|listener| Port(listener, None))
            .map_err(|e| unusable(flag, &address, &e))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections that ended a moment ago must not hinder a new start.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn unusable(flag: &str, address: &str, why: &io::Error) -> String {
    format!("cannot listen on {address}: {why}; {flag} gives another address")
}
