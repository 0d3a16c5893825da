//! Reads the few strings that decide from an encoded message, without decoding the rest.

use std::fmt;

use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_key, decode_varint, skip_field,
};

/// The most names in one field: a large message has room for millions, each of which is decided on.
const MAX_NAMES: usize = 65_536;

/// Bytes that are no protobuf message.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// Shows `see` each string in the fields that `paths` lead to, field by field, in one pass.
///
/// The parts of a message that is sent in several pieces belong together, so the pieces are read
/// one after the other, as a full decoder merges them.
pub(super) fn each<'a>(
    message: &'a [u8],
    paths: &[&[u32]],
    see: &mut dyn FnMut(&'a str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut left = message;
    while !left.is_empty() {
        let (number, wire_type) = decode_key(&mut left)?;
        let mut here = paths.iter().filter_map(|path| path.split_first());
        if !here.any(|(first, _)| *first == number) {
            skip_field(wire_type, number, &mut left, DecodeContext::default())?;
            continue;
        }
        check_wire_type(WireType::LengthDelimited, wire_type)?;
        let length = usize::try_from(decode_varint(&mut left)?).unwrap_or(usize::MAX);
        let (value, tail) = left
            .split_at_checked(length)
            .ok_or_else(|| Malformed("a field is longer than the message".to_owned()))?;
        left = tail;
        let here = paths.iter().filter_map(|path| path.split_first());
        let within: Vec<&[u32]> =
            here.filter(|(first, _)| **first == number).map(|(_, rest)| rest).collect();
        if within.iter().any(|path| path.is_empty()) {
            see(std::str::from_utf8(value)
                .map_err(|_| Malformed(format!("field {number} is not valid UTF-8")))?)?;
        } else {
            each(value, &within, see)?;
        }
    }
    Ok(())
}

/// The values of a string field that repeats.
pub(super) fn strings<'a>(message: &'a [u8], path: &[u32]) -> Result<Vec<&'a str>, Malformed> {
    let mut all = Vec::new();
    let mut keep = |text| {
        if all.len() == MAX_NAMES {
            return Err(Malformed(format!("field {path:?} holds more than {MAX_NAMES} names")));
        }
        all.push(text);
        Ok(())
    };
    if !path.is_empty() {
        each(message, &[path], &mut keep)?;
    }
    Ok(all)
}

/// The value of a string field that does not repeat: the last one sent, as protobuf says; empty if
/// none was.
pub(super) fn string<'a>(message: &'a [u8], path: &[u32]) -> Result<&'a str, Malformed> {
    let mut last = "";
    if !path.is_empty() {
        each(message, &[path], &mut |text| {
            last = text;
            Ok(())
        })?;
    }
    Ok(last)
}

/// The value of the string field of that number, 0 for none.
pub(super) fn field(message: &[u8], number: u32) -> Result<&str, Malformed> {
    if number == 0 { Ok("") } else { string(message, &[number]) }
}

/// The integers in the field of that number, 0 for none, folded into one: 0 where there is none but
/// zeros, the value where there is one alone, else a value that no id has.
pub(super) fn id(message: &[u8], field: u32) -> Result<u64, Malformed> {
    let mut found = 0;
    let mut left = message;
    while field != 0 && !left.is_empty() {
        let (number, wire_type) = decode_key(&mut left)?;
        let value = match wire_type {
            WireType::Varint if number == field => decode_varint(&mut left)?,
            _ => {
                skip_field(wire_type, number, &mut left, DecodeContext::default())?;
                if number == field { u64::MAX } else { 0 }
            }
        };
        found = match (found, value) {
            (found, 0) => found,
            (0, value) => value,
            _ => u64::MAX,
        };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::rpc::proto::service::{
        GrantEntity, RoleEntity, SelectGrantRequest, SelectUserRequest, UserEntity,
    };

    fn grants_of(role: &str) -> Vec<u8> {
        let role = Some(RoleEntity { name: role.to_owned(), description: "d".to_owned() });
        let entity = Some(GrantEntity { role, db_name: "db".to_owned(), ..Default::default() });
        SelectGrantRequest { entity, ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn the_last_occurrence_counts_at_every_depth() {
        let bytes = [grants_of("first"), grants_of("last")].concat();
        let full = SelectGrantRequest::decode(&*bytes).unwrap();
        assert_eq!(full.entity.unwrap().role.unwrap().name, "last");
        assert_eq!(string(&bytes, &[2, 1, 1]).unwrap(), "last");
        // A second piece without a name does not clear the first one's.
        let bytes = [grants_of("first"), vec![0x12, 0x02, 0x0a, 0x00]].concat();
        let full = SelectGrantRequest::decode(&*bytes).unwrap();
        assert_eq!(full.entity.unwrap().role.unwrap().name, "first");
        assert_eq!(string(&bytes, &[2, 1, 1]).unwrap(), "first");
    }

    #[test]
    fn malformed_messages_are_refused() {
        for bytes in [
            &[0x12][..],         // a key without its value
            &[0x12, 0x05, b'a'], // longer than the message
            &[0x10, 0x01],       // the wrong wire type
            &[0x12, 0x01, 0xff], // no UTF-8
            &[0x00, 0x00],       // field number 0
            &[0x0f, 0x00],       // an unknown wire type
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], // overlong
        ] {
            assert!(string(bytes, &[2]).is_err(), "{bytes:02x?}");
        }
    }

    proptest! {
        /// What the gate sees is what the handler decodes, whatever the bytes.
        #[test]
        fn agrees_with_the_full_decoder(
            pieces in prop::collection::vec(
                prop_oneof![
                    "[a-z]{0,3}".prop_map(|name| grants_of(&name)),
                    prop::collection::vec(any::<u8>(), 0..8),
                ],
                0..4,
            )
        ) {
            let bytes = pieces.concat();
            if let Ok(full) = SelectGrantRequest::decode(&*bytes) {
                let role = full.entity.and_then(|e| e.role).map(|r| r.name).unwrap_or_default();
                prop_assert_eq!(string(&bytes, &[2, 1, 1]).unwrap(), role);
            }
            if let Ok(full) = SelectUserRequest::decode(&*bytes) {
                let user: Option<UserEntity> = full.user;
                prop_assert_eq!(
                    string(&bytes, &[2, 1]).unwrap(),
                    user.map(|u| u.name).unwrap_or_default()
                );
            }
        }
    }
}
