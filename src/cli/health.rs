//! `health`, for whatever starts and watches servers.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::output::tell;
use super::server::{reach, refused, tls};
use super::{Failure, Outcome};
use crate::tls::{TlsFiles, address};

/// Where the server beside this command has its admin port.
const ADMIN_LISTEN: &str = "MILVUS_RBAC_ADMIN_LISTEN";
const DEFAULT: &str = "http://127.0.0.1:9091";

/// The flags of `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// The port that is asked: `http://HOST:PORT`, with TLS `https://HOST:PORT`. Without it, the admin
    /// port that MILVUS_RBAC_ADMIN_LISTEN names, or else http://127.0.0.1:9091.
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// Who signs the server's certificate; without it, whom the system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// What is asked for: the server as a whole without it; `liveness` is whether it runs at all.
    #[arg(long, default_value = "", value_name = "NAME")]
    service: String,
    /// How many seconds all of it may take.
    #[arg(long, default_value_t = 3, value_name = "S",
          value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
}

impl Health {
    pub(super) async fn run(self) -> Outcome {
        let uri = match &self.uri {
            Some(uri) => uri.clone(),
            None => beside(env::var(ADMIN_LISTEN).ok().as_deref())?,
        };
        let limit = Duration::from_secs(self.timeout);
        let late = |_| Err(format!("{uri} does not answer within {} s", self.timeout));
        tokio::time::timeout(limit, self.ask(&uri, limit)).await.unwrap_or_else(late)?;
        tell("serving\n")?;
        Ok(ExitCode::SUCCESS)
    }

    async fn ask(&self, uri: &str, limit: Duration) -> Result<(), Failure> {
        let (authority, secure) = address("--uri", uri)?;
        let tls = tls(secure, TlsFiles { ca: self.ca.clone(), own: None })?;
        let channel = reach(&authority, tls, limit).await?;
        let asked = Request::new(HealthCheckRequest { service: self.service.clone() });
        let answer = HealthClient::new(channel).check(asked).await;
        let answer = answer.map_err(|e| match e.code() {
            Code::NotFound => format!("--service: {}", refused(&e)),
            _ => format!("{uri} does not tell how it is: {}", refused(&e)),
        })?;
        match answer.get_ref().status() {
            ServingStatus::Serving => Ok(()),
            _ => Err(format!("{uri} is not serving; /readyz on its admin port tells why")),
        }
    }
}

/// The admin port of a server that was told to `listen` there.
fn beside(listen: Option<&str>) -> Result<String, Failure> {
    let Some(listen) = listen else { return Ok(DEFAULT.to_owned()) };
    let unusable = || format!("--uri is needed: {ADMIN_LISTEN} is `{listen}`");
    let (host, port) = listen.rsplit_once(':').ok_or_else(unusable)?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(unusable)?;
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    Ok(format!("http://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_the_server_beside_it() {
        let asked = |listen: &str| beside(Some(listen)).unwrap();
        assert_eq!(beside(None).unwrap(), "http://127.0.0.1:9091");
        assert_eq!(asked("0.0.0.0:9000"), "http://127.0.0.1:9000");
        assert_eq!(asked("[::]:9000"), "http://[::1]:9000");
        assert_eq!(asked("10.0.0.7:9000"), "http://10.0.0.7:9000");
        for unusable in ["off", "127.0.0.1:0", "127.0.0.1", ""] {
            let why = beside(Some(unusable)).unwrap_err();
            assert!(why.contains("--uri") && why.contains(ADMIN_LISTEN), "{why}");
        }
    }
}
