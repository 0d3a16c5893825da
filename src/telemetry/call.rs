//! The call that is being answered: what its lines in the log say of it, and its span.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderValue};
use serde::Serialize;

use super::metrics::{Decision, Protocol};
use super::traces;
use crate::model::name::shortened;
use crate::storage::Revision;

pub use super::traces::Span;

tokio::task_local! {
    static CURRENT: Arc<Call>;
}

/// The names under which clients send an id of their request.
pub const REQUEST_IDS: [&str; 2] = ["x-request-id", "client-request-id"];
/// Of what a client sends no more characters are kept.
const LONGEST: usize = 128;

/// A call under way.
#[derive(Debug)]
pub struct Call {
    request_id: Option<HeaderValue>,
    from: Option<SocketAddr>,
    known: Mutex<Known>,
    span: Option<Span>,
}

#[derive(Debug, Default)]
struct Known {
    user: String,
    identified: bool,
    revision: Revision,
    decision: Option<Decision>,
}

/// What lines tell of a call.
#[derive(Serialize)]
pub(super) struct Told {
    pub(super) request_id: String,
    /// Empty as long as nobody knows.
    pub(super) user: String,
    /// On which it was decided; 0 before.
    pub(super) revision: Revision,
    /// The other end of the connection: who guesses passwords must be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub enum Ended {
    /// With that status of gRPC.
    Grpc(tonic::Code),
    /// With that status of HTTP.
    Http(http::StatusCode),
}

impl Call {
    /// A call has come in with these headers and extensions, at `path`, which no client has made up.
    pub fn begin(
        protocol: Protocol,
        path: &'static str,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Arc<Self> {
        let from = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| *from);
        let request_id = REQUEST_IDS.iter().find_map(|name| headers.get(*name).cloned());
        let span = traces::begin(protocol, path, headers);
        Arc::new(Self { request_id, from, known: Mutex::default(), span })
    }

    /// The one that this task answers.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// What `work` logs is about this call.
    pub fn on<F: Future>(self: Arc<Self>, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self, work)
    }

    /// The same for what does not wait.
    pub fn on_now<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// Whether it is known who makes it.
    pub fn is_identified(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).identified
    }

    /// It is over.
    pub fn end(&self, ended: Ended) {
        let Some(span) = &self.span else { return };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { user, revision, decision, .. } = &*known;
        span.end_call(user, *revision, decision.map(Decision::as_str), ended);
    }

    pub(super) fn told(&self) -> Told {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Told {
            request_id: self.request_id.as_ref().map(cleaned).unwrap_or_default(),
            user: shortened(&known.user),
            revision: known.revision,
            from: self.from,
            trace_id: self.span.as_ref().map(Span::trace_id),
        }
    }
}

fn know(what: impl FnOnce(&mut Known)) {
    let _ = CURRENT.try_with(|call| {
        what(&mut call.known.lock().unwrap_or_else(PoisonError::into_inner));
    });
}

/// It is known who makes the call that this task answers.
pub fn identified(user: &str) {
    know(|known| (known.user, known.identified) = (user.to_owned(), true));
}

/// The call that this task answers was decided, on the state of that revision.
pub fn decided(decision: Decision, revision: Revision) {
    decision.count();
    if !decision.is_of_part() {
        know(|known| (known.decision, known.revision) = (Some(decision), revision));
    }
}

/// The same work, for a task of its own, about the call that this one answers.
pub fn in_call<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let call = Call::current();
    async move {
        match call {
            Some(call) => call.on(work).await,
            None => work.await,
        }
    }
}

/// A part of the call that this task answers, until it is dropped. None where nothing is traced.
pub fn span(name: &'static str) -> Option<Span> {
    CURRENT.try_with(|call| call.span.as_ref()?.child(name)).ok().flatten()
}

/// Notes in what goes on from here where it comes from, if that is traced.
pub fn pass_on(span: Option<&Span>, headers: &mut HeaderMap) {
    if let Some(span) = span {
        span.inject(headers);
    }
}

/// INVARIANT: what a client says of itself is short, and nothing but letters, digits and signs of
/// ASCII. Defended by the tests of `gate::origin`.
pub fn cleaned(text: &HeaderValue) -> String {
    let visible = text.as_bytes().iter().filter(|byte| matches!(byte, b' '..=b'~'));
    visible.take(LONGEST).map(|byte| char::from(*byte)).collect()
}
