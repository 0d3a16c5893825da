//! Keeps late frames from the h2 crate.
//!
//! When a connection ends, h2 tells the client which stream is the last that is served, and ignores
//! later ones; but their WINDOW_UPDATE frames it takes for a breach of the protocol (up to 0.4.20),
//! and drops the connection with all calls that still run on it. Their answers would be lost,
//! though they changed something. gRPC's C core, on which pymilvus stands, sends such a frame with
//! each call, and calls for a moment after it was told of the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::places::Seat;

/// Bytes that are read at a time, once frames may be late.
const CHUNK: usize = 16 << 10;
/// The head of a frame.
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// A connection without the frames that its client sends too late.
#[derive(Debug)]
pub(super) struct Punctual<S> {
    stream: S,
    leaving: watch::Receiver<bool>,
    seat: Arc<Seat>,
    /// None for HTTP/1.
    frames: Option<Frames>,
    /// What was read and not yet asked for, none before frames may be late.
    kept: BytesMut,
}

impl<S> Punctual<S> {
    pub(super) fn http1(stream: S, leaving: watch::Receiver<bool>, seat: Arc<Seat>) -> Self {
        Self { stream, leaving, seat, frames: None, kept: BytesMut::new() }
    }

    /// The connection has yet to give its preface, of that length.
    pub(super) fn http2(
        stream: S,
        leaving: watch::Receiver<bool>,
        seat: Arc<Seat>,
        preface: usize,
    ) -> Self {
        Self { frames: Some(Frames::after(preface)), ..Self::http1(stream, leaving, seat) }
    }
}

/// Where in the sequence of frames the connection is.
#[derive(Debug)]
struct Frames {
    head: BytesMut,
    /// Bytes left of the current frame.
    left: usize,
    keep: bool,
    newest: u32,
    /// The last stream that is served, once that is settled.
    last: Option<u32>,
}

impl Frames {
    fn after(preface: usize) -> Self {
        Self { head: BytesMut::new(), left: preface, keep: true, newest: 0, last: None }
    }

    /// Follows `bytes`, the next that came, and shows `keep` what is not late of them; until it
    /// settles which stream is the last, before which nothing is late. Returns how far it came.
    fn follow(&mut self, bytes: &[u8], leaving: bool, mut keep: impl FnMut(&[u8])) -> usize {
        let settled = self.last.is_some();
        let mut rest = bytes;
        while !rest.is_empty() && self.last.is_some() == settled {
            let wanted = if self.left == 0 { HEAD - self.head.len() } else { self.left };
            let (part, after) = rest.split_at(wanted.min(rest.len()));
            rest = after;
            if self.left > 0 {
                self.left -= part.len();
                if self.keep {
                    keep(part);
                }
                continue;
            }
            self.head.extend_from_slice(part);
            if self.head.len() == HEAD {
                self.begin(leaving);
                if self.keep {
                    keep(&self.head);
                }
                self.head.clear();
            }
        }
        bytes.len() - rest.len()
    }

    /// Looks at the head of a frame.
    fn begin(&mut self, leaving: bool) {
        let mut head = self.head.as_ref();
        self.left = usize::try_from(head.get_uint(3)).unwrap_or(usize::MAX);
        let (kind, flags, stream) =
            (head.get_u8(), head.get_u8(), head.get_u32() & (u32::MAX >> 1));
        match kind {
            HEADERS => self.newest = self.newest.max(stream),
            // With this answer to a ping, h2 settles which stream is the last.
            PING if leaving && flags & ACK != 0 => self.last = self.last.or(Some(self.newest)),
            _ => {}
        }
        self.keep = kind != WINDOW_UPDATE || self.last.is_none_or(|last| stream <= last);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Punctual<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, leaving, seat, frames, kept } = self.get_mut();
        let Some(frames) = frames else {
            ready!(Pin::new(stream).poll_read(cx, out))?;
            seat.moved();
            return Poll::Ready(Ok(()));
        };
        if frames.last.is_none() {
            let before = out.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, out))?;
            seat.moved();
            let came = out.filled().get(before..).unwrap_or_default();
            let leaving = *leaving.borrow();
            let followed = frames.follow(came, leaving, |_| {});
            let late = came.get(followed..).unwrap_or_default();
            frames.follow(late, leaving, |part| kept.extend_from_slice(part));
            out.set_filled(before + followed);
            return Poll::Ready(Ok(()));
        }
        while kept.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut chunk))?;
            seat.moved();
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            frames.follow(chunk.filled(), true, |part| kept.extend_from_slice(part));
        }
        out.put_slice(&kept.split_to(kept.len().min(out.remaining())));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Punctual<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.seat.moved();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bytes))?;
        this.seat.moved();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
