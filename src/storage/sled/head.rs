//! The file `head`: how far the store has come, told apart from sled's own files.
//!
//! A log that lost its end, or a folder whose data file was lost, is a sound store of an earlier
//! revision; nothing in it tells. So each commit, once the disk holds it, is noted here, in place
//! and without another sync: after a crash the note can be behind the store, and never ahead. A
//! note that is ahead means that commits were lost. It is smaller than a sector, which disks write
//! whole or not at all.
//!
//! It also says whether sled has a snapshot, without which sled may take its log for empty, and
//! overwrite it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::Revision;
use super::folder;
use super::seal::seal;

pub(super) const FILE: &str = "head";
const MAGIC: &[u8] = b"milvus-rbac head";
/// In its place where sled has a snapshot.
const SNAPSHOT_MAGIC: &[u8] = b"milvus-rbac snap";

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Note {
    Missing,
    /// Put there by somebody who wants to go on with what the store holds.
    Empty,
    Damaged,
    Reached {
        id: u128,
        revision: Revision,
        /// Whether sled had a snapshot when the store was opened.
        snapshot: bool,
    },
}

pub(super) fn read(folder: &Path) -> io::Result<Note> {
    let bytes = match fs::read(folder.join(FILE)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Note::Missing),
        read => read?,
    };
    Ok(if bytes.is_empty() { Note::Empty } else { decode(&bytes).unwrap_or(Note::Damaged) })
}

fn decode(bytes: &[u8]) -> Option<Note> {
    let snapshot = bytes.starts_with(SNAPSHOT_MAGIC);
    let (id, rest) = bytes.get(MAGIC.len()..)?.split_first_chunk()?;
    let (revision, _) = rest.split_first_chunk()?;
    let (id, revision) = (u128::from_be_bytes(*id), Revision::from_be_bytes(*revision));
    (encode(id, revision, snapshot) == bytes).then_some(Note::Reached { id, revision, snapshot })
}

fn encode(id: u128, revision: Revision, snapshot: bool) -> Vec<u8> {
    let mut bytes = if snapshot { SNAPSHOT_MAGIC } else { MAGIC }.to_vec();
    bytes.extend(id.to_be_bytes());
    bytes.extend(revision.to_be_bytes());
    seal(bytes, id)
}

/// The file, held open.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    snapshot: bool,
}

impl Head {
    /// Puts a new file into the place of the old one, if any. Afterwards the folder and the note
    /// survive a loss of power, and so does the snapshot of which it tells: sled has written its own
    /// by now, and writes no other before the store is opened again.
    pub(super) fn create(folder: &Path, id: u128, revision: Revision) -> io::Result<Self> {
        let snapshot = folder::has_snapshot(folder)?;
        let new = folder.join("head.new");
        let mut file = File::create(&new)?;
        file.write_all(&encode(id, revision, snapshot))?;
        file.sync_all()?;
        fs::rename(new, folder.join(FILE))?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, snapshot })
    }

    /// Notes a commit that is durable.
    pub(super) fn note(&self, id: u128, revision: Revision) -> io::Result<()> {
        self.file.write_all_at(&encode(id, revision, self.snapshot), 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_whole_or_not_at_all() {
        for snapshot in [false, true] {
            let bytes = encode(9, 7, snapshot);
            assert_eq!(decode(&bytes), Some(Note::Reached { id: 9, revision: 7, snapshot }));
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                assert_eq!(decode(&flipped), None);
                assert_eq!(decode(&bytes[..at]), None);
            }
        }
        // One is written over the other, in place.
        assert_eq!(encode(9, 7, false).len(), encode(9, 7, true).len());
    }
}
