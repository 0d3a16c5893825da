//! Ports: accepting connections, serving HTTP/1.1 and HTTP/2 on them, and letting go of them.

mod late;
#[cfg(test)]
mod late_fuzz;
mod places;
mod secure;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use rustix::net::listen;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service as _;
use tracing::{debug, warn};

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
/// Connections that wait to be accepted, if the system allows so many: all followers may come at once.
const BACKLOG: i32 = 4096;
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

/// A bound port.
#[derive(Debug)]
pub struct Port(TcpListener, Option<Secure>);

impl Port {
    /// Binds `address`, which `flag` gave.
    ///
    /// # Errors
    /// The address is unusable or taken.
    pub async fn bind(flag: &str, address: &str) -> Result<Self, String> {
        let wrong = |e| format!("cannot listen on {address}: {e}; {flag} gives another address");
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        listen(&listener, BACKLOG).map_err(|e| wrong(e.into()))?;
        Ok(Self(listener, None))
    }

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

    /// Serves `app` until `stop` is set, then lets running calls finish, for `grace` at most. Returns
    /// whether they did.
    pub async fn serve(
        self,
        app: Router,
        mut stop: watch::Receiver<bool>,
        grace: Duration,
    ) -> bool {
        let places = Places::new(connections());
        let stopping = stop.clone();
        let mut stopped = pin!(async move { stop.wait_for(|stop| *stop).await.is_ok() });
        loop {
            let next = async {
                let (stream, _) = self.0.accept().await?;
                Ok::<_, io::Error>((stream, places.take().await))
            };
            tokio::select! {
                _ = &mut stopped => break,
                accepted = next => match accepted {
                    Ok((stream, Some(place))) => {
                        let secure = self.1.clone();
                        tokio::spawn(attend(stream, secure, place, stopping.clone(), app.clone()));
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
        tokio::time::timeout(grace, places.emptied()).await.is_ok()
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
    mut stopping: watch::Receiver<bool>,
    app: Router,
) {
    let seat = place.seat();
    let peer = stream.peer_addr().ok();
    let mut stop = pin!(async move { stopping.wait_for(|stop| *stop).await.is_ok() });
    // Those who have said nothing have nothing to wait for.
    let said = tokio::select! {
        biased;
        said = tokio::time::timeout(HEAD_TIME, Begun::wait(stream, secure.as_mut())) => {
            said.ok().flatten()
        }
        _ = &mut stop => None,
        () = seat.told_to_leave() => None,
    };
    let Some(Begun { line, version, shown }) = said else { return };
    let from = From { peer, certified: shown.as_ref().and_then(|shown| shown.certified.clone()) };
    let (leave, leaving) = watch::channel(false);
    let mut connection = pin!(connection(line, version, leaving, &seat, from, app));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = &mut stop => {
            leave.send_replace(true);
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        why = distrusted(shown.as_ref(), secure.as_mut()) => {
            debug!(why, "a client's certificate counts no more");
            leave.send_replace(true);
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(DISTRUST_TIME, connection).await.unwrap_or(Ok(()))
        }
        () = seat.told_to_leave() => {
            leave.send_replace(true);
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LEAVE_TIME, connection).await.unwrap_or(Ok(()))
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
    leaving: watch::Receiver<bool>,
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
        Punctual::http2(stream, leaving, seat.clone(), PREFACE.len())
    } else {
        Punctual::http1(stream, leaving, seat.clone())
    };
    let seat = seat.clone();
    let service = tower::service_fn(move |request| {
        let (call, answer) = (seat.call(), app.call(from.note(request)));
        async move {
            let answer = answer.await;
            drop(call);
            answer
        }
    });
    builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned()
}

/// Where the requests of a connection come from.
#[derive(Clone)]
struct From {
    peer: Option<SocketAddr>,
    /// Whom the client's certificate names, where that counts.
    certified: Option<Certified>,
}

impl From {
    /// Notes it with a request.
    fn note<B>(&self, mut request: Request<B>) -> Request<B> {
        self.peer.map(|peer| request.extensions_mut().insert(ConnectInfo(peer)));
        self.certified.clone().map(|user| request.extensions_mut().insert(user));
        request
    }
}
