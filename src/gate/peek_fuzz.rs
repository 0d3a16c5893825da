//! Whatever the bytes, the gate sees the names that a full decoder sees. An ordinary test, and a
//! target for fuzzers: `cargo bolero test gate::peek_fuzz::names_are_those_of_a_full_decode`.

use std::sync::LazyLock;

use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};

use super::frame::Frame;
use super::methods::{self, Access, METHODS, Method, MethodRow};
use super::{asked, frame, peek};
use crate::rpc::DESCRIPTORS;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).unwrap());

/// The size of pieces in which frames arrive.
const PIECE: usize = 7;
/// The size of fields that stand for data.
const LARGE: usize = 5 << 10;

fn request_of(row: &MethodRow) -> MessageDescriptor {
    let (service, method) = row.path.trim_start_matches('/').split_once('/').unwrap();
    let service = POOL.get_service_by_name(service).unwrap();
    service.methods().find(|m| m.name() == method).unwrap().input()
}

/// The texts of a decoded message at a path.
fn texts(message: &DynamicMessage, path: &[u32]) -> Vec<String> {
    let Some((&number, rest)) = path.split_first() else { return Vec::new() };
    let field = message.descriptor().get_field(number).unwrap();
    if !message.has_field(&field) {
        return Vec::new();
    }
    let found = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        Value::Message(inner) => texts(inner, rest),
        other => panic!("{other:?}"),
    };
    match &*message.get_field(&field) {
        Value::List(values) => values.iter().flat_map(found).collect(),
        value => found(value),
    }
}

fn last(message: &DynamicMessage, path: &[u32]) -> String {
    texts(message, path).pop().unwrap_or_default()
}

/// One field of a message to be: which of the paths it is on, how it is written, and what it holds.
type Piece = (u8, u8, Vec<u8>);

/// Bytes that are a message of the method more often than not.
fn message_of(row: &MethodRow, pieces: &[Piece]) -> Vec<u8> {
    let mut message = Vec::new();
    for (which, how, payload) in pieces {
        let paths = row.names;
        let number = paths.get(usize::from(*which) % paths.len().max(1)).map_or(1, |path| path[0]);
        match how % 10 {
            0..4 => {
                let text: String = payload.iter().map(|byte| char::from(byte % 128)).collect();
                prost::encoding::string::encode(number, &text, &mut message);
            }
            4 => prost::encoding::bytes::encode(number, payload, &mut message),
            5 => prost::encoding::uint64::encode(u32::from(*which) + 1, &7, &mut message),
            6 => prost::encoding::bytes::encode(u32::from(*which) + 1, payload, &mut message),
            7 => prost::encoding::bytes::encode(
                u32::from(*which) + 1,
                &vec![b'v'; LARGE],
                &mut message,
            ),
            8 => prost::encoding::string::encode(number, &"n".repeat(LARGE), &mut message),
            _ => message.extend_from_slice(payload),
        }
    }
    message
}

fn check(method: &Method, bytes: &[u8]) {
    let row = method.row;
    let Ok(full) = DynamicMessage::decode(request_of(row), bytes) else { return };
    agree(method, bytes, &full);
    // In pieces, what decides is read from less than all bytes.
    let framed = frame::of(bytes);
    let pieces = framed.chunks(PIECE).map(Bytes::copy_from_slice).collect();
    let arrived = Frame::arrived(pieces, |field| method.reads(field)).unwrap();
    assert!(arrived.outline().len() <= bytes.len());
    agree(method, arrived.outline(), &full);
    assert_eq!(arrived.pieces().concat(), framed);
    // The database that is added is the one that counts, and nothing else changes.
    if row.database != 0 {
        let extended = arrived.with_text(row.database, "added").concat();
        let message = frame::message(&extended).unwrap();
        assert_eq!(&message[..bytes.len()], bytes);
        let full = DynamicMessage::decode(request_of(row), message).unwrap();
        assert_eq!(last(&full, &[row.database]), "added");
    }
}

/// What the gate sees in `bytes` is what the message holds.
fn agree(method: &Method, bytes: &[u8], full: &DynamicMessage) {
    let row = method.row;
    let seen = |path: &[u32]| peek::string(bytes, path).unwrap();
    if row.database != 0 {
        assert_eq!(seen(&[row.database]), last(full, &[row.database]), "{}", row.name);
    }
    if let Access::Privileged(requirement) = &method.access {
        if requirement.many {
            let all = peek::strings(bytes, &requirement.names).unwrap();
            assert_eq!(all, texts(full, &requirement.names), "{}", row.name);
        } else {
            assert_eq!(seen(&requirement.names), last(full, &requirement.names), "{}", row.name);
        }
        assert_eq!(seen(requirement.own_role), last(full, requirement.own_role));
        if requirement.target_database != 0 {
            let path = [requirement.target_database];
            assert_eq!(seen(&path), last(full, &path));
        }
    }
    if row.id != 0 {
        let field = full.descriptor().get_field(row.id).unwrap();
        // A zero that is sent in a list, or that takes another back, counts as set: the strict side.
        assert!(peek::id(bytes, row.id).unwrap() != 0 || !full.has_field(&field), "{}", row.name);
    }
    // A name that an upstream could take for a path is never passed on.
    let is_path = |name: &String| name.contains(['/', '\\', '\0']) || name == "..";
    if row.names.iter().any(|path| texts(full, path).iter().any(is_path)) {
        assert!(asked::check_names(method, "", bytes).is_err(), "{}", row.name);
    }
}

#[test]
fn names_are_those_of_a_full_decode() {
    bolero::check!().with_type::<(u8, Vec<Piece>)>().for_each(|(which, pieces)| {
        let row = &METHODS[usize::from(*which) % METHODS.len()];
        check(methods::find(row.path).unwrap(), &message_of(row, pieces));
    });
}
