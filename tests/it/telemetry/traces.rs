//! Spans, as a collector gets them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::{Code, Request, Response, Status};

use super::Logged;
use crate::certificates::Certificates;
use crate::follow::make_user;
use crate::lifecycle::fails;
use crate::rpc::raw::{Raw, SERVICE, frame};
use crate::rpc::requests::{PASSWORD, create_role};
use crate::sidecar::upstream::Upstream;
use crate::support::{LIMIT, Server, command};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Requests = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// It goes down when it is dropped.
struct Collector {
    address: SocketAddr,
    requests: Requests,
    task: AbortHandle,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Received(Requests);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Requests::default();
        let service = TraceServiceServer::new(Received(requests.clone()));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder().add_service(service);
        let task = tokio::spawn(async move { server.serve_with_incoming(incoming).await });
        Self { address, requests, task: task.abort_handle() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let of = |request: &ExportTraceServiceRequest| {
            request
                .resource_spans
                .iter()
                .flat_map(|r| &r.scope_spans)
                .flat_map(|s| s.spans.clone())
                .collect::<Vec<_>>()
        };
        requests.iter().flat_map(of).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        self.requests.lock().unwrap().iter().flat_map(Message::encode_to_vec).collect()
    }

    /// Waits for spans for which it holds.
    async fn wait(&self, what: &str, so: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let give_up = Instant::now() + LIMIT;
        loop {
            let spans = self.spans();
            if so(&spans) {
                return spans;
            }
            assert!(Instant::now() < give_up, "not in time: {what}: {spans:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an attribute says; empty if there is none.
fn told(span: &Span, key: &str) -> String {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key);
    match attribute.and_then(|a| a.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        None => String::new(),
        other => panic!("{key}: {other:?}"),
    }
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("{name}: {spans:?}"));
    assert!(found.next().is_none(), "{name}: {spans:?}");
    span
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_told_with_parent_user_and_decision_and_no_secrets() {
    let collector = Collector::start().await;
    let server = Server::start(&["--otlp-endpoint", &collector.url()]);
    make_user(&mut server.root().await, "u1").await;
    let call = async |password: &str, method: &str, body: &[u8]| {
        let caller = Raw::user(&server, "u1", password).await;
        let caller = caller.with("traceparent", PARENT.as_bytes()).with("tracestate", b"a=b");
        caller.unary(&format!("{SERVICE}{method}"), frame(body)).await.code
    };
    let secret = create_role("Secret-of-a-request").encode_to_vec();
    assert_eq!(call(PASSWORD, "GetVersion", &[]).await, Code::Ok);
    assert_eq!(call(PASSWORD, "DropRole", &secret).await, Code::PermissionDenied);
    assert_eq!(call("wrong-Marker!", "SelectRole", &[]).await, Code::Unauthenticated);
    assert_eq!(call(PASSWORD, "Invented", &[]).await, Code::Unimplemented);
    let login = format!("u1:{PASSWORD}");
    assert_eq!(crate::rest::post_as(&server, &login, "/users/list", "{}").status, 403);
    // What is left is sent at the end.
    assert_eq!(server.stop().code(), Some(0));
    let spans = collector.spans();

    let service = SERVICE.trim_matches('/');
    let rows = [
        (format!("{service}/GetVersion"), "GetVersion", "0", "u1", "allowed"),
        (format!("{service}/DropRole"), "DropRole", "7", "u1", "denied"),
        (format!("{service}/SelectRole"), "SelectRole", "16", "", "unauthenticated"),
        ("unknown".to_owned(), "", "12", "", ""),
    ];
    for (name, method, code, user, decision) in rows {
        let span = named(&spans, &name);
        assert_eq!(
            (hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()),
            (TRACE, "b7ad6b7169203331")
        );
        assert_eq!((span.kind, span.trace_state.as_str()), (2, "a=b"), "{name}");
        assert!(
            span.end_time_unix_nano >= span.start_time_unix_nano && span.start_time_unix_nano > 0
        );
        assert_eq!(told(span, "rpc.system"), "grpc");
        assert_eq!(told(span, "rpc.method"), method);
        assert_eq!(told(span, "rpc.grpc.status_code"), code, "{name}");
        assert_eq!(told(span, "enduser.id"), user, "{name}");
        assert_eq!(told(span, "milvus_rbac.decision"), decision, "{name}");
        assert_eq!(told(span, "milvus_rbac.revision").is_empty(), decision.is_empty(), "{name}");
    }
    let rest = named(&spans, "POST /users/list");
    assert!(rest.parent_span_id.is_empty());
    assert_eq!(told(rest, "http.response.status_code"), "403");
    assert_eq!(told(rest, "milvus_rbac.decision"), "denied");
    assert_eq!(told(rest, "enduser.id"), "u1");
    // A change waits for its commit.
    let created = named(&spans, &format!("{service}/CreateCredential"));
    let commit = spans.iter().find(|s| s.name == "commit" && s.parent_span_id == created.span_id);
    assert_eq!(commit.unwrap().trace_id, created.trace_id);

    let bytes = collector.bytes();
    assert!(contains(&bytes, "service.name") && contains(&bytes, "milvus-rbac"));
    use base64::Engine as _;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (user, root) = (encoded(&format!("u1:{PASSWORD}")), encoded("root:Milvus"));
    for secret in ["wrong-Marker", "Secret-of", PASSWORD, "Invented", &user, &root, "$2a$"] {
        assert!(!contains(&bytes, secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_hears_of_the_span_that_calls_it() {
    let (collector, upstream) = (Collector::start().await, Upstream::start().await);
    let url = collector.url();
    let server = Server::start(&["--upstream", &upstream.url(), "--otlp-endpoint", &url]);
    let root = Raw::root(&server).await;
    let path = format!("{SERVICE}GetVersion");
    let traced = root.with("traceparent", PARENT.as_bytes()).with("tracestate", b"a=b");
    assert_eq!(traced.unary(&path, frame(&[])).await.code, Code::Ok);
    let sent = upstream.call();
    assert_eq!(root.unary(&path, frame(&[])).await.code, Code::Ok);
    let own = upstream.call();
    let spans = collector.wait("two calls", |spans| spans.len() == 4).await;
    let of = |trace: &str, name: &str| -> Span {
        let found = spans.iter().find(|s| hex(&s.trace_id) == trace && s.name == name);
        found.unwrap_or_else(|| panic!("{trace} {name}: {spans:?}")).clone()
    };
    let server_span = of(TRACE, path.trim_matches('/'));
    let upstream_span = of(TRACE, "upstream");
    assert_eq!(upstream_span.parent_span_id, server_span.span_id);
    assert_eq!(upstream_span.kind, 3);
    let id = hex(&upstream_span.span_id);
    assert_eq!(sent.header("traceparent"), Some(format!("00-{TRACE}-{id}-01").as_str()));
    assert_eq!(sent.header("tracestate"), Some("a=b"));
    // Who names no trace begins one.
    let parent = own.header("traceparent").unwrap();
    let [_, trace, id, "01"] = parent.split('-').collect::<Vec<_>>()[..] else {
        panic!("{parent}")
    };
    assert_eq!(hex(&of(trace, "upstream").span_id), id);
    assert!(of(trace, path.trim_matches('/')).parent_span_id.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_decides_and_of_others_a_part_is_told() {
    let (collector, upstream) = (Collector::start().await, Upstream::start().await);
    let url = collector.url();
    let flags = ["--upstream", &upstream.url(), "--otlp-endpoint", &url, "--otlp-sample", "0"];
    let server = Server::start(&flags);
    let root = Raw::root(&server).await;
    let path = format!("{SERVICE}GetVersion");
    let call = async |caller: Raw| {
        assert_eq!(caller.unary(&path, frame(&[])).await.code, Code::Ok);
        upstream.call().header("traceparent").unwrap().to_owned()
    };
    assert!(call(root.clone()).await.ends_with("-00"));
    let unwanted = PARENT.replace("-01", "-00");
    let passed = call(root.with("traceparent", unwanted.as_bytes())).await;
    assert!(passed.starts_with(&format!("00-{TRACE}-")) && passed.ends_with("-00"), "{passed}");
    // No trace is what is not one, and what is too long goes no further.
    assert!(call(root.with("traceparent", b"00-nonsense-\xff-01")).await.ends_with("-00"));
    let long = format!("a={}", "x".repeat(600));
    let wanted = root.with("traceparent", PARENT.as_bytes()).with("tracestate", long.as_bytes());
    assert!(call(wanted).await.ends_with("-01"));
    assert_eq!(server.stop().code(), Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!(spans.iter().all(|s| hex(&s.trace_id) == TRACE && s.trace_state.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_does_no_harm() {
    // One that nobody is, and one that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for url in ["http://127.0.0.1:1", &silent] {
        let w = Logged::run(command("memory:").args(["--otlp-endpoint", url]));
        let root = Raw::root(&w.server).await;
        // More than the queue takes.
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let root = root.clone();
                tokio::spawn(async move {
                    for _ in 0..300 {
                        let answer = root.unary(&format!("{SERVICE}GetVersion"), frame(&[])).await;
                        assert_eq!(answer.code, Code::Ok);
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        let give_up = Instant::now() + LIMIT;
        while !w.text().contains("the collector does not take spans") {
            assert!(Instant::now() < give_up, "{}", w.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let Logged { server, log, _folder } = w;
        let began = Instant::now();
        assert_eq!(server.stop().code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        let text = std::fs::read_to_string(log).unwrap();
        assert_eq!(text.matches("the collector does not take spans").count(), 1, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_behind_tls_is_who_it_should_be() {
    let collector = Collector::start().await;
    let (trusted, other) = (Certificates::new(), Certificates::new());
    let (shown, key) = trusted.issue("collector");
    let shown = vec![CertificateDer::from_pem_file(shown).unwrap()];
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let behind = collector.address;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(mut client) = acceptor.accept(client).await else { continue };
            let mut to = tokio::net::TcpStream::connect(behind).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut to).await });
        }
    });
    for (ca, spans) in [(other.ca(), false), (trusted.ca(), true)] {
        let mut command = command("memory:");
        command.args(["--otlp-endpoint", &url]).env("SSL_CERT_FILE", ca);
        let w = Logged::run(&mut command);
        let root = Raw::root(&w.server).await;
        let answer = root.unary(&format!("{SERVICE}GetVersion"), frame(&[])).await;
        assert_eq!(answer.code, Code::Ok);
        let Logged { server, log, _folder } = w;
        assert_eq!(server.stop().code(), Some(0));
        let text = std::fs::read_to_string(log).unwrap();
        assert_eq!(!collector.spans().is_empty(), spans, "{text}");
        assert_eq!(text.contains("the collector does not take spans"), !spans, "{text}");
    }
}

#[test]
fn where_spans_go_is_checked() {
    let cases: &[(&[&str], &str)] = &[
        (&["--otlp-endpoint", "127.0.0.1:4317"], "--otlp-endpoint: `127.0.0.1:4317` is not http"),
        (&["--otlp-endpoint", "http://127.0.0.1"], "is not http://HOST:PORT or https://HOST:PORT"),
        (&["--otlp-endpoint", "http://127.0.0.1:1/v1/traces"], "is not http://HOST:PORT"),
        (&["--otlp-endpoint", "http://u:p@127.0.0.1:1"], "is not http://HOST:PORT"),
        (&["--otlp-sample", "1.5"], "--otlp-sample: `1.5` is not 0 to 1"),
        (&["--otlp-sample", "NaN"], "--otlp-sample: `NaN` is not 0 to 1"),
        (&["--otlp-sample", "x"], "--otlp-sample"),
    ];
    for (flags, text) in cases {
        fails(command("memory:").args(*flags), 2, text);
    }
}
