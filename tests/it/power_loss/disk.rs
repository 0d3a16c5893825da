//! A disk that keeps what was synced, and of the rest whatever it likes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;

use super::trace::Event;
use crate::damage::files;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A step in the content of a file.
#[derive(Debug, Clone)]
enum Step {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

#[derive(Debug, Default)]
struct File {
    /// As every process sees it.
    length: usize,
    synced: Vec<u8>,
    pending: Vec<Step>,
}

/// A step in the folder.
#[derive(Debug, Clone)]
enum Entry {
    Put { name: String, file: usize },
    Remove { name: String },
}

impl Entry {
    fn apply(&self, folder: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put { name, file } => {
                folder.retain(|_, other| other != file);
                folder.insert(name.clone(), *file);
            }
            Self::Remove { name } => {
                folder.remove(name);
            }
        }
    }
}

/// What becomes of the writes that were not synced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Lost,
    Kept,
    /// The first ones are kept, the last of them is torn.
    Torn,
    /// Some are kept, in no order.
    Some,
    /// Some sectors are kept.
    Sectors,
}

impl Fate {
    pub(super) const ALL: [Self; 5] =
        [Self::Lost, Self::Kept, Self::Torn, Self::Some, Self::Sectors];
}

/// The disk, and what is on its way there.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    /// As every process sees it.
    names: BTreeMap<String, usize>,
    synced: BTreeMap<String, usize>,
    pending: Vec<Entry>,
    /// Syncs under way, with how much they cover.
    syncs: BTreeMap<u32, (Option<usize>, usize)>,
}

fn apply(content: &mut Vec<u8>, step: &Step, part: Range<usize>) {
    match step {
        Step::Write { at, bytes } => {
            let (from, to) = (at + part.start, at + part.end);
            content.resize(content.len().max(to), 0);
            content[from..to].copy_from_slice(&bytes[part]);
        }
        Step::Truncate { length } => content.resize(*length, 0),
    }
}

fn whole(step: &Step) -> Range<usize> {
    match step {
        Step::Write { bytes, .. } => 0..bytes.len(),
        Step::Truncate { .. } => 0..0,
    }
}

impl Disk {
    /// A disk that holds the files in `folder`, all of them synced.
    pub(super) fn holding(folder: &Path) -> Self {
        let mut disk = Self::default();
        for file in files(folder) {
            let synced = fs::read(&file).unwrap();
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            disk.names.insert(name, disk.files.len());
            disk.files.push(File { length: synced.len(), synced, pending: Vec::new() });
        }
        disk.synced = disk.names.clone();
        disk
    }

    fn entry(&mut self, entry: Entry) {
        entry.apply(&mut self.names);
        self.pending.push(entry);
    }

    fn step(&mut self, name: &str, step: Step) {
        let file = &mut self.files[self.names[name]];
        file.length = match &step {
            Step::Write { at, bytes } => file.length.max(at + bytes.len()),
            Step::Truncate { length } => *length,
        };
        file.pending.push(step);
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match event {
            Event::Create { name, truncate } => {
                if !self.names.contains_key(name) {
                    self.files.push(File::default());
                    let file = self.files.len() - 1;
                    self.entry(Entry::Put { name: name.clone(), file });
                } else if *truncate {
                    self.step(name, Step::Truncate { length: 0 });
                }
            }
            Event::Write { name, at, bytes } => {
                let at = at.unwrap_or(self.files[self.names[name]].length);
                self.step(name, Step::Write { at, bytes: bytes.clone() });
            }
            Event::Truncate { name, length } => self.step(name, Step::Truncate { length: *length }),
            Event::SyncBegins { thread, name } => {
                let file = self.names.get(name).copied();
                let covered = file.map_or(self.pending.len(), |f| self.files[f].pending.len());
                self.syncs.insert(*thread, (file, covered));
            }
            Event::SyncEnds { thread } => match self.syncs.remove(thread) {
                Some((Some(file), covered)) => {
                    let File { synced, pending, .. } = &mut self.files[file];
                    let covered = covered.min(pending.len());
                    pending.drain(..covered).for_each(|step| apply(synced, &step, whole(&step)));
                }
                Some((None, covered)) => {
                    self.pending.drain(..covered).for_each(|e| e.apply(&mut self.synced));
                }
                None => {}
            },
            Event::Rename { from, to } => {
                let file = self.names[from];
                self.entry(Entry::Put { name: to.clone(), file });
            }
            Event::Remove { name } => self.entry(Entry::Remove { name: name.clone() }),
            Event::Acknowledged { .. } => {}
        }
    }

    /// The disk after the power has gone: any fate, and any number of the steps in the folder.
    /// Tells what was lost.
    pub(super) fn lose_power(&self, left: &Path, dice: &mut dyn FnMut(usize) -> usize) -> String {
        let kept = dice(self.pending.len() + 1);
        let fate = Fate::ALL[dice(Fate::ALL.len())];
        self.rebuild(left, kept, fate, dice)
    }

    /// The disk after a kill: the system remembers everything.
    pub(super) fn lose_nothing(&self, left: &Path) -> String {
        self.rebuild(left, self.pending.len(), Fate::Kept, &mut |_| 0)
    }

    /// The disk with what was synced alone.
    pub(super) fn lose_all_it_may(&self, left: &Path) -> String {
        self.rebuild(left, 0, Fate::Lost, &mut |_| 0)
    }

    fn rebuild(
        &self,
        left: &Path,
        kept: usize,
        fate: Fate,
        dice: &mut dyn FnMut(usize) -> usize,
    ) -> String {
        let mut names = self.synced.clone();
        self.pending[..kept].iter().for_each(|entry| entry.apply(&mut names));
        fs::create_dir(left).unwrap();
        let mut told = format!("{fate:?}, {kept} of {:?} in the folder", self.pending);
        for (name, file) in names {
            let File { synced, pending, .. } = &self.files[file];
            let mut content = synced.clone();
            write!(told, "; {name}: {} steps pending", pending.len()).unwrap();
            let first = dice(pending.len() + 1);
            for (i, step) in pending.iter().enumerate() {
                match fate {
                    Fate::Lost => {}
                    Fate::Kept => apply(&mut content, step, whole(step)),
                    Fate::Torn if i < first => apply(&mut content, step, whole(step)),
                    Fate::Torn if i == first => {
                        let sectors = whole(step).end / SECTOR;
                        apply(&mut content, step, 0..dice(sectors + 1) * SECTOR);
                    }
                    Fate::Torn => {}
                    Fate::Some if dice(2) == 0 => apply(&mut content, step, whole(step)),
                    Fate::Some => {}
                    Fate::Sectors => {
                        let Range { end, .. } = whole(step);
                        for from in (0..end).step_by(SECTOR) {
                            if dice(2) == 0 {
                                apply(&mut content, step, from..(from + SECTOR).min(end));
                            }
                        }
                    }
                }
            }
            fs::write(left.join(name), content).unwrap();
        }
        told
    }
}
