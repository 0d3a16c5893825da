//! Protobuf as tonic wants it, but for one thing: a message that cannot be decoded is the caller's
//! mistake, `INVALID_ARGUMENT`, and not `INTERNAL`, which clients retry for minutes; and a large
//! message, as backups are, keeps no other call waiting.

use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::aside;

/// The bytes of a message from which on it is large.
const LARGE: usize = 1 << 20;

/// Encodes `T`, decodes `U`.
#[derive(Debug, Clone)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = PatientEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        PatientEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// Encodes `T`.
#[derive(Debug, Clone)]
pub struct PatientEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for PatientEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, bytes: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let large = message.encoded_len() >= LARGE;
        // The message goes with it, which takes as long.
        let mut encode =
            move || message.encode(bytes).map_err(|e| super::status::unavailable(e.to_string()));
        if large { aside(encode) } else { encode() }
    }
}

/// Decodes `U`.
#[derive(Debug, Clone)]
pub struct StrictDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let large = bytes.remaining() >= LARGE;
        let decode = || U::decode(bytes).map(Some).map_err(|e| super::status::malformed(&e));
        if large { aside(decode) } else { decode() }
    }
}
