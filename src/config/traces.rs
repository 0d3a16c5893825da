//! Who is told of the calls that are answered, span by span.

use clap::Args;
use http::Uri;

use crate::telemetry::Collector;
use crate::tls::TlsFiles;

/// The flags of tracing.
#[derive(Debug, Args)]
pub(super) struct TraceFlags {
    /// An OpenTelemetry collector that takes spans over gRPC, `http://HOST:PORT`, with TLS
    /// `https://HOST:PORT`, where whoever the system trusts signs its certificate. Without it nothing
    /// is traced.
    #[arg(long, env = "MILVUS_RBAC_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// How many of the traces that begin here are told, 0 to 1; those that callers have begun are told
    /// if the callers want it.
    #[arg(long, env = "MILVUS_RBAC_OTLP_SAMPLE", default_value_t = 1.0, value_name = "RATIO")]
    otlp_sample: f64,
}

impl TraceFlags {
    pub(super) fn collector(self) -> Result<Option<Collector>, String> {
        let Self { otlp_endpoint, otlp_sample: sample } = self;
        if !(0.0..=1.0).contains(&sample) {
            return Err(format!("--otlp-sample: `{sample}` is not 0 to 1"));
        }
        let Some(url) = otlp_endpoint else { return Ok(None) };
        let wrong =
            || format!("--otlp-endpoint: `{url}` is not http://HOST:PORT or https://HOST:PORT");
        let parsed: Uri = url.parse().map_err(|_| wrong())?;
        let tls = match parsed.scheme_str() {
            Some("http") => None,
            Some("https") => Some(TlsFiles::default()),
            _ => return Err(wrong()),
        };
        let authority = parsed.authority().filter(|authority| {
            let port = authority.port_u16().is_some_and(|port| port != 0);
            port && !authority.as_str().contains('@')
                && parsed.path() == "/"
                && parsed.query().is_none()
        });
        let authority = authority.cloned().ok_or_else(wrong)?;
        Ok(Some(Collector { authority, tls, sample }))
    }
}
