//! Gathers what h2 writes: it gives each frame of 16 KiB to the system by itself, which costs more
//! than to copy it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::Stream;

/// What is worth waiting for more.
const LARGE: usize = 16 << 10;
/// What is gathered at most.
const ROOM: usize = 128 << 10;

/// A connection whose writes wait until its task comes round again, or until they are many.
pub(super) struct Gather {
    stream: Box<dyn Stream>,
    gathered: BytesMut,
    /// The stream takes nothing now; it wakes the task when it does again.
    full: bool,
}

impl Gather {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, gathered: BytesMut::new(), full: false }
    }

    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let given = Pin::new(&mut self.stream).poll_write(cx, &self.gathered);
            self.full = given.is_pending();
            let given = ready!(given)?;
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

    /// After each frame. Behind a large one more may follow at once, so the task comes round once
    /// more to give it all; a small one goes at once.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gathered.len() < LARGE {
            if let Poll::Ready(Err(e)) = this.poll_give(cx) {
                return Poll::Ready(Err(e));
            }
        } else if !this.full {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn pair() -> (Gather, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Gather::new(Box::new(near)), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_is_gathered_goes_when_the_task_comes_round() {
        let (mut near, mut far) = pair().await;
        let (one, two) = ([1; LARGE], [2; LARGE]);
        for frame in [&one, &two] {
            near.write_all(frame).await.unwrap();
            near.flush().await.unwrap();
        }
        assert_eq!(near.gathered.len(), 2 * LARGE);
        let mut read = [0; 1];
        let round = near.read(&mut read);
        let answered = async {
            let mut got = [0; 2 * LARGE];
            far.read_exact(&mut got).await.unwrap();
            assert_eq!(got[..], [one, two].concat());
            far.write_all(b"!").await.unwrap();
        };
        tokio::join!(async { assert_eq!(round.await.unwrap(), 1) }, answered);
    }

    #[tokio::test]
    async fn small_frames_go_at_once() {
        let (mut near, mut far) = pair().await;
        near.write_all(b"small").await.unwrap();
        near.flush().await.unwrap();
        let mut got = [0; 5];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"small");
    }

    #[tokio::test]
    async fn a_full_stream_is_waited_for_and_not_asked_again_and_again() {
        let (mut near, far) = pair().await;
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let chunk = vec![7; ROOM];
        while Pin::new(&mut near).poll_write(&mut cx, &chunk).is_ready() {}
        let before = count.0.load(Ordering::SeqCst);
        assert!(Pin::new(&mut near).poll_flush(&mut cx).is_ready());
        assert_eq!(count.0.load(Ordering::SeqCst), before);
        drop(far);
    }
}
