//! How a store elsewhere is reached: `etcd://`, `etcds://`, `follow://` and `follows://`.

use std::path::PathBuf;

use clap::Args;

use crate::storage::Login;
use crate::tls::{TlsFiles, pair};

/// The flags of a store elsewhere.
#[derive(Debug, Default, Clone, Args)]
pub(super) struct StoreFlags {
    /// Holds `user:password`, who this instance is to its store: to etcd, or to the instance that it
    /// follows.
    #[arg(long, env = "MILVUS_RBAC_STORE_LOGIN_FILE", value_name = "FILE")]
    pub(super) store_login_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) tls: TlsFlags,
}

/// The flags of a store that is reached over TLS.
#[derive(Debug, Default, Clone, Args)]
pub(super) struct TlsFlags {
    /// Who signs the certificates of the store, for `etcds:` and `follows:`; without it, whom the
    /// system trusts. This and the other two are read with each connection.
    #[arg(long, env = "MILVUS_RBAC_STORE_CA", value_name = "FILE")]
    store_ca: Option<PathBuf>,
    /// The certificate shown to the store.
    #[arg(long, env = "MILVUS_RBAC_STORE_CERT", value_name = "FILE")]
    store_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, env = "MILVUS_RBAC_STORE_KEY", value_name = "FILE")]
    store_key: Option<PathBuf>,
}

impl StoreFlags {
    /// For stores that are here.
    pub(super) fn refuse(&self) -> Result<(), String> {
        if self.store_login_file.is_some() {
            return Err("--store-login-file is for a store that asks who this is: etcd:// and \
                        follow://, or these with TLS"
                .to_owned());
        }
        self.tls.refuse()
    }

    /// For two etcds, of which those that are `secure` have TLS.
    pub(super) fn refuse_for_two(&self, secure: &[bool; 2]) -> Result<(), String> {
        let login = self.store_login_file.as_ref().map(|_| "--store-login-file");
        let tls = || self.tls.given().filter(|_| *secure == [true, true]);
        match login.or_else(tls) {
            Some(flag) => Err(format!(
                "{flag} is for one etcd, and here are two: copy into a folder first, and then from \
                 there"
            )),
            None => Ok(()),
        }
    }

    pub(super) fn login(&self) -> Result<Option<Login>, String> {
        self.store_login_file.as_deref().map(Login::read).transpose()
    }
}

impl TlsFlags {
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--store-ca", &self.store_ca),
            ("--store-cert", &self.store_cert),
            ("--store-key", &self.store_key),
        ];
        flags.iter().find(|(_, file)| file.is_some()).map(|(flag, _)| *flag)
    }

    /// For stores without TLS.
    pub(super) fn refuse(&self) -> Result<(), String> {
        match self.given() {
            Some(flag) => Err(format!("{flag} needs a store with TLS: etcds:// or follows://")),
            None => Ok(()),
        }
    }

    /// The files of a store that is `secure`, which hold what they should; none for others.
    pub(super) fn files(&self, secure: bool) -> Result<Option<TlsFiles>, String> {
        if !secure {
            return self.refuse().map(|()| None);
        }
        let own = pair("--store-", &self.store_cert, &self.store_key)?;
        let files = TlsFiles { ca: self.store_ca.clone(), own };
        files.read()?;
        Ok(Some(files))
    }
}
