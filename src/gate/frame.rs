//! gRPC's framing of one message: a flag, a length, the message.

use bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;

use crate::rpc::status;

/// A flag and a length stand before each message.
pub(super) const HEAD: usize = 5;

/// The one message of a unary call.
pub(super) fn message(frame: &[u8]) -> Result<&[u8], Status> {
    let Some(([compressed, length @ ..], message)) = frame.split_first_chunk::<HEAD>() else {
        return Err(status::malformed(&"there is no message"));
    };
    if *compressed != 0 {
        return Err(status::unimplemented("compressed requests are not supported".to_owned()));
    }
    if usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| length == message.len()) {
        return Ok(message);
    }
    Err(status::malformed(&"its length is not what its head says"))
}

/// Whether a frame is there to its end.
pub(super) fn is_whole(frame: &[u8]) -> bool {
    let Some((&[_, length @ ..], message)) = frame.split_first_chunk::<HEAD>() else {
        return false;
    };
    usize::try_from(u32::from_be_bytes(length)).is_ok_and(|length| length <= message.len())
}

/// How long a frame will be, head included, as far as its beginning tells.
pub(super) fn announced(frame: &[u8]) -> usize {
    let Some(&[_, length @ ..]) = frame.first_chunk::<HEAD>() else { return 0 };
    usize::try_from(u32::from_be_bytes(length)).map_or(0, |length| length.saturating_add(HEAD))
}

/// The frame of `message`.
pub(super) fn of(message: &[u8]) -> Bytes {
    of_parts(&[message])
}

/// The frame of `message` with a text added, which counts as the field of that number.
pub(super) fn with_text(message: &[u8], field: u32, text: &str) -> Bytes {
    let mut added = Vec::with_capacity(text.len() + 16);
    prost::encoding::string::encode(field, &text.to_owned(), &mut added);
    of_parts(&[message, &added])
}

fn of_parts(parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(HEAD + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for part in parts {
        frame.put_slice(part);
    }
    frame.freeze()
}
