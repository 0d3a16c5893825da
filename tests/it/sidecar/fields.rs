//! Messages written by hand: fields that the protos here declare, and others.

use prost::encoding::{WireType, encode_key, encode_varint};

/// A field of text, or of bytes, or a message within.
pub(super) fn text(number: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut field = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut field);
    encode_varint(value.as_ref().len() as u64, &mut field);
    field.extend_from_slice(value.as_ref());
    field
}

pub(super) fn number(number: u32, value: u64) -> Vec<u8> {
    let mut field = Vec::new();
    encode_key(number, WireType::Varint, &mut field);
    encode_varint(value, &mut field);
    field
}

/// What names a database and a collection in most requests.
pub(super) fn named(database: &str, collection: &str) -> Vec<u8> {
    [text(2, database), text(3, collection)].concat()
}
