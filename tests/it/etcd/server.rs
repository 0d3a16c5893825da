//! A real etcd as a child process, for the tests of this binary and for those of the library.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// Ends the etcd when its input ends: with this process, however that ends.
const KEEPER: &str = "etcd \"$@\" >/dev/null 2>\"$LOG\" & echo $!; read -r _; kill -9 $!; wait";

/// Where a process runs: its address, and its network namespace if it is not that of the test.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) namespace: Option<PathBuf>,
}

impl Place {
    fn here() -> Self {
        Self { host: "127.0.0.1".to_owned(), namespace: None }
    }

    /// The command that runs a program there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", namespace.display())).arg(program);
        command
    }
}

/// A running etcd; it ends when dropped.
pub(crate) struct Etcd {
    place: Place,
    folder: TempDir,
    name: String,
    /// The members, as etcd wants to hear of them.
    cluster: String,
    flags: Vec<String>,
    ports: [u16; 3],
    running: Mutex<Option<(Child, u32)>>,
}

impl Etcd {
    /// The one that the tests of a binary share, each with a root of its own.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Etcd>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let etcd = Arc::new(Self::start(&[]));
            *shared = Arc::downgrade(&etcd);
            etcd
        })
    }

    /// Serves plain clients, or with certificates those whom the flags let in.
    pub(crate) fn start(flags: &[&str]) -> Self {
        for _ in 0..5 {
            let ports = free_ports();
            let etcd = Self {
                place: Place::here(),
                folder: TempDir::new().unwrap(),
                name: "one".to_owned(),
                cluster: format!("one=http://127.0.0.1:{}", ports[1]),
                flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
                ports,
                running: Mutex::new(None),
            };
            if etcd.run() {
                return etcd;
            }
        }
        panic!("etcd does not start");
    }

    /// Members of one cluster, which serves as long as most of them run.
    pub(crate) fn cluster(count: usize) -> Vec<Self> {
        Self::cluster_at(&vec![Place::here(); count])
    }

    /// The same, each member at a place.
    pub(crate) fn cluster_at(places: &[Place]) -> Vec<Self> {
        let ports: Vec<_> = places.iter().map(|_| free_ports()).collect();
        let numbered = || places.iter().zip(&ports).enumerate();
        let member = |(number, (place, ports)): (usize, (&Place, &[u16; 3]))| {
            format!("member{number}=http://{}:{}", place.host, ports[1])
        };
        let cluster = numbered().map(member).collect::<Vec<_>>().join(",");
        let member = |(number, (place, ports)): (usize, (&Place, &[u16; 3]))| Self {
            place: place.clone(),
            folder: TempDir::new().unwrap(),
            name: format!("member{number}"),
            cluster: cluster.clone(),
            flags: Vec::new(),
            ports: *ports,
            running: Mutex::new(None),
        };
        let members: Vec<_> = numbered().map(member).collect();
        members.iter().for_each(Self::spawn);
        assert!(members.iter().all(Self::is_healthy), "a cluster does not start");
        members
    }

    /// Whether it serves; another process may have taken a port.
    pub(crate) fn run(&self) -> bool {
        self.spawn();
        self.is_healthy()
    }

    pub(crate) fn spawn(&self) {
        let [client, peer, metrics] = self.ports;
        let scheme = if self.flags.is_empty() { "http" } else { "https" };
        let host = &self.place.host;
        let (client, peer) =
            (format!("{scheme}://{host}:{client}"), format!("http://{host}:{peer}"));
        let mut child = self
            .place
            .command("sh")
            .args([
                "-c",
                KEEPER,
                "etcd",
                "--name",
                &self.name,
                "--logger",
                "zap",
                "--log-level",
                "warn",
            ])
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &self.cluster])
            .args(["--listen-metrics-urls", &format!("http://{host}:{metrics}")])
            .args(&self.flags)
            .env("LOG", self.folder.path().join("log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        *self.running.lock().unwrap() = Some((child, line.trim().parse().unwrap()));
    }

    pub(crate) fn is_healthy(&self) -> bool {
        let metrics = (self.place.host.as_str(), self.ports[2]);
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            if http(metrics, "GET /health HTTP/1.0\r\n\r\n").contains("\"true\"") {
                return true;
            }
            if !self.signal("0") {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.kill();
        false
    }

    pub(crate) fn kill(&self) {
        if let Some((mut keeper, _)) = self.running.lock().unwrap().take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    /// Whether there is a process that it was sent to.
    pub(crate) fn signal(&self, name: &str) -> bool {
        let running = self.running.lock().unwrap();
        let Some((_, pid)) = &*running else { return false };
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null());
        kill.status().unwrap().success()
    }

    /// `HOST:PORT` for clients.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.place.host, self.ports[0])
    }

    /// A call of etcd's JSON gateway; bytes are base64 there.
    pub(crate) fn post(&self, path: &str, json: &str) -> String {
        self.post_with("", path, json)
    }

    /// With more lines in the head.
    pub(crate) fn post_with(&self, head: &str, path: &str, json: &str) -> String {
        let head = format!("{head}Content-Length: {}\r\n", json.len());
        let client = (self.place.host.as_str(), self.ports[0]);
        http(client, &format!("POST /v3/{path} HTTP/1.0\r\n{head}\r\n{json}"))
    }

    pub(crate) fn put(&self, key: &str, value: &str) -> String {
        let (key, value) = (STANDARD.encode(key), STANDARD.encode(value));
        self.post("kv/put", &format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}"))
    }

    pub(crate) fn delete(&self, key: &str) -> String {
        let key = STANDARD.encode(key);
        self.post("kv/deleterange", &format!("{{\"key\":\"{key}\"}}"))
    }

    /// The value of a key; none without it.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let key = STANDARD.encode(key);
        let answer = self.post("kv/range", &format!("{{\"key\":\"{key}\"}}"));
        let kvs = answer.split_once("\"kvs\"")?.1;
        let value = kvs.split("\"value\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let value = STANDARD.decode(value.unwrap_or_default()).unwrap();
        Some(String::from_utf8(value).unwrap())
    }

    /// Forgets everything but what there is now.
    pub(crate) fn compact(&self) {
        let answer = self.put("compacted", "");
        let revision =
            answer.split("\"revision\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let compact = format!("{{\"revision\":\"{}\",\"physical\":true}}", revision.unwrap());
        assert!(self.post("kv/compaction", &compact).contains("200 OK"));
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|held| held.local_addr().unwrap().port())
}

/// What is answered; nothing where nobody listens.
fn http(address: (&str, u16), request: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let sent = stream.write_all(request.as_bytes());
        let _ = sent.and_then(|()| stream.read_to_string(&mut answer));
    }
    answer
}
