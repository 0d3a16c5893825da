//! TLS: `handshakes` who gets in and who does not, `clients` certificates that clients have to show,
//! `users` whom they name, `reload` files that change, `upstream` TLS towards a Milvus, `follower`
//! towards a centre, `commands` of the client commands, `flags` how all that is asked for.

mod clients;
mod commands;
mod flags;
mod follower;
mod handshakes;
mod reload;
mod upstream;
mod users;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use prost::Message;
use rcgen::{CertificateParams, DnType, SanType};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tonic::{Code, Status};

use crate::certificates::Certificates;
use crate::rpc::raw::{SERVICE, frame};
use crate::support::{LIMIT, Server, command};

type Own = (PathBuf, PathBuf);

const ROOT: Option<&str> = Some("root:Milvus");

/// The command that starts a server in memory with this certificate.
fn secure((certificate, key): &Own) -> Command {
    let mut command = command("memory:");
    command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
    command
}

/// The same, and clients have to show a certificate that `ca` signed.
fn mutual(own: &Own, ca: &Path) -> Command {
    let mut command = secure(own);
    command.arg("--tls-client-ca").arg(ca);
    command
}

/// The certificate of a client with that common name and those alternative names.
fn named(common: &str, alternative: &[SanType]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common);
    params.subject_alt_names = alternative.to_vec();
    params
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// How a client connects.
#[derive(Clone)]
struct Way {
    ca: PathBuf,
    own: Option<Own>,
    protocols: Vec<Vec<u8>>,
    version: &'static SupportedProtocolVersion,
}

impl Way {
    fn trusting(ca: PathBuf) -> Self {
        Self { ca, own: None, protocols: vec![b"h2".to_vec()], version: &version::TLS13 }
    }

    fn showing(self, own: &Own) -> Self {
        Self { own: Some(own.clone()), ..self }
    }

    fn speaking(self, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { protocols, ..self }
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_file(certificate).unwrap();
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.clone();
        config
    }

    async fn connect(&self, server: &Server) -> Result<TlsStream<TcpStream>, String> {
        over(self.config().into(), server).await
    }

    /// HTTP/2 on a connection of its own.
    async fn open(&self, server: &Server) -> Result<Line, String> {
        let stream = self.connect(server).await?;
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
        let (send, connection) = h2::client::handshake(stream).await.map_err(|e| e.to_string())?;
        let ended = tokio::spawn(async move { connection.await.map_err(|e| e.to_string()) });
        Ok(Line { send, certificate, ended })
    }

    /// One call on a connection of its own.
    async fn call(
        &self,
        server: &Server,
        login: Option<&str>,
        method: &str,
        message: &impl Message,
    ) -> Result<Told, String> {
        self.open(server).await?.call(login, &path(method), message).await
    }

    /// Whether `GetVersion` is answered, and else why not.
    async fn knocks(&self, server: &Server, login: Option<&str>) -> Result<(), String> {
        let told = self.call(server, login, "GetVersion", &()).await?;
        if told.code == Code::Ok { Ok(()) } else { Err(told.text) }
    }
}

async fn over(config: Arc<ClientConfig>, server: &Server) -> Result<TlsStream<TcpStream>, String> {
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connected = timeout(LIMIT, TlsConnector::from(config).connect(name, stream)).await;
    connected.unwrap().map_err(|e| e.to_string())
}

fn path(method: &str) -> String {
    format!("{SERVICE}{method}")
}

/// One connection, and no other in its place.
struct Line {
    send: SendRequest<Bytes>,
    /// The server's.
    certificate: CertificateDer<'static>,
    ended: JoinHandle<Result<(), String>>,
}

/// What a call was told.
#[derive(Debug)]
struct Told {
    code: Code,
    text: String,
    body: Bytes,
}

impl Told {
    /// The messages of the answer.
    fn messages<M: Message + Default>(&self) -> Vec<M> {
        assert_eq!(self.code, Code::Ok, "{self:?}");
        let (mut rest, mut messages) = (&self.body[..], Vec::new());
        while let Some((head, after)) = rest.split_at_checked(5) {
            let length = u32::from_be_bytes(head[1..].try_into().unwrap());
            let (message, left) = after.split_at(length.try_into().unwrap());
            messages.push(M::decode(message).unwrap());
            rest = left;
        }
        messages
    }

    /// The one message of the answer.
    fn message<M: Message + Default>(&self) -> M {
        self.messages().pop().unwrap()
    }

    /// The call went well, by the status in its answer too.
    fn succeeded(&self) {
        let status: milvus_rbac::rpc::proto::common::Status = self.message();
        assert_eq!((status.code, &*status.reason), (0, ""));
    }
}

impl Line {
    async fn begin(
        &self,
        login: Option<&str>,
        path: &str,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), String> {
        let mut request = Request::post(format!("https://x{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(login) = login {
            request = request.header("authorization", STANDARD.encode(login));
        }
        let ready = timeout(LIMIT, self.send.clone().ready()).await.unwrap();
        let mut ready = ready.map_err(|e| e.to_string())?;
        ready.send_request(request.body(()).unwrap(), false).map_err(|e| e.to_string())
    }

    async fn call(
        &self,
        login: Option<&str>,
        path: &str,
        message: &impl Message,
    ) -> Result<Told, String> {
        let (answer, mut body) = self.begin(login, path).await?;
        body.send_data(frame(&message.encode_to_vec()), true).map_err(|e| e.to_string())?;
        told(answer).await
    }

    /// The connection ends; whether its calls had been answered is another question.
    async fn ends(self) {
        // Without one who may send, it would end by itself.
        let _open = self.send;
        let _ = timeout(LIMIT, self.ended).await.unwrap().unwrap();
    }
}

async fn told(answer: ResponseFuture) -> Result<Told, String> {
    let answer = timeout(LIMIT, answer).await.unwrap().map_err(|e| e.to_string())?;
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = next(&mut body).await {
        bytes.extend_from_slice(&data?);
    }
    let trailers = body.trailers().await.map_err(|e| e.to_string())?;
    let status = Status::from_header_map(&head.headers)
        .or_else(|| Status::from_header_map(&trailers?))
        .ok_or_else(|| format!("no gRPC status: {head:?}"))?;
    let (code, text) = (status.code(), status.message().to_owned());
    Ok(Told { code, text, body: bytes.into() })
}

async fn next(body: &mut RecvStream) -> Option<Result<Bytes, String>> {
    let data = timeout(LIMIT, body.data()).await.unwrap()?;
    Some(data.map_err(|e| e.to_string()).inspect(|data| {
        let _ = body.flow_control().release_capacity(data.len());
    }))
}

/// Waits until it is so, for a bounded time.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !so().await {
        assert!(Instant::now() < give_up, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A file that takes what a server logs.
fn log(command: &mut Command, folder: &TempDir) -> PathBuf {
    let file = folder.path().join("log");
    command.stderr(File::create(&file).unwrap());
    file
}

/// Puts other files where `own` are, each at once.
fn replace(own: &Own, with: &Own) {
    for (to, from) in [(&own.0, &with.0), (&own.1, &with.1)] {
        let beside = to.with_extension("new");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(&beside, to).unwrap();
    }
}

/// What curl says: its exit code, and the body.
fn curl(args: &[&str]) -> (i32, String) {
    let fixed = ["-s", "--max-time", "20"];
    let output = Command::new("curl").args(fixed).args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// What is inside a PEM file, without its frame: as it would stand in a log.
fn secret(key: &Path) -> String {
    let text = std::fs::read_to_string(key).unwrap();
    text.lines().nth(1).unwrap().to_owned()
}

/// A server's certificate, its authority, and the way there.
fn scene() -> (Certificates, Own, Way) {
    let certificates = Certificates::new();
    let own = certificates.issue("server");
    let way = Way::trusting(certificates.ca());
    (certificates, own, way)
}
