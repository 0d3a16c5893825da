//! Whatever bytes a store holds, they are a change or an error, and a change that was read is the
//! one that is written again. Ordinary tests, and targets for fuzzers:
//! `cargo bolero test storage::codec_fuzz::records_are_read_or_refused`.

use super::StoreError;
use super::codec::{self, Entry, encode};
use crate::model::names::Names;
use crate::model::state::Change;

fn decode(key: &[u8], value: &[u8]) -> Result<Change, StoreError> {
    codec::decode(key, value, &mut Names::default())
}

/// Reads a record; what it says must survive being written and read again.
fn check(key: &[u8], value: &[u8]) -> bool {
    let Ok(change) = decode(key, value) else { return false };
    // A value of any size can be read; it may be too large to be written.
    let Ok(Entry { key: same, value: Some(written) }) = encode(&change) else { return true };
    assert_eq!(same, key, "{change:?}");
    assert_eq!(decode(&same, &written), Ok(change));
    true
}

/// A key that is well formed more often than not.
fn key_of(kind: u8, parts: &[String]) -> Vec<u8> {
    const KINDS: [(u8, usize); 6] =
        [(b'u', 1), (b'r', 1), (b'v', 2), (b'w', 5), (b'p', 1), (b'd', 1)];
    let (tag, count) = KINDS[usize::from(kind) % KINDS.len()];
    let mut key = vec![tag];
    for i in 0..count {
        let types = ["Global", "Collection", "User"];
        let text = match parts.get(i) {
            _ if tag == b'w' && i == 1 => types[usize::from(kind / 6) % types.len()],
            Some(part) => part,
            None => "name",
        };
        key.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        key.extend(text.as_bytes());
    }
    key
}

#[test]
fn any_bytes_are_read_or_refused() {
    bolero::check!().with_type::<(Vec<u8>, Vec<u8>)>().for_each(|(key, value)| {
        check(key, value);
    });
}

#[test]
fn records_are_read_or_refused() {
    bolero::check!().with_type::<(u8, Vec<String>, bool, Vec<u8>)>().for_each(
        |(kind, parts, empty, value)| {
            let mut record = vec![1];
            record.extend(value.iter().filter(|_| !empty));
            let read = check(&key_of(*kind, parts), &record);
            // No field is needed, so that an empty message is a record of any kind.
            assert!(read || !empty, "{kind} {parts:?}");
        },
    );
}
