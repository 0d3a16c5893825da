//! What a connection costs that does nothing, after one call.

use std::net::SocketAddr;

use crate::KIB;
use crate::gate;
use crate::shared::child::Child;
use crate::shared::load::{self, Connection};

pub(crate) const CONNECTIONS: u64 = 1_000;

/// Resident memory in KiB, without connections and with many.
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) with: u64,
}

pub(crate) fn measure(process: &Child, address: SocketAddr) -> Memory {
    let query = gate::query(KIB);
    // The first call makes what all share.
    load::on_this_thread(async { query.make(&Connection::open(address).await).await });
    let before = process.memory();
    load::on_this_thread(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = Connection::open(address).await;
            query.make(&connection).await;
            connections.push(connection);
        }
        Memory { before, with: process.memory() }
    })
}
