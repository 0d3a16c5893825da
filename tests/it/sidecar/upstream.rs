//! A Milvus played by this process: it records what it is asked, and answers what it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::rpc::raw::frame;

/// A call as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// The body, frame and all; empty where a test reads it.
    pub(crate) body: Bytes,
}

impl Call {
    /// Whether the gate asks on its own account: clients say what they are.
    fn is_own(&self) -> bool {
        !self.headers.contains_key("user-agent")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.body.get(5..).unwrap()).unwrap()
    }
}

/// What comes back. Without trailers the status is in the headers, as gRPC has it for refusals.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

impl Reply {
    /// Success with that message.
    pub(crate) fn ok(message: &[u8]) -> Self {
        let trailers = Some(headers(&[("grpc-status", "0")]));
        Self { headers: HeaderMap::new(), body: frame(message), trailers }
    }

    pub(crate) fn message(message: &impl Message) -> Self {
        Self::ok(&message.encode_to_vec())
    }

    /// A refusal, in the headers.
    pub(crate) fn status(code: &str) -> Self {
        Self { headers: headers(&[("grpc-status", code)]), ..Self::default() }
    }

    pub(crate) fn into_response(self) -> Response {
        let Self { headers, body, trailers } = self;
        let body = match trailers {
            None if body.is_empty() => Body::empty(),
            trailers => Body::new(Full::new(body).with_trailers(async move { trailers.map(Ok) })),
        };
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        response.headers_mut().extend(headers);
        response
    }
}

type Handler = Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

#[derive(Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    handlers: Mutex<HashMap<String, Handler>>,
}

/// It goes down when it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Every call is answered with an empty message until a test says otherwise.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let state = shared.clone();
        let app = Router::new().fallback(move |request| answer(state.clone(), request));
        let task = tokio::spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(app.clone());
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, shared, task: task.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers `method` by what comes in.
    pub(crate) fn answers(
        &self,
        method: &str,
        reply: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) {
        let (shared, reply) = (self.shared.clone(), Arc::new(reply));
        self.serves(method, move |request| {
            let (shared, reply) = (shared.clone(), reply.clone());
            async move { reply(&recorded(&shared, request).await).into_response() }
        });
    }

    /// Answers `method` with the body still under way.
    pub(crate) fn serves<F>(
        &self,
        method: &str,
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Response> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        self.shared.handlers.lock().unwrap().insert(method.to_owned(), handler);
    }

    /// What clients' calls brought here since this was last asked.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls = self.shared.calls.lock().unwrap();
        let (own, forwarded) = calls.drain(..).partition(Call::is_own);
        *calls = own;
        forwarded
    }

    /// The one call that came here since this was last asked.
    #[track_caller]
    pub(crate) fn call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    /// How often the gate itself asked that.
    pub(crate) fn lookups(&self, method: &str) -> usize {
        let calls = self.shared.calls.lock().unwrap();
        calls.iter().filter(|call| call.is_own() && call.method == method).count()
    }
}

async fn answer(shared: Arc<Shared>, request: Request) -> Response {
    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let handler = shared.handlers.lock().unwrap().get(&method).cloned();
    match handler {
        Some(handler) => handler(request).await,
        None if method == "Check" => Reply::ok(&[8, 1]).into_response(),
        None => {
            recorded(&shared, request).await;
            Reply::ok(&[]).into_response()
        }
    }
}

async fn recorded(shared: &Shared, request: Request) -> Call {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let call = Call {
        method: parts.uri.path().rsplit('/').next().unwrap().to_owned(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    shared.calls.lock().unwrap().push(call.clone());
    call
}
