//! Time, streams and sizes: what one side does reaches the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::body::Body;

use super::fields::{named, text};
use super::upstream::{Reply, headers};
use super::{Sidecar, admin, path, until};
use crate::rpc::raw::{Raw, frame};

/// Set once what holds it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(super) type Frames = ReceiverStream<Result<Frame<Bytes>, tonic::Status>>;

/// Both ends of a body.
pub(super) fn pipe() -> (mpsc::Sender<Frame<Bytes>>, Frames) {
    let (send, receive) = mpsc::channel::<Frame<Bytes>>(1);
    let (on, frames) = mpsc::channel(1);
    let mut receive = ReceiverStream::new(receive);
    tokio::spawn(async move {
        while let Some(frame) = receive.next().await {
            if on.send(Ok(frame)).await.is_err() {
                break;
            }
        }
    });
    (send, ReceiverStream::new(frames))
}

#[tokio::test]
async fn deadlines_shrink_on_their_way() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    for (sent, most) in [("8S", 8_000_000), ("1500m", 1_500_000), ("2000000u", 2_000_000)] {
        let caller = root.with("grpc-timeout", sent.as_bytes());
        assert_eq!(caller.unary(&path("Search"), frame(&[])).await.code, Code::Ok);
        let call = w.upstream.call();
        let left: u64 =
            call.header("grpc-timeout").unwrap().strip_suffix('u').unwrap().parse().unwrap();
        assert!(left < most && left > most - 1_000_000, "{sent}: {left}");
    }
    w.allows(&root, "Search", &[]).await;
}

#[tokio::test]
async fn an_upstream_that_hangs_meets_the_deadline() {
    let w = Sidecar::new().await;
    let gone = Arc::new(AtomicBool::new(false));
    let held = gone.clone();
    w.upstream.serves("Search", move |_| {
        let held = Dropped(held.clone());
        async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(held);
            Response::default()
        }
    });
    // So long that this side does not read it: it would give up at the same moment.
    let caller = Raw::root(&w.server).await.with("grpc-timeout", b"0000000300m");
    let started = Instant::now();
    let answer = caller.unary(&path("Search"), frame(&[])).await;
    assert_eq!(
        (answer.code, &*answer.text),
        (Code::DeadlineExceeded, "the upstream did not answer in time")
    );
    let took = started.elapsed();
    assert!(took > Duration::from_millis(250) && took < Duration::from_secs(3), "{took:?}");
    until("the upstream's call ends", async || gone.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_listing_that_breaks_off_meets_the_deadline() {
    let w = Sidecar::new().await;
    w.upstream.serves("ListDatabases", |_| {
        let (send, frames) = pipe();
        tokio::spawn(async move {
            send.send(Frame::data(frame(b"abc").slice(..6))).await.unwrap();
            send.closed().await;
        });
        async move { streamed(frames) }
    });
    let user = w.user("u1", &[]).await;
    let caller = user.with("grpc-timeout", b"0000000300m");
    let answer = caller.unary(&path("ListDatabases"), frame(&[])).await;
    assert_eq!(answer.code, Code::DeadlineExceeded, "{}", answer.text);
}

#[tokio::test]
async fn a_deadline_that_is_over_goes_nowhere() {
    let w = Sidecar::new().await;
    let caller = Raw::root(&w.server).await.with("grpc-timeout", b"0000000000n");
    w.refuses(&caller, "Search", frame(&[]), Code::DeadlineExceeded).await;
}

#[tokio::test]
async fn a_client_that_gives_up_ends_the_call_upstream() {
    let w = Sidecar::new().await;
    let (began, gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, held) = (began.clone(), gone.clone());
    w.upstream.serves("Search", move |_| {
        begins.store(true, Ordering::SeqCst);
        let held = Dropped(held.clone());
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Response::default()
        }
    });
    let root = Raw::root(&w.server).await;
    let call = tokio::spawn(async move { root.unary(&path("Search"), frame(&[])).await });
    until("the call arrives", async || began.load(Ordering::SeqCst)).await;
    assert!(!gone.load(Ordering::SeqCst));
    call.abort();
    let took = until("the call is reset", async || gone.load(Ordering::SeqCst)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_client_that_gives_up_an_answer_ends_it_upstream() {
    let w = Sidecar::new().await;
    let gone = Arc::new(AtomicBool::new(false));
    let held = gone.clone();
    w.upstream.serves("DumpMessages", move |_| {
        let (held, (send, frames)) = (Dropped(held.clone()), pipe());
        tokio::spawn(async move {
            while send.send(Frame::data(frame(b"more"))).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(held);
        });
        async move { streamed(frames) }
    });
    let root = Raw::root(&w.server).await;
    let body = Body::new(http_body_util::Full::new(frame(&[])));
    let mut answer = root.open(&path("DumpMessages"), body).await.into_body();
    for _ in 0..10 {
        answer.frame().await.unwrap().unwrap();
    }
    assert!(!gone.load(Ordering::SeqCst));
    drop(answer);
    until("the answer is reset", async || gone.load(Ordering::SeqCst)).await;
}

pub(super) fn streamed(frames: Frames) -> Response {
    let mut response = Response::new(axum::body::Body::new(StreamBody::new(frames)));
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// Says everything back, and ends as the client does.
async fn echo(request: Request) -> Response {
    let (send, frames) = pipe();
    let mut body = request.into_body();
    tokio::spawn(async move {
        while let Some(Ok(part)) = body.frame().await {
            let Ok(data) = part.into_data() else { continue };
            if send.send(Frame::data(data)).await.is_err() {
                return;
            }
        }
        let _ =
            send.send(Frame::trailers(headers(&[("grpc-status", "0"), ("x-end", "yes")]))).await;
    });
    streamed(frames)
}

#[tokio::test]
async fn a_stream_goes_both_ways_while_it_lasts() {
    let w = Sidecar::new().await;
    w.upstream.serves("CreateReplicateStream", echo);
    let user = w.user("u1", &[("UpdateReplicateConfiguration", "*", "*")]).await;
    let (send, frames) = pipe();
    let body = Body::new(StreamBody::new(frames));
    let (mut answer, mut said) =
        (user.open(&path("CreateReplicateStream"), body).await.into_body(), Vec::new());
    for i in 0u8..50 {
        // Each is answered before the next one is sent; compressed ones are the upstream's to read.
        let message = [&[i % 2, 0, 0, 0, 2][..], &[i, i]].concat();
        send.send(Frame::data(message.clone().into())).await.unwrap();
        said.extend(message);
        while !said.is_empty() {
            let data = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(said.drain(..data.len()).collect::<Vec<_>>(), data);
        }
    }
    drop(send);
    let trailers = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers.get("x-end").unwrap(), "yes");
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn streams_are_authorized_at_their_start() {
    let w = Sidecar::new().await;
    let rows = [
        ("CreateReplicateStream", "UpdateReplicateConfiguration"),
        ("DumpMessages", "ManageOwnership"),
    ];
    for (i, (method, privilege)) in rows.into_iter().enumerate() {
        w.upstream.serves(method, |_| async { panic!("it must not come here") });
        let name = format!("u{i}");
        let user = w.user(&name, &[("Search", "*", "*")]).await;
        let strangers = Raw::anonymous(&w.server).await;
        for (caller, code) in [(&user, "7"), (&strangers, "16")] {
            // The body has not begun, and never ends.
            let (send, frames) = pipe();
            let body = Body::new(StreamBody::new(frames));
            let answer = caller.open(&path(method), body).await;
            assert_eq!(answer.headers().get("grpc-status").unwrap(), code, "{method}");
            drop(send);
        }
        w.grant(&name, (privilege, "*", "*")).await;
        w.upstream.serves(method, |_| async { Reply::ok(b"come").into_response() });
        let answer = user.unary(&path(method), frame(&[])).await;
        assert_eq!((answer.code, &answer.body[..]), (Code::Ok, &frame(b"come")[..]));
    }
}

#[tokio::test]
async fn large_inserts_pass_up_to_a_bound() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[("Insert", "default", "c1")]).await;
    let insert = |length: usize| [named("", "c1"), text(5, vec![7; length])].concat();
    let message = frame(&insert(60 << 20));
    let answer = user.unary(&path("Insert"), message.clone()).await;
    assert_eq!(answer.code, Code::Ok, "{}", answer.text);
    assert!(w.upstream.call().body == message, "it was changed");
    let denied = frame(&[named("", "c2"), text(5, vec![7; 8 << 20])].concat());
    w.refuses(&user, "Insert", denied, Code::PermissionDenied).await;
    let answer =
        w.refuses(&user, "Insert", frame(&insert(65 << 20)), Code::ResourceExhausted).await;
    assert_eq!(answer.text, "the request is larger than 67108864 bytes");
    w.allows(&user, "Insert", &insert(1)).await;
}

#[tokio::test]
async fn a_call_is_counted_by_the_status_that_comes_last() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    let failing = |status: &str| Reply {
        trailers: Some(headers(&[("grpc-status", status)])),
        ..Reply::ok(b"part")
    };
    let replies =
        [("Query", Reply::ok(&[])), ("Search", failing("13")), ("Insert", Reply::status("8"))];
    for (method, reply) in replies {
        w.upstream.answers(method, move |_| reply.clone());
        root.unary(&path(method), frame(&named("", "c1"))).await;
    }
    // One that breaks off, and one whose reader goes away.
    let (breaks, frames) = mpsc::channel(1);
    let frames = Arc::new(Mutex::new(Some(ReceiverStream::new(frames))));
    w.upstream.serves("Delete", move |_| {
        let frames = frames.lock().unwrap().take().unwrap();
        async move { streamed(frames) }
    });
    let mut broken = root.open(&path("Delete"), Body::new(Full::new(frame(&[])))).await;
    breaks.send(Ok(Frame::data(frame(b"abc").slice(..6)))).await.unwrap();
    broken.body_mut().frame().await.unwrap().unwrap();
    breaks.send(Err(tonic::Status::internal("broken"))).await.unwrap();
    let _ = broken.into_body().collect().await;
    let (send, frames) = pipe();
    let endless = Arc::new(Mutex::new(Some(frames)));
    w.upstream.serves("Upsert", move |_| {
        let frames = endless.lock().unwrap().take().unwrap();
        async move { streamed(frames) }
    });
    drop(root.open(&path("Upsert"), Body::new(Full::new(frame(&[])))).await);
    for (method, code) in
        [("Query", 0), ("Search", 13), ("Insert", 8), ("Delete", 2), ("Upsert", 1)]
    {
        let line = format!("milvus_rbac_requests_total{{method=\"{method}\",code=\"{code}\"}} 1");
        until(&line, async || admin(&w.server, "/metrics").await.1.contains(&line)).await;
        let metrics = admin(&w.server, "/metrics").await.1;
        let of = format!("milvus_rbac_requests_total{{method=\"{method}\"");
        assert_eq!(metrics.matches(&of).count(), 1, "{metrics}");
    }
    drop(send);
}
