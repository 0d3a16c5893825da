//! Spans for a collector, over OTLP. Where none is named nothing is made. What is not taken in time
//! is given up: no call waits for a collector.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use metrics::counter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
};
use tonic::Code;
use tonic::transport::Endpoint;
use tracing::{info, warn};

use super::call::Ended;
use super::metrics::{Protocol, SPANS};
use crate::model::name::shortened;
use crate::storage::Revision;
use crate::tls::{self, TlsFiles};

/// Spans that wait to be sent; of more, the new ones are given up.
const QUEUE: usize = 4096;
/// Spans that are sent together.
const BATCH: usize = 512;
/// How long a span waits for others at most.
const DELAY: Duration = Duration::from_secs(2);
/// How long sending some may take.
const EXPORT: Duration = Duration::from_secs(3);
/// How long the end of the process waits for those that are left.
const FLUSH: Duration = Duration::from_secs(3);
/// The longest `tracestate` that is taken over: what every vendor has to pass on.
const LONGEST_STATE: usize = 512;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Who takes spans.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Where, `HOST:PORT`.
    pub authority: Authority,
    /// How it is reached.
    pub tls: Option<TlsFiles>,
    /// How many of the traces that begin here are told; whoever calls decides on his own.
    pub sample: f64,
}

/// The spans on their way.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts making spans. The collector is connected to when there are some.
    ///
    /// # Errors
    /// The collector's address or TLS files cannot be used.
    pub fn start(collector: Collector) -> Result<Self, String> {
        let Collector { authority, tls, sample } = collector;
        if let Some(tls) = &tls {
            tls.read().map_err(|e| format!("--otlp-endpoint: {e}"))?;
        }
        // The scheme is for the request alone; the connector decides on TLS.
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{authority}"));
        let endpoint = endpoint.map_err(|e| e.to_string())?.timeout(EXPORT).connect_timeout(EXPORT);
        let connector = tower::service_fn(move |_| {
            let (authority, tls) = (authority.clone(), tls.clone());
            async move {
                let tls = tls.as_ref().map(TlsFiles::read).transpose();
                let tls = tls.map_err(std::io::Error::other)?;
                tls::connect(&authority, tls.as_ref()).await.map(TokioIo::new)
            }
        });
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_channel(endpoint.connect_with_connector_lazy(connector))
            .with_timeout(EXPORT)
            .build()
            .map_err(|e| e.to_string())?;
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let exporter = Watched { exporter, failing: AtomicBool::new(false) };
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(queue).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("milvus-rbac").with_attribute(version);
        let roots = Box::new(Sampler::TraceIdRatioBased(sample));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(roots))
            .with_resource(resource.build())
            .build();
        ["sent", "lost"].iter().for_each(|told| counter!(SPANS, "outcome" => *told).increment(0));
        TRACER.get_or_init(|| provider.tracer("milvus-rbac"));
        Ok(Self(provider))
    }

    /// Sends what is left, for a few seconds at most. Blocks.
    pub fn flush(&self) {
        if let Err(e) = self.0.shutdown_with_timeout(FLUSH) {
            warn!(error = %e, "the last spans did not reach the collector");
        }
    }
}

/// Tells once that the collector does not take what it should, and once that it does again.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.exporter.export(batch).await;
        let told = if outcome.is_ok() { "sent" } else { "lost" };
        counter!(SPANS, "outcome" => told).increment(spans);
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(e) if !failed_before => {
                let error = shortened(&e.to_string());
                warn!(error, "the collector does not take spans, which are given up");
            }
            Ok(()) if failed_before => info!("the collector takes spans again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> Result<(), OTelSdkError> {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Something that takes time, which ends when it is dropped.
#[derive(Debug)]
pub struct Span(Context);

/// The span of a call; its parent is what the headers name. None where nothing is traced.
pub(super) fn begin(protocol: Protocol, path: &'static str, headers: &HeaderMap) -> Option<Span> {
    let tracer = TRACER.get()?;
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &In(headers));
    let (name, attributes) = match protocol {
        Protocol::Grpc => {
            let name = path.trim_start_matches('/');
            let (service, method) = name.split_once('/').unwrap_or((name, ""));
            let attributes = vec![
                KeyValue::new("rpc.system", "grpc"),
                KeyValue::new("rpc.service", service),
                KeyValue::new("rpc.method", method),
            ];
            (name.into(), attributes)
        }
        Protocol::Rest => {
            let method = KeyValue::new("http.request.method", "POST");
            (format!("POST {path}"), vec![method, KeyValue::new("http.route", path)])
        }
    };
    let span = tracer.span_builder::<String>(name);
    let span = span.with_kind(SpanKind::Server).with_attributes(attributes);
    let span = span.start_with_context(tracer, &parent);
    Some(Span(parent.with_span(span)))
}

impl Span {
    /// A part of it.
    pub(super) fn child(&self, name: &'static str) -> Option<Self> {
        let tracer = TRACER.get()?;
        let span = tracer.span_builder(name).with_kind(SpanKind::Client);
        Some(Self(self.0.with_span(span.start_with_context(tracer, &self.0))))
    }

    pub(super) fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// Names this span as where the call with these headers comes from.
    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        headers.remove("tracestate");
        TraceContextPropagator::new().inject_context(&self.0, &mut Out(headers));
    }

    /// Ends it as a call.
    pub(super) fn end_call(
        &self,
        user: &str,
        revision: Revision,
        decision: Option<&'static str>,
        ended: Ended,
    ) {
        let span = self.0.span();
        if !span.is_recording() {
            return;
        }
        if !user.is_empty() {
            span.set_attribute(KeyValue::new("enduser.id", user.to_owned()));
        }
        if let Some(decision) = decision {
            span.set_attribute(KeyValue::new("milvus_rbac.decision", decision));
            let revision = i64::try_from(revision).unwrap_or(i64::MAX);
            span.set_attribute(KeyValue::new("milvus_rbac.revision", revision));
        }
        let (name, number, failed) = match ended {
            Ended::Grpc(code) => {
                let failed = matches!(
                    code,
                    Code::Unknown
                        | Code::DeadlineExceeded
                        | Code::Unimplemented
                        | Code::Internal
                        | Code::Unavailable
                        | Code::DataLoss
                );
                ("rpc.grpc.status_code", code as i64, failed)
            }
            Ended::Http(status) => {
                let number = i64::from(status.as_u16());
                ("http.response.status_code", number, status.is_server_error())
            }
        };
        span.set_attribute(KeyValue::new(name, number));
        if failed {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        // Once only, whatever is called.
        self.0.span().end();
    }
}

struct In<'h>(&'h HeaderMap);

impl Extractor for In<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.to_str().ok()?;
        (value.len() <= LONGEST_STATE).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Out<'h>(&'h mut HeaderMap);

impl Injector for Out<'_> {
    fn set(&mut self, key: &str, value: String) {
        let pair = HeaderName::try_from(key).ok().zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = pair.filter(|(_, value)| !value.is_empty()) {
            self.0.insert(name, value);
        }
    }
}
