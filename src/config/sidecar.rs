//! The sidecar: which Milvus is behind the gate, and how its calls are decided.

use std::fs;

use axum::http::uri::Authority;
use clap::Args;

use super::Switch;
use super::tls::UpstreamTlsFlags;
use crate::gate::Credentials;
use crate::tls::{TlsFiles, address};

/// The flags of the sidecar.
#[derive(Debug, Args)]
pub(super) struct SidecarFlags {
    /// Forward calls that are allowed and not answered here to this Milvus: `http://HOST:PORT`, with
    /// TLS `https://HOST:PORT`.
    #[arg(long, env = "MILVUS_RBAC_UPSTREAM", value_name = "URL")]
    pub(super) upstream: Option<String>,
    /// Credentials towards the upstream: `none`, `passthrough` or `file:F`, which holds
    /// `user:password`.
    #[arg(long, env = "MILVUS_RBAC_UPSTREAM_AUTH", default_value = "none", value_name = "HOW")]
    pub(super) upstream_auth: String,
    /// Where the upstream's REST is: `http://HOST:PORT` or `https://HOST:PORT`. Without it REST calls
    /// of the data plane are refused.
    #[arg(long, env = "MILVUS_RBAC_UPSTREAM_REST", value_name = "URL")]
    pub(super) upstream_rest: Option<String>,
    /// Whether grants on a collection cover its aliases, which the upstream is asked for.
    #[arg(long, env = "MILVUS_RBAC_RESOLVE_ALIASES", default_value = "on")]
    pub(super) resolve_aliases: Switch,
    /// Record what would be refused, and forward it all the same. Users, roles and grants stay
    /// guarded.
    #[arg(long, env = "MILVUS_RBAC_AUDIT_ONLY")]
    pub(super) audit_only: bool,
    /// Log one in so many allowed decisions: 1 for all, 0 for none. Refusals are always logged.
    #[arg(long, env = "MILVUS_RBAC_AUDIT_ALLOWED", default_value_t = 0, value_name = "N")]
    pub(super) audit_allowed: u64,
    /// Serve Envoy's external authorization on the data port, to callers without credentials.
    #[arg(long, env = "MILVUS_RBAC_EXT_AUTHZ", default_value = "off")]
    pub(super) ext_authz: Switch,
    #[command(flatten)]
    tls: UpstreamTlsFlags,
}

/// A Milvus behind the gate.
#[derive(Debug)]
pub struct Behind {
    /// `HOST:PORT` of its gRPC.
    pub authority: Authority,
    /// How that is reached, if over TLS.
    pub tls: Option<TlsFiles>,
    /// What it is shown.
    pub credentials: Credentials,
    /// `HOST:PORT` of its REST, and how that is reached.
    pub rest: Option<(Authority, Option<TlsFiles>)>,
}

impl SidecarFlags {
    pub(super) fn behind(&self) -> Result<Option<Behind>, String> {
        let authority = |flag: &str, url: &Option<String>| {
            url.as_ref().map(|url| address(flag, url)).transpose()
        };
        let rest = authority("--upstream-rest", &self.upstream_rest)?;
        let upstream = authority("--upstream", &self.upstream)?;
        let tls = self.tls.files([&upstream, &rest].into_iter().flatten().any(|to| to.1))?;
        let reached = |(authority, secure)| (authority, tls.clone().filter(|_| secure));
        let Some((upstream, tls)) = upstream.map(reached) else {
            let alone = match () {
                () if rest.is_some() => "--upstream-rest",
                () if self.audit_only => "--audit-only",
                () if self.upstream_auth != "none" => "--upstream-auth",
                () => return Ok(None),
            };
            return Err(format!("{alone} needs --upstream"));
        };
        let credentials = credentials(&self.upstream_auth)?;
        Ok(Some(Behind { authority: upstream, tls, credentials, rest: rest.map(reached) }))
    }
}

fn credentials(how: &str) -> Result<Credentials, String> {
    let flag = "--upstream-auth";
    match how.split_once(':') {
        None if how == "none" => Ok(Credentials::None),
        None if how == "passthrough" => Ok(Credentials::Passthrough),
        Some(("file", file)) => {
            let login = fs::read_to_string(file).map_err(|e| format!("{flag} {file}: {e}"))?;
            Credentials::own(login.trim_end_matches(['\r', '\n']))
                .ok_or_else(|| format!("{flag} {file}: it does not hold user:password"))
        }
        _ => Err(format!("{flag}: `{how}` is none of none, passthrough, file:F")),
    }
}
