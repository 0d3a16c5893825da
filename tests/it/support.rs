//! A real server as a child process on free ports, and a client for it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::milvus_service_client::MilvusServiceClient;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// Longer than anything takes here, shorter than a test may hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) type Client = MilvusServiceClient<InterceptedService<Channel, Metadata>>;

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) admin: String,
}

/// The command that starts a server on free ports with cheap passwords. Flags win over what is set
/// here, which is environment.
pub(crate) fn command(store: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
    command.env_clear().stdout(Stdio::piped());
    command.env("MILVUS_RBAC_LISTEN", "127.0.0.1:0");
    command.env("MILVUS_RBAC_ADMIN_LISTEN", "127.0.0.1:0");
    command.env("MILVUS_RBAC_STORE", store);
    command.env("MILVUS_RBAC_BCRYPT_COST", "4");
    command.env("MILVUS_RBAC_LOG_LEVEL", "warn");
    command
}

impl Server {
    /// In memory, with the given flags on top.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::run(command("memory:").args(flags))
    }

    pub(crate) fn on_sled(folder: &Path) -> Self {
        Self::run(&mut command(&sled_url(folder)))
    }

    /// Starts `command` and waits until it listens.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut expect = |prefix: &str| match lines.recv_timeout(LIMIT) {
            Ok(line) => line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line}")).to_owned(),
            Err(e) => {
                let _ = child.kill();
                panic!("the server does not start ({e}); its log is above")
            }
        };
        let address = expect("listening on ");
        let admin = expect("admin on ");
        Self { child, address, admin }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no chance to save anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit status that follows.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        wait(&mut self.child)
    }

    pub(crate) async fn root(&self) -> Client {
        self.client("root", "Milvus").await
    }

    pub(crate) async fn client(&self, user: &str, password: &str) -> Client {
        self.connect(Metadata::login(user, password)).await
    }

    /// One who waits longer than the server lets anybody wait.
    pub(crate) async fn patient(&self, user: &str, password: &str) -> Client {
        let channel = self.endpoint().timeout(LIMIT * 3).connect().await.unwrap();
        MilvusServiceClient::with_interceptor(channel, Metadata::login(user, password))
    }

    pub(crate) async fn connect(&self, metadata: Metadata) -> Client {
        let channel = self.endpoint().connect().await.unwrap();
        MilvusServiceClient::with_interceptor(channel, metadata)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().timeout(LIMIT)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn sled_url(folder: &Path) -> String {
    format!("sled:{}", folder.display())
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.unwrap().success());
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// Waits for a child's end, for a bounded time.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    wait_for(child, LIMIT)
}

/// The same, with another bound.
pub(crate) fn wait_for(child: &mut Child, limit: Duration) -> ExitStatus {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "the process does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Metadata sent with each call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata(Vec<(&'static str, String)>);

impl Metadata {
    pub(crate) fn login(user: &str, password: &str) -> Self {
        Self::default().with("authorization", &STANDARD.encode(format!("{user}:{password}")))
    }

    pub(crate) fn with(mut self, key: &'static str, value: &str) -> Self {
        self.0.push((key, value.to_owned()));
        self
    }
}

impl Interceptor for Metadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
        for (key, value) in &self.0 {
            let value = AsciiMetadataValue::try_from(value.as_str()).unwrap();
            request.metadata_mut().insert(*key, value);
        }
        Ok(request)
    }
}

/// What a test compares of a `Status`.
pub(crate) fn brief(status: &Status) -> (i32, i32, &str) {
    (status.code, status.error_code, status.reason.as_str())
}

pub(crate) fn encoded(password: &str) -> String {
    STANDARD.encode(password)
}

/// The revision that an answer carries.
pub(crate) fn revision<T>(response: &tonic::Response<T>) -> u64 {
    response.metadata().get("milvus-rbac-revision").unwrap().to_str().unwrap().parse().unwrap()
}

/// What an HTTP GET answers.
pub(crate) fn http_get(url: &str) -> (u16, String) {
    let curl = Command::new("curl").args(["-s", "-w", "\n%{http_code}", url]).output();
    let output = curl.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), body.to_owned())
}

/// How often an attack is repeated; more by environment for a longer one.
pub(crate) fn rounds(variable: &str, default: usize) -> usize {
    let configured = std::env::var(variable).ok();
    configured.map_or(default, |rounds| rounds.parse().unwrap())
}

/// Whether a tool is not installed. Then the test says so and is left out, unless `CI` is set.
pub(crate) fn missing(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is not installed");
        println!("left out: {tool} is not installed");
    }
    !found
}
