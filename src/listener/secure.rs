//! How connections begin, with TLS or without: who is there, and whether HTTP/1 or HTTP/2 is spoken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::Version;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::PREFACE;
use crate::tls::server::{Shown, Terms};

/// What holds on a port with TLS.
pub(super) type Secure = watch::Receiver<Arc<Terms>>;

/// A connection whose client has said enough to tell HTTP/1 from HTTP/2.
pub(super) struct Begun {
    pub(super) line: Line,
    pub(super) version: Version,
    /// The certificate that the client had to show, if any.
    pub(super) shown: Option<Shown>,
}

impl Begun {
    /// Waits until the client has said enough; hyper itself waits for ever. None if it does not speak
    /// the TLS that it should.
    pub(super) async fn wait(stream: TcpStream, secure: Option<&mut Secure>) -> Option<Self> {
        // Small answers would wait for the client's acknowledgement of the one before.
        if let Err(e) = stream.set_nodelay(true) {
            debug!(error = %e, "cannot set nodelay");
        }
        let Some(secure) = secure else {
            let version = spoken(&stream).await;
            return Some(Self { line: Line::Plain(stream), version, shown: None });
        };
        let terms = secure.borrow_and_update().clone();
        let refused = |e| debug!(error = %e, "a TLS handshake failed");
        let mut stream = terms.acceptor().accept(stream).await.map_err(refused).ok()?;
        let session = stream.get_ref().1;
        let shown = session.peer_certificates().map(|chain| {
            terms.shown(chain.iter().map(|certificate| certificate.clone().into_owned()).collect())
        });
        // Whatever was agreed on by ALPN: not every client names what it speaks.
        let mut said = BytesMut::with_capacity(PREFACE.len());
        let version = loop {
            if let Some(version) = told(&said) {
                break version;
            }
            if stream.read_buf(&mut said).await.map_err(refused).ok()? == 0 {
                return None;
            }
        };
        Some(Self { line: Line::Secure(Box::new(Secured { said, stream })), version, shown })
    }
}

/// Which HTTP begins with what was said, once that is certain.
fn told(said: &[u8]) -> Option<Version> {
    if said.starts_with(PREFACE) {
        return Some(Version::HTTP_2);
    }
    (!PREFACE.starts_with(said)).then_some(Version::HTTP_11)
}

async fn spoken(stream: &TcpStream) -> Version {
    let mut first = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(5);
    loop {
        let Ok(length) = stream.peek(&mut first).await else { return Version::HTTP_11 };
        let said = first.get(..length).unwrap_or_default();
        if let Some(version) = told(said) {
            return version;
        }
        if length == 0 {
            return Version::HTTP_11;
        }
        // Readable already, so `peek` would not wait for more.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Either kind of connection: no dynamic call stands between a plain one and its bytes.
pub(super) enum Line {
    Plain(TcpStream),
    Secure(Box<Secured>),
}

/// A connection with TLS, of which the beginning was read already.
pub(super) struct Secured {
    said: BytesMut,
    stream: TlsStream<TcpStream>,
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Secure(secured) if secured.said.is_empty() => {
                Pin::new(&mut secured.stream).poll_read(cx, out)
            }
            Self::Secure(secured) => {
                let now = secured.said.len().min(out.remaining());
                out.put_slice(secured.said.get(..now).unwrap_or_default());
                secured.said.advance(now);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secure(secured) => Pin::new(&mut secured.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Secure(secured) => Pin::new(&mut secured.stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Secure(secured) => secured.stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(secured) => Pin::new(&mut secured.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(secured) => Pin::new(&mut secured.stream).poll_shutdown(cx),
        }
    }
}
