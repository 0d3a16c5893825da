//! A member of etcd as a TCP proxy, which can swallow its answers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(crate) struct Proxy {
    pub(crate) address: String,
    mute: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn to(etcd: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mute = Arc::new(AtomicBool::new(false));
        let muted = mute.clone();
        // Ends with the process; it waits for nobody.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(member) = TcpStream::connect(&etcd) else { continue };
                let (from, to) = (client.try_clone().unwrap(), member.try_clone().unwrap());
                thread::spawn(move || pass(from, to, &AtomicBool::new(false)));
                let muted = muted.clone();
                thread::spawn(move || pass(member, client, &muted));
            }
        });
        Self { address, mute }
    }

    /// Whether answers get lost from now on.
    pub(crate) fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, muted: &AtomicBool) {
    let mut bytes = [0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if !muted.load(Ordering::SeqCst) && to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
