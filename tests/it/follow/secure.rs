//! TLS between a follower and its centre, which something in front of the centre ends.

use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::certificates::Certificates;
use crate::lifecycle::fails;

/// Takes TLS, with a client's certificate, and passes on what is inside.
struct Terminator {
    address: String,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    /// The connections that are open; cut when replaced.
    open: Arc<Mutex<JoinSet<()>>>,
    task: JoinHandle<()>,
}

impl Terminator {
    async fn before(center: &str, certificates: &Certificates) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = Arc::new(Mutex::new(config(certificates)));
        let open = Arc::new(Mutex::new(JoinSet::new()));
        let (center, current, all) = (center.to_owned(), config.clone(), open.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = TlsAcceptor::from(current.lock().unwrap().clone());
                let center = center.clone();
                all.lock().unwrap().spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut center = TcpStream::connect(center).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut center).await;
                });
            }
        });
        Self { address, config, open, task }
    }

    /// From now on others are trusted, and shown.
    fn replace(&self, certificates: &Certificates) {
        *self.config.lock().unwrap() = config(certificates);
        *self.open.lock().unwrap() = JoinSet::new();
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(certificates: &Certificates) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.ca()).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let (shown, key) = certificates.issue("center");
    let shown = vec![CertificateDer::from_pem_file(shown).unwrap()];
    let builder = ServerConfig::builder_with_provider(provider);
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(shown, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// The command that starts a follower over TLS, which shows what is in `files`.
fn securely(center: &str, login: &Path, files: &Path) -> Command {
    let mut command = command(&format!("follows://{center}"));
    command.arg("--store-login-file").arg(login);
    command.arg("--store-cert").arg(files.join("us.pem"));
    command.arg("--store-key").arg(files.join("us.key"));
    command
}

/// What a follower is given, below one folder.
fn hand_over(certificates: &Certificates, files: &Path) {
    let (certificate, key) = certificates.issue("us");
    for (from, to) in [(certificates.ca(), "ca.pem"), (certificate, "us.pem"), (key, "us.key")] {
        std::fs::copy(from, files.join(to)).unwrap();
    }
}

/// A centre behind a terminator with our certificates, what its followers are given in a folder, and
/// the certificates of others.
struct Scene {
    folder: TempDir,
    ours: Certificates,
    others: Certificates,
    center: Server,
    terminator: Terminator,
    login: PathBuf,
}

async fn scene() -> Scene {
    let folder = TempDir::new().unwrap();
    let (ours, others) = (Certificates::new(), Certificates::new());
    hand_over(&ours, folder.path());
    let center = Server::start(&FLAGS);
    let terminator = Terminator::before(&center.address, &ours).await;
    let login = login_file(folder.path(), "root:Milvus");
    Scene { folder, ours, others, center, terminator, login }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_over_tls_and_its_files_may_be_replaced() {
    let Scene { folder, others, center, terminator, login, .. } = scene().await;
    let mut start = securely(&terminator.address, &login, folder.path());
    start.arg("--store-ca").arg(folder.path().join("ca.pem"));
    let follower = Server::run(&mut start);
    let (mut root, mut there) = (center.root().await, follower.root().await);
    make(&mut there, "through").await;
    assert!(roles(&mut there).await.contains(&"through".to_owned()));
    assert!(roles(&mut root).await.contains(&"through".to_owned()));

    hand_over(&others, folder.path());
    terminator.replace(&others);
    make(&mut root, "after").await;
    until(async || roles(&mut there).await.contains(&"after".to_owned()).then_some(())).await;
    until(async || there.create_role(create_role("through_too")).await.ok()).await;
    assert!(roles(&mut root).await.contains(&"through_too".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_followed_and_may_not_follow() {
    let Scene { folder, ours, others, center, terminator, login } = scene().await;
    let start = || securely(&terminator.address, &login, folder.path());
    // Without --store-ca it is the system that says who is trusted.
    fails(&mut start(), 1, "invalid peer certificate");
    drop(Server::run(start().env("SSL_CERT_FILE", ours.ca())));
    fails(start().arg("--store-ca").arg(others.ca()), 1, "invalid peer certificate");
    // Who shows nothing is let in no further, and who speaks plainly is not understood.
    let mut nobody = command(&format!("follows://{}", terminator.address));
    fails(nobody.arg("--store-ca").arg(ours.ca()), 1, "the central instance");
    fails(&mut following(&terminator.address, &login), 1, "cannot be followed for now");
    let mut plain = securely(&center.address, &login, folder.path());
    fails(plain.arg("--store-ca").arg(ours.ca()), 1, "does not answer");
}
