//! The server that is asked: where it is, who asks, and what it answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http::uri::Authority;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::Failure;
use super::output::plain;
use crate::passwords::read_file;
use crate::rpc::proto::access::access_service_client::AccessServiceClient;
use crate::rpc::proto::common;
use crate::rpc::proto::service::milvus_service_client::MilvusServiceClient;
use crate::tls::{self, Tls, TlsFiles, address, pair};

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take: restores of large backups take longest.
const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer that is read.
const MAX_ANSWER: usize = 256 << 20;

/// Which server is asked, by whom.
#[derive(Debug, Args)]
pub struct ServerFlags {
    /// Where the server is: `http://HOST:PORT`, with TLS `https://HOST:PORT`.
    #[arg(long, env = "MILVUS_URI", default_value = "http://127.0.0.1:19530", value_name = "URI")]
    uri: String,
    /// `user:password`. Whoever lists processes sees it: better in the environment, or in a file.
    #[arg(long, env = "MILVUS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// A file that holds it, which no listing of processes shows.
    #[arg(
        long,
        env = "MILVUS_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with = "token",
        value_parser = token_in
    )]
    token_file: Option<String>,
    /// Who signs the server's certificate; without it, whom the system trusts.
    #[arg(long, env = "MILVUS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our own certificate, for a server that wants one; where it names the user, no token is needed.
    #[arg(long, env = "MILVUS_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, env = "MILVUS_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
}

fn token_in(file: &str) -> Result<String, String> {
    String::from_utf8(read_file(Path::new(file))?).map_err(|_| format!("{file}: it is not text"))
}

/// A connection.
#[derive(Debug)]
pub(super) struct Server {
    channel: InterceptedService<Channel, Login>,
}

/// What each call shows.
#[derive(Debug, Clone)]
pub(super) struct Login(Option<AsciiMetadataValue>);

impl Interceptor for Login {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.set_timeout(ANSWER);
        if let Self(Some(login)) = self {
            request.metadata_mut().insert("authorization", login.clone());
        }
        Ok(request)
    }
}

impl ServerFlags {
    /// Where the server is.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Connects.
    ///
    /// # Errors
    /// The flags are no address and no login, or nobody answers there.
    pub(super) async fn connect(&self) -> Result<Server, Failure> {
        let (authority, secure) = address("--uri", &self.uri)?;
        let tls = tls(secure, self.files()?)?;
        let login = match self.token() {
            None => None,
            Some(token) if token.contains(':') => {
                let mut login = AsciiMetadataValue::try_from(STANDARD.encode(token))
                    .map_err(|_| "--token cannot be sent".to_owned())?;
                login.set_sensitive(true);
                Some(login)
            }
            Some(_) => return Err("--token is not user:password".to_owned()),
        };
        let channel = reach(&authority, tls, CONNECT).await?;
        Ok(Server { channel: InterceptedService::new(channel, Login(login)) })
    }

    fn files(&self) -> Result<TlsFiles, Failure> {
        let own = pair("--", &self.cert, &self.key)?;
        Ok(TlsFiles { ca: self.ca.clone(), own })
    }

    /// Who asks, as far as that is in the token.
    pub(super) fn user(&self) -> Option<&str> {
        self.token().and_then(|token| token.split(':').next())
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref().or(self.token_file.as_deref())
    }
}

/// Whom to trust and what to show, where the server is asked over TLS.
///
/// # Errors
/// There is nobody to be trusted, or a file does not hold what it should, or is for nothing.
pub(super) fn tls(secure: bool, files: TlsFiles) -> Result<Option<Tls>, Failure> {
    match files {
        files if secure => files.read().map(Some),
        TlsFiles { ca: Some(_), .. } => Err("--ca needs --uri https://".to_owned()),
        TlsFiles { own: Some(_), .. } => Err("--cert needs --uri https://".to_owned()),
        TlsFiles { ca: None, own: None } => Ok(None),
    }
}

/// Connects, within `limit`.
///
/// # Errors
/// Nobody answers there, or not whom we trust.
pub(super) async fn reach(
    authority: &Authority,
    tls: Option<Tls>,
    limit: Duration,
) -> Result<Channel, Failure> {
    let channel = tls::channel(authority, tls, |to| to.connect_timeout(limit)).await;
    channel.map_err(|e| {
        let mut causes = vec![e.to_string()];
        let mut cause = e.source();
        while let Some(e) = cause {
            causes.push(e.to_string());
            cause = e.source();
        }
        causes.dedup();
        format!("{authority} cannot be reached: {}", causes.join(": "))
    })
}

impl Server {
    /// Milvus' own calls.
    pub(super) fn milvus(&self) -> MilvusServiceClient<InterceptedService<Channel, Login>> {
        MilvusServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    /// Ours.
    pub(super) fn access(&self) -> AccessServiceClient<InterceptedService<Channel, Login>> {
        AccessServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }
}

/// What a person is told of a call that was refused.
pub(super) fn refused(status: &Status) -> Failure {
    match status.message() {
        "" => status.code().to_string(),
        text => plain(text),
    }
}

/// What the `Status` in an answer says.
///
/// # Errors
/// The server refused; its reason.
pub(super) fn accepted(status: Option<common::Status>) -> Result<(), Failure> {
    let status = status.unwrap_or_default();
    // Servers before 2.3 have the older code alone.
    if status.code == 0 && status.error_code == 0 { Ok(()) } else { Err(status.reason) }
}
