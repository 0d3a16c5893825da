//! Ports: accepting connections, serving HTTP/1.1 and HTTP/2 on them, and letting go of them.

mod bound;
mod late;
#[cfg(test)]
mod late_fuzz;
mod leaving;
mod places;
mod secure;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service as _;
use tracing::{debug, warn};

pub use self::bound::Bound;
pub use self::leaving::{Leaving, Phase, Stay};
use crate::tls::server::{Shown, Terms};
use crate::tls::subject::Certified;
use late::Punctual;
use places::{Place, Places, Seat};
use secure::{Begun, Line, Secure};

/// Connections at a time. For more, those that have been silent longest make room.
const CONNECTIONS: u32 = 10_000;
/// Files that are open beside the connections of clients.
const OTHER_FILES: u64 = 256;
/// How long a connection may take to end that makes room for others.
const LEAVE_TIME: Duration = Duration::from_secs(1);
/// Calls at a time on one connection.
const STREAMS: u32 = 256;
/// The largest frame that a client may send: large requests cost less in few frames.
const FRAME: u32 = 64 << 10;
/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long running calls may take to finish on a connection whose client is not trusted any more.
const DISTRUST_TIME: Duration = Duration::from_secs(5);
/// How often, and for how long, a silent HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIME: Duration = Duration::from_secs(20);

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A port where clients are let in.
#[derive(Debug)]
pub struct Port(TcpListener, Option<Secure>);

impl Port {
    /// The same port, which speaks TLS alone where there are `terms` of it.
    #[must_use]
    pub fn secured(self, terms: Option<watch::Receiver<Arc<Terms>>>) -> Self {
        Self(self.0, terms)
    }

    /// The address bound, with the port that was picked.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves `app` as long as `stay` allows, then lets running calls finish. Returns whether they did.
    pub async fn serve(self, app: Router, stay: Stay) -> bool {
        let places = Places::new(connections());
        let mut stopped = pin!(stay.stopping());
        loop {
            let next = async {
                let (stream, _) = self.0.accept().await?;
                Ok::<_, io::Error>((stream, places.take().await))
            };
            tokio::select! {
                () = &mut stopped => break,
                accepted = next => match accepted {
                    Ok((stream, Some(place))) => {
                        let secure = self.1.clone();
                        tokio::spawn(attend(stream, secure, place, stay.clone(), app.clone()));
                    }
                    Ok((_, None)) => break,
                    Err(e) => {
                        // Out of file descriptors, most likely: let some connections end.
                        warn!(error = %e, "cannot accept connections");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        drop(self.0);
        tokio::time::timeout(stay.grace, places.emptied()).await.is_ok()
    }
}

/// As many as files may be open; few may by default, and more where that is asked for.
fn connections() -> u32 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        warn!(error = %e, "cannot open more files");
    }
    let files = getrlimit(Resource::Nofile).current;
    let most = files.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES).max(1);
    u32::try_from(most).unwrap_or(u32::MAX).min(CONNECTIONS)
}

/// Serves a connection until it ends, or has to.
async fn attend(
    stream: TcpStream,
    mut secure: Option<Secure>,
    place: Place,
    stay: Stay,
    app: Router,
) {
    let seat = place.seat();
    let peer = stream.peer_addr().ok();
    // Those who have said nothing have nothing to wait for.
    let said = tokio::select! {
        biased;
        said = tokio::time::timeout(HEAD_TIME, Begun::wait(stream, secure.as_mut())) => {
            said.ok().flatten()
        }
        () = stay.stopping() => None,
        () = seat.told_to_leave() => None,
    };
    let Some(Begun { line, version, shown }) = said else { return };
    let (leave, leaving) = watch::channel(false);
    let certified = shown.as_ref().and_then(|shown| shown.certified.clone());
    let trusted = Arc::new(AtomicBool::new(true));
    let from = From { peer, certified, trusted: trusted.clone(), leaving };
    let mut connection = pin!(connection(line, version, &stay, &seat, from, app));
    let mut going = pin!(async {
        tokio::select! {
            () = stay.stopping() => {}
            () = stay.aged() => {
                leave.send_replace(true);
                // The next answer tells it; who asks for nothing is not waited for long anyway.
                if version != Version::HTTP_2 {
                    stay.stopping().await;
                }
            }
        }
        leave.send_replace(true);
    });
    let mut distrusted = pin!(distrusted(shown.as_ref(), secure.as_mut()));
    let mut goes = false;
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = &mut going, if !goes => {
                goes = true;
                connection.as_mut().graceful_shutdown();
            }
            why = &mut distrusted => {
                debug!(why, "a client's certificate counts no more");
                trusted.store(false, Ordering::Relaxed);
                leave.send_replace(true);
                connection.as_mut().graceful_shutdown();
                break tokio::time::timeout(DISTRUST_TIME, connection).await.unwrap_or(Ok(()));
            }
            () = seat.told_to_leave() => {
                leave.send_replace(true);
                connection.as_mut().graceful_shutdown();
                break tokio::time::timeout(LEAVE_TIME, connection).await.unwrap_or(Ok(()));
            }
        }
    };
    if let Err(e) = ended {
        debug!(error = %e, "a connection broke");
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Ends when what the client has shown counts no more; never where it had nothing to show.
async fn distrusted(shown: Option<&Shown>, secure: Option<&mut Secure>) -> String {
    match shown.zip(secure) {
        Some((shown, terms)) => shown.distrusted(terms).await.to_string(),
        None => std::future::pending().await,
    }
}

fn connection(
    stream: Line,
    version: Version,
    stay: &Stay,
    seat: &Arc<Seat>,
    from: From,
    mut app: Router,
) -> impl GracefulConnection<Error: Display + Send> + Send + use<> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A client may close its half after the request, and still wait for the answer.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_frame_size(FRAME)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIME);
    let stream = if version == Version::HTTP_2 {
        Punctual::http2(stream, from.leaving.clone(), seat.clone(), PREFACE.len())
    } else {
        Punctual::http1(stream, from.leaving.clone(), seat.clone())
    };
    let (seat, stay) = (seat.clone(), stay.clone());
    let service = tower::service_fn(move |request| {
        let (call, answer) = (seat.call(), app.call(from.note(request)));
        let (stay, leaving) = (stay.clone(), from.leaving.clone());
        async move {
            let mut answer = answer.await;
            drop(call);
            if version != Version::HTTP_2 && (stay.is_over() || *leaving.borrow()) {
                // Who is told ahead of the end does not ask into it.
                let told = answer.iter_mut().map(|answer| answer.headers_mut());
                told.for_each(|head| drop(head.insert(CONNECTION, CLOSE)));
            }
            answer
        }
    });
    builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned()
}

/// What the requests of a connection are to tell: where they come from, and how long they may be answered.
#[derive(Clone)]
struct From {
    peer: Option<SocketAddr>,
    /// Whom the client's certificate names, where that counts.
    certified: Option<Certified>,
    /// Whether what the client has shown counts still.
    trusted: Arc<AtomicBool>,
    leaving: watch::Receiver<bool>,
}

impl From {
    /// Notes it with a request.
    fn note<B>(&self, mut request: Request<B>) -> Request<B> {
        request.extensions_mut().insert(Leaving(self.leaving.clone()));
        self.peer.map(|peer| request.extensions_mut().insert(ConnectInfo(peer)));
        if self.trusted.load(Ordering::Relaxed) {
            self.certified.clone().map(|user| request.extensions_mut().insert(user));
        } else {
            // Calls that run may end, and none begins.
            let nobody = Certified(Err("the client certificate counts no more"));
            request.extensions_mut().insert(nobody);
        }
        request
    }
}
