//! Power loss: what was not synced may be gone, all of it, a part, or the half of a write.
//!
//! strace records every write, sync and rename of processes that change a store. The disk is then
//! rebuilt as it may be after the power went at any moment: what was synced is there, of the rest
//! any selection of sectors, and any number of the later steps in the folder (which file systems
//! with a journal keep in order). The store must open, at the revision that was acknowledged or
//! one that was under way, with exactly the state that it had then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use milvus_rbac::engine::Engine;
use milvus_rbac::model::command::{Command as Change, Rules};
use milvus_rbac::storage::sled::SledStore;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use crate::damage::{brief, in_a_child};
use crate::support::{missing, rounds};

/// Tells the child which store, and which session on it.
const FOLDER: &str = "MILVUS_RBAC_POWER_FOLDER";
const SESSION: &str = "MILVUS_RBAC_POWER_SESSION";
/// Processes that work on the store, one after the other; none closes it.
const SESSIONS: usize = 3;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Changes the store and tells of each revision and its state once it is acknowledged.
#[tokio::test]
#[ignore = "the child of another test"]
async fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let session: usize = std::env::var(SESSION).unwrap().parse().unwrap();
    let store = SledStore::open(Path::new(&folder)).unwrap();
    let rules = Rules { max_roles: 0, ..Rules::default() };
    let (engine, _writer) = Engine::start(Box::new(store), rules).unwrap();
    let tell = || println!("\nacknowledged {}", brief(&engine.snapshot()));
    tell();
    for i in 0..30 {
        let name = format!("r{session}_{i}");
        let description = format!("{i}").repeat(100);
        engine.execute(Change::CreateRole { name, description }).await.unwrap();
        tell();
        if i % 15 == 7 {
            // Together in few commits, larger than the pieces that sled writes at once.
            let many = (0..400).map(|k| {
                let name = format!("m{session}_{i}_{k}");
                let description = "x".repeat(900 + k % 100);
                let engine = engine.clone();
                tokio::spawn(async move {
                    engine.execute(Change::CreateRole { name, description }).await.unwrap();
                })
            });
            for created in many.collect::<Vec<_>>() {
                created.await.unwrap();
            }
            tell();
        }
        if i % 3 == 2 {
            let name = format!("r{session}_{}", i - 1);
            engine.execute(Change::DropRole { name, force: true }).await.unwrap();
            tell();
        }
    }
    // As if killed in the middle of something: nothing is closed, not everything is synced.
    for i in 0..50 {
        let (engine, name) = (engine.clone(), format!("end{session}_{i}"));
        tokio::spawn(async move {
            engine.execute(Change::CreateRole { name, description: String::new() }).await
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::process::exit(0);
}

/// What was seen, in order.
#[derive(Debug)]
enum Event {
    Create {
        name: String,
        truncate: bool,
    },
    Write {
        name: String,
        at: Option<usize>,
        bytes: Vec<u8>,
    },
    Truncate {
        name: String,
        length: usize,
    },
    /// Of a file, or of the folder, which has no name.
    SyncBegins {
        thread: u32,
        name: String,
    },
    SyncEnds {
        thread: u32,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    Acknowledged {
        revision: u64,
        line: String,
    },
}

fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes().chunks_exact(4).map(|hex| {
        assert_eq!(&hex[..2], b"\\x", "{text}");
        u8::from_str_radix(std::str::from_utf8(&hex[2..]).unwrap(), 16).unwrap()
    });
    bytes.collect()
}

/// The name in `folder` that a path has; empty for the folder itself.
fn name_in(folder: &Path, path: &str) -> Option<String> {
    let path = if path.starts_with("\\x") {
        String::from_utf8(unescaped(path)).unwrap()
    } else {
        path.to_owned()
    };
    let name = Path::new(&path).strip_prefix(folder).ok()?;
    Some(name.to_str().unwrap().to_owned())
}

/// The lines of strace as events. A call that was interrupted by another thread's is taken
/// together; what it does counts from its end, what it is from its beginning.
fn events(log: &str, folder: &Path) -> Vec<Event> {
    let mut unfinished: BTreeMap<u32, String> = BTreeMap::new();
    let mut events = Vec::new();
    for line in log.lines() {
        let (thread, call) = line.trim_start().split_once(' ').unwrap();
        let (thread, call) = (thread.parse().unwrap(), call.trim_start());
        let begun = call.strip_suffix(" <unfinished ...>");
        let call = match (begun, call.strip_prefix("<... ")) {
            (Some(begun), _) => begun.to_owned(),
            (_, Some(resumed)) => {
                let (_, rest) = resumed.split_once(" resumed>").unwrap();
                unfinished.remove(&thread).unwrap_or_default() + rest
            }
            _ => call.to_owned(),
        };
        if call.starts_with("+++") || call.starts_with("---") || call.contains(" = -1 ") {
            continue;
        }
        let Some((kind, arguments)) = call.split_once('(') else { continue };
        let sync = matches!(kind, "fsync" | "fdatasync");
        let of_descriptor = || {
            let (_, path) = arguments.split_once('<').unwrap();
            name_in(folder, path.split_once('>').unwrap().0)
        };
        let texts: Vec<_> = arguments.split('"').skip(1).step_by(2).collect();
        if sync
            && !line.contains(" resumed>")
            && let Some(name) = of_descriptor()
        {
            events.push(Event::SyncBegins { thread, name });
        }
        if begun.is_some() {
            unfinished.insert(thread, call);
            continue;
        }
        match kind {
            "openat" if arguments.contains("O_CREAT") => {
                if let Some(name) = name_in(folder, texts[0]) {
                    events.push(Event::Create { name, truncate: arguments.contains("O_TRUNC") });
                }
            }
            "pwrite64" | "write" => {
                assert!(!arguments.contains("\"..."), "strace cut a write short");
                let (_, result) = call.rsplit_once(" = ").unwrap();
                let mut bytes = unescaped(texts[0]);
                // `?` for a process that ended meanwhile; the system finishes such a write.
                bytes.truncate(result.parse().unwrap_or(usize::MAX));
                if let Some(name) = of_descriptor() {
                    let at = (kind == "pwrite64").then(|| {
                        let (before, _) = arguments.rsplit_once(')').unwrap();
                        before.rsplit_once(", ").unwrap().1.parse().unwrap()
                    });
                    events.push(Event::Write { name, at, bytes });
                } else if let Ok(text) = String::from_utf8(bytes) {
                    for line in text.lines() {
                        let Some(line) = line.strip_prefix("acknowledged ") else { continue };
                        let number = line.strip_prefix("revision ").unwrap();
                        let revision = number.split_once(',').unwrap().0.parse().unwrap();
                        events.push(Event::Acknowledged { revision, line: line.to_owned() });
                    }
                }
            }
            "ftruncate" => {
                if let Some(name) = of_descriptor() {
                    let length = arguments.split_once(", ").unwrap().1;
                    let length = length.split_once(')').unwrap().0.parse().unwrap();
                    events.push(Event::Truncate { name, length });
                }
            }
            "fsync" | "fdatasync" if call.ends_with("= ?") => {}
            "fsync" | "fdatasync" => events.push(Event::SyncEnds { thread }),
            "rename" => {
                if let Some(from) = name_in(folder, texts[0]) {
                    let to = name_in(folder, texts[1]).unwrap();
                    events.push(Event::Rename { from, to });
                }
            }
            "unlink" => {
                if let Some(name) = name_in(folder, texts[0]) {
                    events.push(Event::Remove { name });
                }
            }
            "openat" | "sync_file_range" => {}
            other => panic!("what does {other} do to the disk? {call:.200}"),
        }
    }
    events
}

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

/// The disk, and what is on its way there.
#[derive(Debug, Default)]
struct Disk {
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

    fn happen(&mut self, event: &Event) {
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

    /// The files as they may be once the power is back.
    /// Tells what was lost.
    fn lose_power(&self, folder: &Path, dice: &mut dyn FnMut(usize) -> usize) -> String {
        let mut names = self.synced.clone();
        let kept = dice(self.pending.len() + 1);
        self.pending[..kept].iter().for_each(|entry| entry.apply(&mut names));
        fs::create_dir(folder).unwrap();
        let fate = dice(5);
        let mut told = format!("fate {fate}, {kept} of {:?} in the folder", self.pending);
        for (name, file) in names {
            let File { synced, pending, .. } = &self.files[file];
            let mut content = synced.clone();
            write!(told, "; {name}: {} steps pending", pending.len()).unwrap();
            let first = dice(pending.len() + 1);
            for (i, step) in pending.iter().enumerate() {
                match fate {
                    0 => {}
                    1 => apply(&mut content, step, whole(step)),
                    // The first ones, the last of them torn.
                    2 if i < first => apply(&mut content, step, whole(step)),
                    2 if i == first => {
                        let sectors = whole(step).end / SECTOR;
                        apply(&mut content, step, 0..dice(sectors + 1) * SECTOR);
                    }
                    2 => {}
                    // Some, in no order.
                    3 if dice(2) == 0 => apply(&mut content, step, whole(step)),
                    3 => {}
                    // Some sectors.
                    _ => {
                        let Range { end, .. } = whole(step);
                        for from in (0..end).step_by(SECTOR) {
                            if dice(2) == 0 {
                                apply(&mut content, step, from..(from + SECTOR).min(end));
                            }
                        }
                    }
                }
            }
            fs::write(folder.join(name), content).unwrap();
        }
        told
    }
}

fn record(folder: &Path, session: usize, log: &Path) -> String {
    let calls = "trace=openat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,truncate,\
                 rename,renameat,renameat2,unlink,unlinkat,link,linkat,copy_file_range,sendfile,\
                 fsync,fdatasync,sync_file_range,msync";
    let status = Command::new("strace")
        .args(["-f", "-y", "-q", "-xx", "-s", "16777216", "-e", calls, "-o"])
        .arg(log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "power_loss::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(SESSION, session.to_string())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    fs::read_to_string(log).unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    if missing("strace") {
        return;
    }
    let place = TempDir::new().unwrap();
    let folder = place.path().join("store");
    let log: String =
        (0..SESSIONS).map(|n| record(&folder, n, &place.path().join("log"))).collect();
    let events = events(&log, &folder);
    let states: BTreeMap<u64, String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Acknowledged { revision, line } => Some((*revision, line.clone())),
            _ => None,
        })
        .collect();
    let syncs = events.iter().filter(|e| matches!(e, Event::SyncEnds { .. })).count();
    assert!(states.len() > 100 && syncs > 100, "{} states, {syncs} syncs", states.len());

    let mut random = TestRunner::default();
    let mut dice = |sides: usize| (0..sides).new_tree(&mut random).unwrap().current();
    let rounds = rounds("MILVUS_RBAC_POWER_ROUNDS", 100);
    let mut cuts: Vec<usize> = (0..rounds).map(|_| dice(events.len())).collect();
    cuts.sort_unstable();
    let (mut disk, mut happened, mut acknowledged) = (Disk::default(), 0, 0);
    let mut between = 0;
    for (round, cut) in cuts.into_iter().enumerate() {
        for event in &events[happened..cut] {
            disk.happen(event);
            if let Event::Acknowledged { revision, .. } = event {
                acknowledged = *revision;
            }
        }
        happened = happened.max(cut);
        let left = place.path().join("left");
        let lost = disk.lose_power(&left, &mut dice);
        let outcome = in_a_child(&left);
        let held = outcome.strip_prefix("opened: ").unwrap_or_else(|| {
            panic!("round {round}, event {cut} of {}: {outcome}; {lost}", events.len())
        });
        let number = held.strip_prefix("revision ").unwrap().split_once(',').unwrap().0;
        let number: u64 = number.parse().unwrap();
        assert!(number >= acknowledged, "{acknowledged} was acknowledged, {number} is there");
        match states.get(&number) {
            Some(state) => assert_eq!(held, state),
            // A part of what was asked for together.
            None => between += 1,
        }
        let next = states.range(acknowledged + 1..).next();
        assert!(next.is_none_or(|(next, _)| number <= *next), "{number} was never asked for");
        fs::remove_dir_all(&left).unwrap();
    }
    println!("{} events, {} states, {between} cuts within a group", events.len(), states.len());
}
