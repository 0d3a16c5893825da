//! Gathers what h2 writes: it gives each frame of 16 KiB to the system by itself, which costs more
//! than to copy it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is gathered at most.
const ROOM: usize = 128 << 10;

/// A connection whose writes wait until its task comes round again, or until they are many.
#[derive(Debug)]
pub(super) struct Gather {
    stream: TcpStream,
    gathered: BytesMut,
}

impl Gather {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, gathered: BytesMut::new() }
    }

    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let given = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.gathered))?;
            if given == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(given);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gather {
    /// h2 reads whenever its task comes round, before it writes.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(Err(e)) = this.poll_give(cx) {
            return Poll::Ready(Err(e));
        }
        Pin::new(&mut this.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for Gather {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gathered.len() >= ROOM {
            ready!(this.poll_give(cx))?;
        }
        let before = this.gathered.len();
        for slice in slices {
            this.gathered.extend_from_slice(slice);
        }
        Poll::Ready(Ok(this.gathered.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// After each frame. More may follow at once, so the task comes round once more to give it all.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.gathered.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_give(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
