//! Those who read slowly: what is held for them is bounded, and nobody else waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tokio::time::timeout;
use tonic::body::Body;

use super::flow::{pipe, streamed};
use super::upstream::{Upstream, headers};
use super::{Sidecar, path, until};
use crate::rpc::raw::{Raw, frame};
use crate::support::{LIMIT, resident};

const MIB: u64 = 1 << 20;

/// Answers `method` with so many MiB, as fast as they are taken; tells how many were.
fn pours(upstream: &Upstream, method: &str, mebibytes: u64) -> Arc<AtomicU64> {
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    upstream.serves(method, move |_| {
        let (count, (send, frames)) = (count.clone(), pipe());
        tokio::spawn(async move {
            let message = frame(&vec![9; 1 << 20]);
            for _ in 0..mebibytes {
                if send.send(Frame::data(message.clone())).await.is_err() {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            let _ = send.send(Frame::trailers(headers(&[("grpc-status", "0")]))).await;
        });
        async move { streamed(frames) }
    });
    taken
}

async fn open(caller: &Raw, method: &str) -> Body {
    caller.open(&path(method), Body::new(Full::new(frame(&[])))).await.into_body()
}

async fn next(body: &mut Body) -> Option<Bytes> {
    let frame = timeout(LIMIT, body.frame()).await.unwrap()?;
    frame.unwrap().into_data().ok()
}

#[tokio::test]
async fn a_slow_reader_slows_the_writer() {
    let w = Sidecar::new().await;
    let taken = pours(&w.upstream, "DumpMessages", 512);
    let root = Raw::root(&w.server).await;
    let before = resident(w.server.pid());
    let mut answer = open(&root, "DumpMessages").await;
    let mut read = next(&mut answer).await.unwrap().len() as u64;
    until("the writer stands still", async || {
        let now = taken.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(500)).await;
        taken.load(Ordering::SeqCst) == now
    })
    .await;
    let last = taken.load(Ordering::SeqCst);
    let grown = resident(w.server.pid()).saturating_sub(before);
    assert!(last < 24, "{last} MiB were taken");
    assert!(grown < 32 * MIB, "{grown} bytes are held");
    let (mut most, mut pieces) = (0, 0_u64);
    while let Some(data) = next(&mut answer).await {
        read += data.len() as u64;
        pieces += 1;
        if pieces.is_multiple_of(256) {
            most = most.max(resident(w.server.pid()));
        }
    }
    assert_ne!(most, 0);
    assert_eq!(read, 512 * (MIB + 5));
    assert!(most < before + 64 * MIB, "{most} bytes were held, {before} at first");
}

#[tokio::test]
async fn nobody_waits_for_slow_readers() {
    let w = Sidecar::new().await;
    pours(&w.upstream, "Query", 64);
    pours(&w.upstream, "Search", 8);
    let mut stalled = Vec::new();
    for i in 0..32 {
        let caller = w.user(&format!("u{i}"), &[("Query", "*", "*")]).await;
        let mut answer = open(&caller, "Query").await;
        next(&mut answer).await.unwrap();
        stalled.push(answer);
    }
    // Until they hold all that they can.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let root = Raw::root(&w.server).await;
    for _ in 0..8 {
        let (mut answer, mut read) = (open(&root, "Search").await, 0);
        while let Some(data) = next(&mut answer).await {
            read += data.len() as u64;
        }
        assert_eq!(read, 8 * (MIB + 5));
    }
    let held = resident(w.server.pid());
    assert!(held < 512 * MIB, "{held} bytes");
}
