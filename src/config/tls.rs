//! TLS: of the data port, and towards others.

use std::path::PathBuf;

use clap::Args;

use crate::tls::server::{ServerFiles, ServerTls};
use crate::tls::subject::NamedBy;
use crate::tls::{TlsFiles, pair};

/// The flags of a data port with TLS.
#[derive(Debug, Args)]
pub(super) struct ServerTlsFlags {
    /// The certificate of the data port, in PEM form, with those between it and its authority. The
    /// port then speaks TLS only. This and the next two are read again when they change.
    #[arg(long, env = "MILVUS_RBAC_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, env = "MILVUS_RBAC_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Who signs the certificates of clients, which they then have to show.
    #[arg(long, env = "MILVUS_RBAC_TLS_CLIENT_CA", value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Where a client's certificate names the user who calls, for whom no password is needed then:
    /// its one subject alternative name, or its one common name.
    #[arg(long, env = "MILVUS_RBAC_TLS_CLIENT_USER", value_name = "WHERE")]
    tls_client_user: Option<NamedBy>,
}

impl ServerTlsFlags {
    /// What the files hold; none for a port without TLS.
    pub(super) fn open(self) -> Result<Option<ServerTls>, String> {
        if self.tls_client_user.is_some() && self.tls_client_ca.is_none() {
            return Err("--tls-client-user needs --tls-client-ca".to_owned());
        }
        if self.tls_client_ca.is_some() && self.tls_cert.is_none() {
            return Err("--tls-client-ca needs --tls-cert".to_owned());
        }
        let Some((certificate, key)) = pair("--tls-", &self.tls_cert, &self.tls_key)? else {
            return Ok(None);
        };
        let (client_ca, client_user) = (self.tls_client_ca, self.tls_client_user);
        ServerFiles { certificate, key, client_ca, client_user }.open().map(Some)
    }
}

/// The flags of a Milvus behind that is reached over TLS.
#[derive(Debug, Args)]
pub(super) struct UpstreamTlsFlags {
    /// Who signs the certificates of an upstream that is reached by `https:`; without it, whom the
    /// system trusts. This and the other two are read with each connection.
    #[arg(long, env = "MILVUS_RBAC_UPSTREAM_CA", value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// The certificate shown to the upstream.
    #[arg(long, env = "MILVUS_RBAC_UPSTREAM_CERT", value_name = "FILE")]
    upstream_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, env = "MILVUS_RBAC_UPSTREAM_KEY", value_name = "FILE")]
    upstream_key: Option<PathBuf>,
}

impl UpstreamTlsFlags {
    /// The files, which hold what they should, of an upstream that is `secure` in one of its parts;
    /// none for others.
    pub(super) fn files(&self, secure: bool) -> Result<Option<TlsFiles>, String> {
        if !secure {
            let given = [
                ("--upstream-ca", &self.upstream_ca),
                ("--upstream-cert", &self.upstream_cert),
                ("--upstream-key", &self.upstream_key),
            ];
            return match given.iter().find(|(_, file)| file.is_some()) {
                Some((flag, _)) => {
                    Err(format!("{flag} needs --upstream https:// or --upstream-rest https://"))
                }
                None => Ok(None),
            };
        }
        let own = pair("--upstream-", &self.upstream_cert, &self.upstream_key)?;
        let files = TlsFiles { ca: self.upstream_ca.clone(), own };
        files.read().map_err(|e| format!("--upstream-ca, --upstream-cert, --upstream-key: {e}"))?;
        Ok(Some(files))
    }
}
