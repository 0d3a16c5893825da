//! gRPC's framing of one message: a flag, a length, the message. A large request stays in the
//! pieces in which it came, since putting it together would cost more than all else that is done
//! with it; what decides is read from its outline.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tonic::Status;

use super::outline::outline;
use crate::rpc::status;

/// A flag and a length stand before each message.
pub(super) const HEAD: usize = 5;

/// A frame that is made anew comes in one piece if its message is smaller.
const SMALL: usize = 64 << 10;

/// The frame of one request.
#[derive(Debug)]
pub(super) struct Frame {
    pieces: Vec<Bytes>,
    outline: Bytes,
}

impl Frame {
    /// The frame of `message`.
    pub(super) fn of(message: &[u8]) -> Self {
        let frame = of(message);
        Self { outline: frame.slice(HEAD..), pieces: vec![frame] }
    }

    /// A frame that came in `pieces`. Its large fields need not be kept where they can be read,
    /// those excepted whose numbers are `read`.
    ///
    /// # Errors
    /// It is not the frame of just one message, or the message is compressed or malformed.
    pub(super) fn arrived(pieces: Vec<Bytes>, read: impl Fn(u32) -> bool) -> Result<Self, Status> {
        let outline = match pieces.as_slice() {
            [whole] => {
                message(whole)?;
                whole.slice(HEAD..)
            }
            _ => {
                let mut left = Pieces::of(&pieces);
                check_head(&mut left)?;
                outline(left, read).map_err(|e| status::malformed(&e))?
            }
        };
        Ok(Self { pieces, outline })
    }

    /// The message, but for large fields that nobody reads.
    pub(super) fn outline(&self) -> &[u8] {
        &self.outline
    }

    /// The same, to be kept.
    pub(super) fn encoded(&self) -> Bytes {
        self.outline.clone()
    }

    /// The bytes of memory that the outline takes beside the pieces.
    pub(super) fn beside(&self) -> usize {
        if self.pieces.len() > 1 { self.outline.len() } else { 0 }
    }

    /// All bytes, as they came.
    pub(super) fn pieces(&self) -> Vec<Bytes> {
        self.pieces.clone()
    }

    /// The same with a text added to the message, which counts as the field of that number.
    pub(super) fn with_text(&self, field: u32, text: &str) -> Vec<Bytes> {
        let mut added = Vec::with_capacity(text.len() + 16);
        prost::encoding::string::encode(field, &text.to_owned(), &mut added);
        let mut pieces = self.pieces();
        let mut cut = HEAD;
        for piece in &mut pieces {
            let part = cut.min(piece.len());
            piece.advance(part);
            cut -= part;
        }
        pieces.push(added.into());
        let length = pieces.iter().map(Bytes::len).sum();
        let head = Bytes::copy_from_slice(&head(length));
        if length < SMALL {
            return vec![joined([vec![head], pieces].concat())];
        }
        // Some upstreams end a connection on which too many empty pieces come.
        pieces.retain(|piece| !piece.is_empty());
        pieces.insert(0, head);
        pieces
    }
}

/// The bytes of the frame of `message`.
pub(super) fn of(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_slice(&head(message.len()));
    frame.put_slice(message);
    frame.freeze()
}

fn head(length: usize) -> [u8; HEAD] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [0, a, b, c, d]
}

/// The one message of a call.
pub(super) fn message(frame: &[u8]) -> Result<&[u8], Status> {
    let mut message = frame;
    check_head(&mut message)?;
    Ok(message)
}

/// Takes the head of a frame, whose message must be all that is left.
fn check_head(frame: &mut impl Buf) -> Result<(), Status> {
    if frame.remaining() < HEAD {
        return Err(status::malformed(&"there is no message"));
    }
    if frame.get_u8() != 0 {
        return Err(status::unimplemented("compressed requests are not supported".to_owned()));
    }
    if usize::try_from(frame.get_u32()).is_ok_and(|length| length == frame.remaining()) {
        return Ok(());
    }
    Err(status::malformed(&"its length is not what its head says"))
}

/// How long the frame is whose `beginning` that is; none before its head is there.
pub(super) fn announced<'a>(beginning: impl IntoIterator<Item = &'a u8>) -> Option<usize> {
    let mut head = beginning.into_iter().skip(1);
    let mut length = 0;
    for _ in 1..HEAD {
        length = length << 8 | usize::from(*head.next()?);
    }
    Some(HEAD + length)
}

/// All bytes in one piece.
pub(super) fn joined(pieces: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([whole]) => whole,
        Err(pieces) => pieces.concat().into(),
    }
}

/// Pieces, read one after the other.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    first: &'a [u8],
    others: std::slice::Iter<'a, Bytes>,
    remaining: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(pieces: &'a [Bytes]) -> Self {
        let remaining = pieces.iter().map(Bytes::len).sum();
        let mut all = Self { first: &[], others: pieces.iter(), remaining };
        all.go_on();
        all
    }

    /// To the next piece, where one has been read.
    fn go_on(&mut self) {
        while self.first.is_empty()
            && let Some(next) = self.others.next()
        {
            self.first = next;
        }
    }
}

impl Buf for Pieces<'_> {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.first
    }

    fn advance(&mut self, count: usize) {
        let mut left = count.min(self.remaining);
        self.remaining -= left;
        while left > 0 {
            let part = left.min(self.first.len());
            self.first = self.first.get(part..).unwrap_or_default();
            left -= part;
            self.go_on();
        }
    }
}
