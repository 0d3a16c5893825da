//! Whatever comes, in whatever pieces, nothing gets lost but what is late.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

use super::PREFACE;
use super::late::Punctual;
use super::places::Seat;

/// Bytes that come in pieces of these sizes, over and over.
struct Pieces<'a> {
    left: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let size = this.sizes.next().map_or(1, |size| usize::from(*size) + 1);
        let (now, left) = this.left.split_at(size.min(this.left.len()).min(out.remaining()));
        this.left = left;
        out.put_slice(now);
        Poll::Ready(Ok(()))
    }
}

/// What comes out of `bytes` that come in such pieces and are taken in others.
fn through(bytes: &[u8], stopping: bool, come: &[u8], taken: &[u8]) -> Vec<u8> {
    let pieces = Pieces { left: bytes, sizes: come.iter().cycle() };
    let (_stop, stopping) = watch::channel(stopping);
    let mut stream = Punctual::http2(pieces, stopping, Arc::new(Seat::new()), PREFACE.len());
    let mut context = Context::from_waker(Waker::noop());
    let (mut all, mut sizes) = (Vec::new(), taken.iter().cycle());
    loop {
        let mut room = vec![0; sizes.next().map_or(1, |size| usize::from(*size) + 1)];
        let mut out = ReadBuf::new(&mut room);
        let read = Pin::new(&mut stream).poll_read(&mut context, &mut out);
        assert!(matches!(read, Poll::Ready(Ok(()))));
        if out.filled().is_empty() {
            return all;
        }
        all.extend_from_slice(out.filled());
    }
}

/// A frame to be: kind, flags, stream, and how much it holds.
type Frame = (u8, u8, u8, u16);

const HEADERS: u8 = 1;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

/// The bytes of a connection, and of it what is not late.
fn connection(frames: &[Frame]) -> (Vec<u8>, Vec<u8>) {
    let (mut sent, mut expected) = (PREFACE.to_vec(), PREFACE.to_vec());
    let (mut newest, mut last) = (0, None);
    for (kind, flags, stream, size) in frames {
        // The kinds that matter come often.
        let kind = [*kind, HEADERS, PING, WINDOW_UPDATE][usize::from(kind % 4)];
        let content = vec![*flags; usize::from(size % 600)];
        let mut frame = u32::try_from(content.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, *flags]);
        // The highest bit is reserved, and counts for nothing.
        let reserved = u32::from(flags & 2) << 30;
        frame.extend_from_slice(&(u32::from(*stream) | reserved).to_be_bytes());
        frame.extend_from_slice(&content);
        match kind {
            HEADERS => newest = newest.max(*stream),
            PING if flags & 1 == 1 => last = last.or(Some(newest)),
            _ => {}
        }
        if kind != WINDOW_UPDATE || last.is_none_or(|last| *stream <= last) {
            expected.extend_from_slice(&frame);
        }
        sent.extend_from_slice(&frame);
    }
    (sent, expected)
}

#[test]
fn fuzz_nothing_is_lost_but_what_is_late() {
    type Sizes = Vec<u8>;
    bolero::check!().with_type::<(Vec<Frame>, Sizes, Sizes, u16)>().for_each(
        |(frames, come, taken, cut)| {
            let (sent, expected) = connection(frames);
            assert_eq!(through(&sent, false, come, taken), sent);
            assert_eq!(through(&sent, true, come, taken), expected);
            // A connection may break off anywhere.
            let cut = usize::from(*cut) % (sent.len() + 1);
            assert_eq!(through(&sent[..cut], false, come, taken), sent[..cut]);
            let broken_off = through(&sent[..cut], true, come, taken);
            assert_eq!(broken_off, expected[..broken_off.len()]);
        },
    );
}

#[test]
fn fuzz_bytes_that_are_no_frames_come_through() {
    bolero::check!().with_type::<(Vec<u8>, Vec<u8>, Vec<u8>)>().for_each(|(bytes, come, taken)| {
        assert_eq!(through(bytes, false, come, taken), *bytes);
        let whole = through(bytes, true, &[255], &[255]);
        assert_eq!(through(bytes, true, come, taken), whole);
    });
}
