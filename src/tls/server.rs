//! Connections from others: what they are shown, and what they have to show. The files that say so are
//! read again when they change, and connections go on undisturbed, unless what a client has shown
//! counts no more.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};
use tracing::{info, warn};

use super::subject::{self, Certified, NamedBy};
use super::{HTTP_1, HTTP_2, certificates, private_key, within};

/// How often the files are looked at. What they hold counts once two looks in a row see the same.
const LOOK: Duration = Duration::from_secs(1);
/// How long a certificate that was shown is believed at most before it is looked at again: clocks may
/// be set.
const BELIEVED: Duration = Duration::from_secs(60);

/// PEM files, and the flags that name them.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// What clients are shown.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates that clients have to show, if they have to.
    pub client_ca: Option<PathBuf>,
    /// Where those name the user who calls, if they do.
    pub client_user: Option<NamedBy>,
}

/// What the files hold.
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What tells one set of contents from another.
type Fingerprint = [u8; 32];

/// What holds for connections.
#[derive(Clone)]
pub struct Terms {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    user: Option<NamedBy>,
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Files that were read, and what they held.
#[derive(Debug)]
pub struct ServerTls {
    files: ServerFiles,
    terms: Terms,
    known: Fingerprint,
}

/// What a client has shown.
#[derive(Debug)]
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    /// The user whom it names, where that counts.
    pub certified: Option<Certified>,
}

impl ServerFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or does not hold what it should; it is named, and its flag.
    pub fn open(self) -> Result<ServerTls, String> {
        let texts = self.texts()?;
        Ok(ServerTls { terms: self.terms(&texts)?, known: texts.fingerprint(), files: self })
    }

    fn texts(&self) -> Result<Texts, String> {
        let read = |flag, file: &Path| super::read(file).map_err(|e| format!("{flag} {e}"));
        Ok(Texts {
            certificate: read("--tls-cert", &self.certificate)?,
            key: read("--tls-key", &self.key)?,
            client_ca: self
                .client_ca
                .as_deref()
                .map(|file| read("--tls-client-ca", file))
                .transpose()?,
        })
    }

    fn terms(&self, texts: &Texts) -> Result<Terms, String> {
        let provider = Arc::new(ring::default_provider());
        let clients = match self.client_ca.as_deref().zip(texts.client_ca.as_deref()) {
            Some((file, text)) => {
                let wrong = |e: &dyn fmt::Display| format!("--tls-client-ca {}", within(file, e));
                let mut roots = RootCertStore::empty();
                for certificate in certificates(text).map_err(|e| wrong(&e))? {
                    roots.add(certificate).map_err(|e| wrong(&e))?;
                }
                let roots = Arc::new(roots);
                let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
                Some(builder.build().map_err(|e| wrong(&e))?)
            }
            None => None,
        };
        let wrong = |e: &dyn fmt::Display| format!("--tls-cert {}", within(&self.certificate, e));
        let shown = certificates(&texts.certificate).map_err(|e| wrong(&e))?;
        let key = private_key(&texts.key);
        let key = key.map_err(|e| format!("--tls-key {}", within(&self.key, e)))?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(clients.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(shown, key).map_err(|e| match e {
            Error::InconsistentKeys(_) => format!(
                "--tls-key {}",
                within(&self.key, format!("it is not the key of {}", self.certificate.display()))
            ),
            e => wrong(&e),
        })?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        if clients.is_some() {
            // INVARIANT: a client shows its certificate with each connection; a session that is
            // resumed would be believed without. Defended by `tests/it/tls/clients.rs`.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Terms { config: Arc::new(config), clients, user: self.client_user })
    }
}

impl Texts {
    fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        for text in [&self.certificate, &self.key].into_iter().chain(&self.client_ca) {
            hasher.update(text.len().to_le_bytes());
            hasher.update(text);
        }
        hasher.finalize().into()
    }
}

impl ServerTls {
    /// What holds, now and whenever the files have changed.
    pub fn keep(self) -> watch::Receiver<Arc<Terms>> {
        let Self { files, terms, known } = self;
        let (current, terms) = watch::channel(Arc::new(terms));
        tokio::spawn(look(files, known, current));
        terms
    }
}

/// Follows the files for as long as somebody wants to know.
async fn look(files: ServerFiles, known: Fingerprint, current: watch::Sender<Arc<Terms>>) {
    let (mut known, mut seen) = (Ok(known), None);
    loop {
        tokio::select! {
            () = current.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let reading = files.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || reading.texts()).await else { continue };
        let found = read.as_ref().map(Texts::fingerprint).map_err(Clone::clone);
        if found == known {
            seen = None;
            continue;
        }
        // INVARIANT: a certificate whose key is still being written is not taken for a broken one.
        if seen.as_ref() != Some(&found) {
            seen = Some(found);
            continue;
        }
        (known, seen) = (found, None);
        // INVARIANT: files with anything wrong in them change nothing. Defended by
        // `tests/it/tls/reload.rs`.
        match read.and_then(|texts| files.terms(&texts)) {
            Ok(terms) => {
                current.send_replace(Arc::new(terms));
                info!(certificate = %files.certificate.display(), "new connections see new certificates");
            }
            Err(e) => warn!("{e}; what was read before stays in force"),
        }
    }
}

impl Terms {
    /// Takes new connections.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// What is to be made of a chain that was accepted.
    pub fn shown(&self, chain: Vec<CertificateDer<'static>>) -> Shown {
        let certified = self.user.zip(chain.first()).map(|(by, own)| by.user(own));
        Shown { chain, certified }
    }

    fn accepts(&self, chain: &[CertificateDer<'static>]) -> Result<(), Error> {
        match (&self.clients, chain) {
            (Some(clients), [own, between @ ..]) => {
                clients.verify_client_cert(own, between, UnixTime::now()).map(drop)
            }
            (Some(_), []) => Err(Error::NoCertificatesPresented),
            (None, _) => Ok(()),
        }
    }
}

impl Shown {
    /// Ends when what was shown counts no more, though it did by the `terms` that were seen last:
    /// they have changed, or it has expired. Tells why.
    ///
    /// INVARIANT: no connection outlives the trust in its certificate. Defended by
    /// `tests/it/tls/clients.rs`.
    pub async fn distrusted(&self, terms: &mut watch::Receiver<Arc<Terms>>) -> Error {
        loop {
            tokio::select! {
                Ok(()) = terms.changed() => {}
                () = tokio::time::sleep(self.believed()) => {}
            }
            let current = terms.borrow_and_update().clone();
            if let Err(e) = current.accepts(&self.chain) {
                return e;
            }
        }
    }

    /// Until a certificate expires, or for the longest time.
    fn believed(&self) -> Duration {
        let now = UnixTime::now().as_secs();
        let expiries = self.chain.iter().filter_map(subject::expiry);
        let expiries = expiries.filter_map(|expiry| u64::try_from(expiry).ok());
        // At that very second it still holds.
        let left = expiries.filter_map(|expiry| (expiry + 1).checked_sub(now));
        left.filter(|left| *left > 0).min().map_or(BELIEVED, Duration::from_secs).min(BELIEVED)
    }
}
