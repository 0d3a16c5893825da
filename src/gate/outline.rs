//! The outline of a message: all that decides, without the vectors beside it. What is read from an
//! outline is what would be read from the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::peek::Malformed;

/// Fields that take more are left out.
const LARGE: usize = 4 << 10;

/// The `message` without the large fields whose numbers are not `read`.
///
/// What stands in a group is treated like what stands outside: a group is skipped where fields are
/// read, so it may lose some of its own.
pub(super) fn outline(
    mut message: impl Buf,
    read: impl Fn(u32) -> bool,
) -> Result<Bytes, Malformed> {
    let mut kept = BytesMut::new();
    while message.has_remaining() {
        let (number, wire_type) = decode_key(&mut message)?;
        let (length, size) = match wire_type {
            WireType::LengthDelimited => {
                let length = decode_varint(&mut message)?;
                (Some(length), usize::try_from(length).unwrap_or(usize::MAX))
            }
            WireType::Varint => {
                encode_key(number, wire_type, &mut kept);
                encode_varint(decode_varint(&mut message)?, &mut kept);
                continue;
            }
            WireType::SixtyFourBit => (None, 8),
            WireType::ThirtyTwoBit => (None, 4),
            WireType::StartGroup | WireType::EndGroup => (None, 0),
        };
        if size > message.remaining() {
            return Err(Malformed("a field is longer than the message".to_owned()));
        }
        if size > LARGE && !read(number) {
            message.advance(size);
            continue;
        }
        encode_key(number, wire_type, &mut kept);
        if let Some(length) = length {
            encode_varint(length, &mut kept);
        }
        kept.put((&mut message).take(size));
    }
    Ok(kept.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_field(number: u32, value: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        prost::encoding::bytes::encode(number, &value.to_vec(), &mut message);
        message
    }

    #[test]
    fn only_large_fields_that_nobody_reads_are_left_out() {
        let [read, unread] = [1, 5];
        let large = vec![b'v'; LARGE + 1];
        let small = &large[..LARGE];
        let message = [
            bytes_field(unread, small),
            bytes_field(unread, &large),
            bytes_field(read, &large),
            bytes_field(unread, small),
        ];
        let kept = outline(&*message.concat(), |number| number == read).unwrap();
        let expected = [&message[0][..], &message[2], &message[3]].concat();
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_field_without_its_end_is_refused() {
        let message = bytes_field(5, &vec![b'v'; LARGE + 1]);
        assert!(outline(&message[..LARGE], |_| false).is_err());
    }
}
