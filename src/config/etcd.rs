//! The etcd that is meant by `--store etcd://H1:2379,H2:2379/ROOT` and the flags beside it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::http::uri::Authority;
use clap::Args;

use super::tls::TlsFlags;
use crate::storage::etcd::Target;

/// etcd's own default.
const MAX_TXN_OPS: usize = 128;
/// One change takes several operations.
const FEWEST_TXN_OPS: usize = 16;

/// The flags of a store in an etcd.
#[derive(Debug, Default, Args)]
pub(super) struct EtcdFlags {
    /// Holds `user:password` for etcd. This and the other files are read with each connection.
    #[arg(long, env = "MILVUS_RBAC_ETCD_USER_FILE", value_name = "FILE")]
    etcd_user_file: Option<PathBuf>,
}

impl EtcdFlags {
    /// For stores elsewhere.
    pub(super) fn refuse(&self) -> Result<(), String> {
        match self.etcd_user_file {
            Some(_) => Err("--etcd-user-file needs --store etcd:// or etcds://".to_owned()),
            None => Ok(()),
        }
    }
}

/// What `url`, `etcd:` or `etcds:` left out, means.
pub(super) fn target(
    url: &str,
    secure: bool,
    flags: &EtcdFlags,
    tls: &TlsFlags,
) -> Result<Target, String> {
    let scheme = if secure { "etcds" } else { "etcd" };
    let wrong = |why: String| {
        format!(
            "--store: {why}; what is wanted looks like {scheme}://HOST:2379,HOST:2379/by-dev/meta"
        )
    };
    let rest =
        url.strip_prefix("//").ok_or_else(|| wrong(format!("`{scheme}:{url}` names no host")))?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(r, q)| (r, Some(q)));
    let (hosts, root) = rest.split_once('/').unwrap_or((rest, ""));
    let endpoints: Vec<String> = hosts.split(',').map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    for host in &endpoints {
        let authority = host.parse::<Authority>().ok();
        let usable = |a: &Authority| a.port_u16().is_some_and(|port| port > 0);
        if host.contains('@') || !authority.as_ref().is_some_and(usable) {
            return Err(wrong(if host.contains('@') {
                "the user and the password are not part of it but of --etcd-user-file".to_owned()
            } else {
                format!("`{host}` is not HOST:PORT")
            }));
        }
        if !seen.insert(host) {
            return Err(wrong(format!("`{host}` is there twice")));
        }
    }
    // A slash at the end is what paths may have.
    let root = root.strip_suffix('/').unwrap_or(root);
    if root.is_empty() {
        return Err(wrong("there is no root, under which Milvus keeps its metadata".to_owned()));
    }
    if root.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(wrong(format!("the root `{root}` has an empty part, or one of dots")));
    }
    let max_txn_ops = match query {
        None => MAX_TXN_OPS,
        Some(query) => query
            .strip_prefix("max-txn-ops=")
            .and_then(|n| n.parse().ok())
            .filter(|n| *n >= FEWEST_TXN_OPS)
            .ok_or_else(|| {
                wrong(format!("`?{query}` is not ?max-txn-ops=N with {FEWEST_TXN_OPS} or more"))
            })?,
    };
    let tls = tls.files(secure)?;
    let root = root.to_owned();
    let user_file = flags.etcd_user_file.clone();
    let target = Target { endpoints, root, max_txn_ops, user_file, tls };
    target.check().map_err(|e| format!("--store {scheme}: {e}"))?;
    Ok(target)
}
