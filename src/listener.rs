//! Ports: accepting connections, serving HTTP/1.1 and HTTP/2 on them, and letting go of them.

mod bound;
mod late;
#[cfg(test)]
mod late_fuzz;
mod leaving;
mod places;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
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
use late::Punctual;
use places::{Place, Places, Seat};

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
/// How often, and for how long, a silent HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIME: Duration = Duration::from_secs(20);

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A port where clients are let in.
#[derive(Debug)]
pub struct Port(TcpListener);

impl Port {
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
                        tokio::spawn(attend(stream, place, stay.clone(), app.clone()));
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
async fn attend(stream: TcpStream, place: Place, stay: Stay, app: Router) {
    let seat = place.seat();
    // Those who have said nothing have nothing to wait for.
    let said = tokio::select! {
        biased;
        said = tokio::time::timeout(HEAD_TIME, spoken(&stream)) => said.ok(),
        () = stay.stopping() => None,
        () = seat.told_to_leave() => None,
    };
    let Some(version) = said else { return };
    let (leave, leaving) = watch::channel(false);
    let mut connection = pin!(connection(stream, version, &stay, leaving, &seat, app));
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
    let mut goes = false;
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = &mut going, if !goes => {
                goes = true;
                connection.as_mut().graceful_shutdown();
            }
            () = seat.told_to_leave() => {
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

/// Waits until the client has said enough to tell HTTP/1 from HTTP/2: hyper itself waits for ever.
async fn spoken(stream: &TcpStream) -> Version {
    let mut first = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(5);
    loop {
        let Ok(length) = stream.peek(&mut first).await else { return Version::HTTP_11 };
        let said = first.get(..length).unwrap_or_default();
        if said == PREFACE {
            return Version::HTTP_2;
        }
        if length == 0 || !PREFACE.starts_with(said) {
            return Version::HTTP_11;
        }
        // Readable already, so `peek` would not wait for more.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn connection(
    stream: TcpStream,
    version: Version,
    stay: &Stay,
    leaving: watch::Receiver<bool>,
    seat: &Arc<Seat>,
    mut app: Router,
) -> impl GracefulConnection<Error: Display + Send> + Send + use<> {
    // Small answers would wait for the client's acknowledgement of the one before.
    if let Err(e) = stream.set_nodelay(true) {
        debug!(error = %e, "cannot set nodelay");
    }
    let peer = stream.peer_addr().ok();
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
        Punctual::http2(stream, leaving.clone(), seat.clone(), PREFACE.len())
    } else {
        Punctual::http1(stream, leaving.clone(), seat.clone())
    };
    let (seat, stay) = (seat.clone(), stay.clone());
    let service = tower::service_fn(move |request| {
        let (call, answer) = (seat.call(), app.call(from(peer, &leaving, request)));
        let (stay, leaving) = (stay.clone(), leaving.clone());
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

/// Notes from where a request comes, and how long it may be answered.
fn from<B>(
    peer: Option<SocketAddr>,
    leaving: &watch::Receiver<bool>,
    mut request: Request<B>,
) -> Request<B> {
    request.extensions_mut().insert(Leaving(leaving.clone()));
    peer.map(|peer| request.extensions_mut().insert(ConnectInfo(peer)));
    request
}
