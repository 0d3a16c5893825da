//! A balancer of connections, as Kubernetes' services are: a new connection goes to the next instance
//! that is ready, as far as it has been heard; those that are open stay where they are.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::until;
use crate::support::Server;

/// How often instances are asked, and how long it takes until what they said is heeded.
const PROBE: Duration = Duration::from_millis(50);
const DELAY: Duration = Duration::from_millis(400);

struct Backend {
    data: String,
    admin: String,
    ready: bool,
    /// Since when it says otherwise.
    otherwise: Option<Instant>,
}

/// It ends with its connections when dropped.
pub(super) struct Balancer {
    pub(super) address: String,
    backends: Arc<Mutex<Vec<Backend>>>,
    _tasks: JoinSet<()>,
}

impl Balancer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let backends = Arc::<Mutex<Vec<Backend>>>::default();
        let mut tasks = JoinSet::new();
        let (asked, served) = (backends.clone(), backends.clone());
        tasks.spawn(async move {
            loop {
                probe(&asked).await;
                tokio::time::sleep(PROBE).await;
            }
        });
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            for turn in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let next = next(&served, turn);
                open.spawn(carry(client, next));
            }
        });
        Self { address, backends, _tasks: tasks }
    }

    pub(super) fn add(&self, server: &Server) {
        let (data, admin) = (server.address.clone(), server.admin.clone());
        let backend = Backend { data, admin, ready: false, otherwise: None };
        self.backends.lock().unwrap().push(backend);
    }

    pub(super) fn remove(&self, data: &str) {
        self.backends.lock().unwrap().retain(|backend| backend.data != data);
    }

    pub(super) async fn until_ready(&self, count: usize) {
        let ready = || self.backends.lock().unwrap().iter().filter(|b| b.ready).count() == count;
        until("all are ready", ready).await;
    }
}

fn next(backends: &Mutex<Vec<Backend>>, turn: usize) -> Option<String> {
    let backends = backends.lock().unwrap();
    let ready: Vec<_> = backends.iter().filter(|backend| backend.ready).collect();
    Some(ready.get(turn.checked_rem(ready.len())?)?.data.clone())
}

async fn carry(mut client: TcpStream, to: Option<String>) {
    let Some(to) = to else { return };
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

async fn probe(backends: &Mutex<Vec<Backend>>) {
    let all: Vec<_> = backends.lock().unwrap().iter().map(|b| b.admin.clone()).collect();
    for admin in all {
        let now = is_ready(&admin).await;
        let mut backends = backends.lock().unwrap();
        let Some(backend) = backends.iter_mut().find(|b| b.admin == admin) else { continue };
        if now == backend.ready {
            backend.otherwise = None;
        } else if backend.otherwise.get_or_insert_with(Instant::now).elapsed() >= DELAY {
            backend.ready = now;
        }
    }
}

async fn is_ready(admin: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.contains(" 200 OK\r\n"))
    };
    asked.await.unwrap_or(false)
}
