//! The file `head`: how far the store has come, told apart from sled's own files.
//!
//! A log that lost its end, or a folder whose data file was lost, is a sound store of an earlier
//! revision; nothing in it tells. So each commit, once the disk holds it, is noted here, in place
//! and without another sync: after a crash the note can be behind the store, and never ahead. A
//! note that is ahead means that commits were lost. It is smaller than a sector, which disks write
//! whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::Revision;
use super::seal::seal;

pub(super) const FILE: &str = "head";
const MAGIC: &[u8] = b"milvus-rbac head";

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
    let (id, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (revision, _) = rest.split_first_chunk()?;
    let (id, revision) = (u128::from_be_bytes(*id), Revision::from_be_bytes(*revision));
    (encode(id, revision) == bytes).then_some(Note::Reached { id, revision })
}

fn encode(id: u128, revision: Revision) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(id.to_be_bytes());
    bytes.extend(revision.to_be_bytes());
    seal(bytes, id)
}

/// The file, held open.
#[derive(Debug)]
pub(super) struct Head(File);

impl Head {
    /// Puts a new file into the place of the old one, if any. Afterwards the folder and the note
    /// survive a loss of power.
    pub(super) fn create(folder: &Path, id: u128, revision: Revision) -> io::Result<Self> {
        let new = folder.join("head.new");
        let mut file = File::create(&new)?;
        file.write_all(&encode(id, revision))?;
        file.sync_all()?;
        fs::rename(new, folder.join(FILE))?;
        File::open(folder)?.sync_all()?;
        Ok(Self(file))
    }

    /// Notes a commit that is durable.
    pub(super) fn note(&self, id: u128, revision: Revision) -> io::Result<()> {
        self.0.write_all_at(&encode(id, revision), 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}
