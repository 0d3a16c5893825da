//! HTTP/2 connections to the upstream: few, each for many calls, made anew when they have ended.
//! A call goes onto its connection without a queue or a task of its own, which would cost as much
//! as everything else that the gate does.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong, Reason, SendStream};
use http::uri::Authority;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;
use tracing::debug;

use super::answering::Answers;
use super::gather::Gather;
use crate::telemetry::with_causes;
use crate::tls::{self, TlsFiles};

/// Connections to the upstream.
const CONNECTIONS: usize = 4;
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How often a connection is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIME: Duration = Duration::from_secs(5);
/// What is taken of an answer before its reader takes it, and of all answers on a connection. Calls
/// share a connection: with room for too few answers, readers that stand still would stop all others.
const CALL_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 256 << 20;

/// What is sent.
pub(super) enum Content {
    /// All of it is here, in pieces.
    Whole(Vec<Bytes>),
    /// It comes bit by bit.
    Stream(Body),
}

/// Connections, made when they are first needed.
#[derive(Debug)]
pub(super) struct Connections {
    authority: Authority,
    tls: Option<TlsFiles>,
    slots: [Slot; CONNECTIONS],
    next: AtomicUsize,
}

/// The way onto a connection and back.
#[derive(Debug, Clone)]
struct Way {
    sender: SendRequest<Bytes>,
    answers: Arc<Answers>,
}

/// A place for one connection.
#[derive(Debug, Default)]
struct Slot {
    current: Mutex<Option<Way>>,
    /// Held while connecting; the last failure, and when it happened.
    connecting: tokio::sync::Mutex<Option<(Instant, String)>>,
}

impl Connections {
    pub(super) fn new(authority: Authority, tls: Option<TlsFiles>) -> Self {
        Self { authority, tls, slots: Default::default(), next: AtomicUsize::new(0) }
    }

    /// Sends a request, and waits for the head of the answer.
    ///
    /// # Errors
    /// The upstream cannot be reached, or broke off; the text says how.
    pub(super) async fn send(
        &self,
        request: Request<()>,
        content: Content,
    ) -> Result<Response<Body>, String> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let slot = self.slots.get(turn).ok_or_else(|| "there is no connection".to_owned())?;
        let Way { mut sender, answers } = slot.way(&self.authority, self.tls.as_ref()).await?;
        let broken = |e: h2::Error| with_causes(&e);
        let (answer, mut sending) = sender.send_request(request, false).map_err(broken)?;
        match content {
            Content::Whole(pieces) => {
                let mut left = pieces.len();
                for piece in pieces {
                    left -= 1;
                    sending.send_data(piece, left == 0).map_err(broken)?;
                }
            }
            Content::Stream(body) => {
                tokio::spawn(pump(body, sending));
            }
        }
        let answer = answer.await.map_err(broken)?;
        Ok(answer.map(|body| Body::new(answers.body(body))))
    }
}

impl Slot {
    /// A connection that was not known to have ended.
    async fn way(&self, authority: &Authority, tls: Option<&TlsFiles>) -> Result<Way, String> {
        let asked = Instant::now();
        if let Some(way) = self.usable().await {
            return Ok(way);
        }
        let mut last_failure = self.connecting.lock().await;
        if let Some(way) = self.usable().await {
            return Ok(way);
        }
        // Those who waited for an attempt share its outcome: they would wait in vain in turn.
        if let Some((when, why)) = &*last_failure
            && *when >= asked
        {
            return Err(why.clone());
        }
        let connected = match timeout(CONNECT_TIME, connect(authority, tls)).await {
            Ok(connected) => connected,
            Err(_) => Err("connecting takes too long".to_owned()),
        };
        match connected {
            Ok(way) => {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(way.clone());
                way.ready().await.map_err(|e| with_causes(&e))
            }
            Err(why) => {
                *last_failure = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    async fn usable(&self) -> Option<Way> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        current?.ready().await.ok()
    }
}

impl Way {
    async fn ready(self) -> Result<Self, h2::Error> {
        Ok(Self { sender: self.sender.ready().await?, ..self })
    }
}

async fn connect(authority: &Authority, tls: Option<&TlsFiles>) -> Result<Way, String> {
    let tls = tls.map(TlsFiles::read).transpose()?;
    let stream = tls::connect(authority, tls.as_ref()).await.map_err(|e| with_causes(&e))?;
    let (sender, mut connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(Gather::new(stream))
        .await
        .map_err(|e| with_causes(&e))?;
    let pings = connection.ping_pong();
    let answers = Arc::new(Answers::default());
    tokio::spawn(drive(connection, pings, answers.clone()));
    Ok(Way { sender, answers })
}

/// Moves a connection's bytes until it ends. When it is let go of, its calls fail.
async fn drive(
    connection: Connection<Gather, Bytes>,
    pings: Option<PingPong>,
    answers: Arc<Answers>,
) {
    tokio::select! {
        ended = connection => if let Err(e) = ended {
            debug!(error = %e, "a connection to the upstream broke");
        },
        () = answers.watch() => {}
        () = silence(pings) => debug!("a connection to the upstream no longer answers"),
    }
}

/// Ends when the other side no longer answers.
async fn silence(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        if !matches!(timeout(PING_TIME, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// Passes a body on as fast as the upstream takes it.
async fn pump(mut body: Body, mut to: SendStream<Bytes>) {
    loop {
        let next = tokio::select! {
            next = body.frame() => next,
            // The upstream wants no more of it.
            _ = poll_fn(|cx| to.poll_reset(cx)) => return,
        };
        let data = match next {
            None => {
                let _ = to.send_data(Bytes::new(), true);
                return;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => return to.send_reset(Reason::CANCEL),
        };
        if push(data, &mut to).await.is_none() {
            return;
        }
    }
}

/// Nothing if the upstream wants no more.
async fn push(mut data: Bytes, to: &mut SendStream<Bytes>) -> Option<()> {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let capacity = poll_fn(|cx| to.poll_capacity(cx)).await?.ok()?;
        let part = data.split_to(capacity.min(data.len()));
        to.send_data(part, false).ok()?;
    }
    Some(())
}
