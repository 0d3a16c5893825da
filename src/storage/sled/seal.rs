//! What tells that the records are those of the last commit, all of them, and nothing else.
//!
//! sled checks what it reads message by message, but it takes a damaged message for the end of its
//! log or for a page that is no more, and goes on with less. So every commit carries the number of
//! all records and the sum of their hashes. A sum needs no order, and a commit updates it with the
//! records that it touches alone.

use sha2::{Digest, Sha256};

use super::super::{BatchId, Revision};

/// The number of records, and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    pub(super) records: u64,
    hashes: u128,
}

impl Sum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.hashes = self.hashes.wrapping_add(hash(&[key, value]));
    }

    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.wrapping_sub(1);
        self.hashes = self.hashes.wrapping_sub(hash(&[key, value]));
    }
}

/// The record of the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Commit {
    pub(super) revision: Revision,
    pub(super) batch: BatchId,
    pub(super) sum: Sum,
}

impl Commit {
    pub(super) fn encode(&self, id: u128) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(self.revision.to_be_bytes());
        bytes.extend(self.batch.to_be_bytes());
        bytes.extend(self.sum.records.to_be_bytes());
        bytes.extend(self.sum.hashes.to_be_bytes());
        seal(bytes, id)
    }

    /// None unless the bytes are what [`Self::encode`] made for this store.
    pub(super) fn decode(bytes: &[u8], id: u128) -> Option<Self> {
        let (revision, rest) = bytes.split_first_chunk()?;
        let (batch, rest) = rest.split_first_chunk()?;
        let (records, rest) = rest.split_first_chunk()?;
        let (hashes, _) = rest.split_first_chunk()?;
        let sum =
            Sum { records: u64::from_be_bytes(*records), hashes: u128::from_be_bytes(*hashes) };
        let (revision, batch) =
            (Revision::from_be_bytes(*revision), BatchId::from_be_bytes(*batch));
        let commit = Self { revision, batch, sum };
        (commit.encode(id) == bytes).then_some(commit)
    }
}

/// The bytes, and a hash over them and the store's id behind.
pub(super) fn seal(mut bytes: Vec<u8>, id: u128) -> Vec<u8> {
    let seal = hash(&[&id.to_be_bytes(), &bytes]);
    bytes.extend(seal.to_be_bytes());
    bytes
}

/// The bytes that were sealed for the store, if they are those.
pub(super) fn sealed(bytes: &[u8], id: u128) -> Option<&[u8]> {
    let (inner, _) = bytes.split_last_chunk::<16>()?;
    (seal(inner.to_vec(), id) == bytes).then_some(inner)
}

fn hash(parts: &[&[u8]]) -> u128 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let bytes: [u8; 32] = hasher.finalize().into();
    bytes.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_knows_what_is_in_it_and_not_in_which_order() {
        let mut sum = Sum::default();
        for (key, value) in [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")] {
            sum.add(key, value);
        }
        sum.remove(b"b", b"2");
        let mut other = Sum::default();
        other.add(b"c", b"3");
        other.add(b"a", b"1");
        assert_eq!(sum, other);
        sum.remove(b"a", b"1");
        sum.add(b"a1", b"");
        assert_ne!(sum, other);
    }

    #[test]
    fn what_is_sealed_is_read_back_for_its_own_store_and_only_whole() {
        let bytes = seal(b"trail".to_vec(), 9);
        assert_eq!(sealed(&bytes, 9), Some(&b"trail"[..]));
        assert_eq!(sealed(&bytes, 10), None);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!((sealed(&flipped, 9), sealed(&bytes[..at], 9)), (None, None));
        }
    }

    #[test]
    fn a_commit_is_read_back_for_its_own_store_and_only_whole() {
        let mut commit = Commit { revision: 7, batch: 8, sum: Sum::default() };
        commit.sum.add(b"key", b"value");
        let bytes = commit.encode(9);
        assert_eq!(Commit::decode(&bytes, 9), Some(commit));
        assert_eq!(Commit::decode(&bytes, 10), None);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(Commit::decode(&flipped, 9), None);
            assert_eq!(Commit::decode(&bytes[..at], 9), None);
        }
    }
}
