//! TLS towards the store: `etcds://` and `follows://`.

use std::path::PathBuf;

use clap::Args;

use crate::tls::TlsFiles;

/// The flags of a store that is reached over TLS.
#[derive(Debug, Default, Args)]
pub(super) struct TlsFlags {
    /// Who signs the certificates of the store, for `etcds:` and `follows:`; without it, whom the
    /// system trusts. This and the other files are read with each connection.
    #[arg(long, env = "MILVUS_RBAC_STORE_CA", value_name = "FILE")]
    store_ca: Option<PathBuf>,
    /// The certificate shown to the store.
    #[arg(long, env = "MILVUS_RBAC_STORE_CERT", value_name = "FILE")]
    store_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, env = "MILVUS_RBAC_STORE_KEY", value_name = "FILE")]
    store_key: Option<PathBuf>,
}

impl TlsFlags {
    /// For stores without TLS.
    pub(super) fn refuse(&self) -> Result<(), String> {
        let given = [
            ("--store-ca", &self.store_ca),
            ("--store-cert", &self.store_cert),
            ("--store-key", &self.store_key),
        ];
        match given.iter().find(|(_, file)| file.is_some()) {
            Some((flag, _)) => Err(format!("{flag} needs --store etcds:// or follows://")),
            None => Ok(()),
        }
    }

    /// The files of a store that is `secure`, which hold what they should; none for others.
    pub(super) fn files(&self, secure: bool) -> Result<Option<TlsFiles>, String> {
        if !secure {
            return self.refuse().map(|()| None);
        }
        let own = match (&self.store_cert, &self.store_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err("--store-cert needs --store-key".to_owned()),
            (None, Some(_)) => return Err("--store-key needs --store-cert".to_owned()),
        };
        let files = TlsFiles { ca: self.store_ca.clone(), own };
        files.read()?;
        Ok(Some(files))
    }
}
