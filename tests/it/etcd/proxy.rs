//! A member of etcd as a TCP proxy, which can swallow its answers, and hold a request.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::LIMIT;

pub(crate) struct Proxy {
    pub(crate) address: String,
    mute: Arc<AtomicBool>,
    gate: Arc<Gate>,
}

impl Proxy {
    pub(crate) fn to(etcd: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mute = Arc::new(AtomicBool::new(false));
        let gate = Arc::new(Gate::default());
        let (muted, gates) = (mute.clone(), gate.clone());
        // Ends with the process; it waits for nobody.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(member) = TcpStream::connect(&etcd) else { continue };
                let (from, to) = (client.try_clone().unwrap(), member.try_clone().unwrap());
                let gate = gates.clone();
                thread::spawn(move || pass(from, to, |bytes| gate.let_through(bytes)));
                let muted = muted.clone();
                thread::spawn(move || pass(member, client, |_| !muted.load(Ordering::SeqCst)));
            }
        });
        Self { address, mute, gate }
    }

    /// Whether answers get lost from now on.
    pub(crate) fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    /// Holds the next request that says `text`, until it is let go.
    pub(crate) fn hold(&self, text: &'static str) {
        *self.gate.state.lock().unwrap() = Held::Next(text);
    }

    pub(crate) fn until_held(&self) {
        let state = self.gate.state.lock().unwrap();
        let waiting = |state: &mut Held| !matches!(state, Held::Holds);
        let (_state, waited) = self.gate.turn.wait_timeout_while(state, LIMIT, waiting).unwrap();
        assert!(!waited.timed_out(), "nothing came to be held");
    }

    pub(crate) fn let_go(&self) {
        *self.gate.state.lock().unwrap() = Held::None;
        self.gate.turn.notify_all();
    }
}

#[derive(Default)]
enum Held {
    #[default]
    None,
    Next(&'static str),
    Holds,
}

#[derive(Default)]
struct Gate {
    state: Mutex<Held>,
    turn: Condvar,
}

impl Gate {
    fn let_through(&self, bytes: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap();
        let Held::Next(text) = *state else { return true };
        if bytes.windows(text.len()).any(|some| some == text.as_bytes()) {
            *state = Held::Holds;
            self.turn.notify_all();
            drop(self.turn.wait_while(state, |state| matches!(state, Held::Holds)).unwrap());
        }
        true
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if passes(&bytes[..length]) && to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
