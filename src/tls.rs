//! Connections to others, with TLS or without; in [`server`] what others are shown who connect, and in
//! [`subject`] who they are.

pub mod server;
pub mod subject;

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Channel, Endpoint};
use tracing::warn;

/// What is spoken inside.
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// PEM files. They are read with each connection, so that they can be replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signs the other side's certificate; none for whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// What the files held.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or does not hold what it should; it is named.
    pub fn read(&self) -> Result<Tls, String> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(file) => {
                for certificate in certificates(&read(file)?).map_err(|e| within(file, e))? {
                    roots.add(certificate).map_err(|e| within(file, e))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    warn!(%error, "a certificate of the system's cannot be read");
                }
                if roots.add_parsable_certificates(found.certs).0 == 0 {
                    return Err("the system trusts nobody, as far as can be seen".to_owned());
                }
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
        let mut config = match &self.own {
            Some((certificate, key)) => {
                let shown = certificates(&read(certificate)?);
                let shown = shown.map_err(|e| within(certificate, e))?;
                let secret = private_key(&read(key)?).map_err(|e| within(key, e))?;
                let wrong = |e| within(certificate, e);
                builder.with_client_auth_cert(shown, secret).map_err(wrong)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_2.to_vec()];
        Ok(Tls(Arc::new(config)))
    }
}

impl Tls {
    /// The same, for HTTP/1.1.
    #[must_use]
    pub fn for_http1(self) -> Self {
        let mut config = Arc::unwrap_or_clone(self.0);
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Self(Arc::new(config))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|e| within(file, e))
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or("it holds no certificate in PEM form")
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(text).map_err(|_| "it holds no private key in PEM form")
}

fn within(file: &Path, wrong: impl fmt::Display) -> String {
    format!("{}: {wrong}", file.display())
}

/// `HOST:PORT` of the URL that `flag` gave, and whether it has TLS.
///
/// # Errors
/// It is none of these.
pub fn address(flag: &str, url: &str) -> Result<(Authority, bool), String> {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.path() == "/");
    let secure = uri.as_ref().and_then(|uri| match uri.scheme_str() {
        Some("http") => Some(false),
        Some("https") => Some(true),
        _ => None,
    });
    uri.and_then(|uri| uri.authority().cloned())
        .filter(|authority| authority.port().is_some() && !authority.as_str().contains('@'))
        .zip(secure)
        .ok_or_else(|| format!("{flag}: `{url}` is not http://HOST:PORT or https://HOST:PORT"))
}

/// A certificate and its key, by the flags that begin with `prefix`; both or none.
///
/// # Errors
/// One is there without the other.
pub fn pair(
    prefix: &str,
    certificate: &Option<PathBuf>,
    key: &Option<PathBuf>,
) -> Result<Option<(PathBuf, PathBuf)>, String> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(format!("{prefix}cert needs {prefix}key")),
        (None, Some(_)) => Err(format!("{prefix}key needs {prefix}cert")),
    }
}

/// Either kind of connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection for Box<dyn Stream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Connects to `authority`, `HOST:PORT`.
///
/// # Errors
/// Nobody listens there, or it is not who it should be.
pub async fn connect(authority: &Authority, tls: Option<&Tls>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(authority.as_str()).await?;
    stream.set_nodelay(true)?;
    let Some(Tls(config)) = tls else { return Ok(Box::new(stream)) };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config.clone()).connect(host, stream).await?;
    let spoken = stream.get_ref().1.alpn_protocol();
    if spoken != Some(HTTP_2) && config.alpn_protocols.iter().any(|protocol| protocol == HTTP_2) {
        return Err(io::Error::other("what answers there does not speak HTTP/2 over TLS"));
    }
    Ok(Box::new(stream))
}

/// Connects to `authority`, by the settings that `with` adds.
///
/// # Errors
/// See [`connect`].
pub async fn channel(
    authority: &Authority,
    tls: Option<Tls>,
    with: impl FnOnce(Endpoint) -> Endpoint,
) -> Result<Channel, Box<dyn Error + Send + Sync>> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = with(Endpoint::from_shared(format!("{scheme}://{authority}"))?);
    let authority = authority.clone();
    let connector = tower::service_fn(move |_| {
        let (authority, tls) = (authority.clone(), tls.clone());
        async move { connect(&authority, tls.as_ref()).await.map(TokioIo::new) }
    });
    Ok(endpoint.connect_with_connector(connector).await?)
}
