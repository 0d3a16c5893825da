//! The etcd that is meant by `--store etcd://H1:2379,H2:2379/ROOT` and the flags beside it.

use std::collections::BTreeSet;

use axum::http::uri::Authority;

use super::store::StoreFlags;
use crate::storage::etcd::Target;

/// etcd's own defaults.
const MAX_TXN_OPS: usize = 128;
const MAX_REQUEST_BYTES: usize = 3 << 19;
/// One change takes several operations, …
const FEWEST_TXN_OPS: usize = 16;
/// … and its names and values some room.
const FEWEST_REQUEST_BYTES: usize = 128 << 10;

/// What `url` behind `flag`, `etcd:` or `etcds:` left out, means.
pub(super) fn target(
    flag: &str,
    url: &str,
    secure: bool,
    flags: &StoreFlags,
) -> Result<Target, String> {
    let scheme = if secure { "etcds" } else { "etcd" };
    let wrong = |why: String| {
        format!(
            "{flag}: {why}; what is wanted looks like {scheme}://HOST:2379,HOST:2379/by-dev/meta"
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
                "the user and the password are not part of it but of --store-login-file".to_owned()
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
    let (mut max_txn_ops, mut max_request_bytes) = (MAX_TXN_OPS, MAX_REQUEST_BYTES);
    for limit in query.into_iter().flat_map(|query| query.split('&')) {
        let (name, number) = limit.split_once('=').unwrap_or((limit, ""));
        match (name, number.parse()) {
            ("max-txn-ops", Ok(number @ FEWEST_TXN_OPS..)) => max_txn_ops = number,
            ("max-request-bytes", Ok(number @ FEWEST_REQUEST_BYTES..)) => {
                max_request_bytes = number
            }
            _ => {
                return Err(wrong(format!(
                    "`{limit}` is not ?max-txn-ops=N with {FEWEST_TXN_OPS} or more, nor \
                     ?max-request-bytes=N with {FEWEST_REQUEST_BYTES} or more"
                )));
            }
        }
    }
    let tls = flags.tls.files(secure)?;
    let root = root.to_owned();
    let login_file = flags.store_login_file.clone();
    let target = Target { endpoints, root, max_txn_ops, max_request_bytes, login_file, tls };
    target.check().map_err(|e| format!("{flag} {scheme}: {e}"))?;
    Ok(target)
}
