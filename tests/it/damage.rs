//! Files of the store that were flipped, cut, zeroed or lost: the same state is served, or the
//! start is refused with a text that names the folder and the way on. Never another state.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use milvus_rbac::engine::{Engine, Sharing, Snapshot};
use milvus_rbac::model::command::Rules;
use milvus_rbac::model::privilege::ObjectType;
use milvus_rbac::model::state::{Change, Grant};
use milvus_rbac::storage::sled::SledStore;
use milvus_rbac::storage::{Batch, Store, StoreError};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use crate::audit;
use crate::support::{LIMIT, rounds};

/// Where the child finds the store.
const FOLDER: &str = "MILVUS_RBAC_DAMAGED";

/// A snapshot in one line.
pub(crate) fn brief(snapshot: &Snapshot) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", snapshot.state).hash(&mut hasher);
    format!("revision {}, state {:016x}", snapshot.revision, hasher.finish())
}

/// The line of a sound store that has reached the revision of `line`, which is none of an empty one.
fn sound(line: &str, place: &Path) -> String {
    let revision = line.split("revision ").nth(1).unwrap().split(',').next().unwrap();
    let revision = revision.parse().unwrap();
    assert!(revision > 0, "{line}");
    let folder = place.join(format!("sound{revision}"));
    if !folder.exists() {
        make(&folder, 0..revision);
    }
    format!("opened: {}", describe(&folder).unwrap())
}

/// What an opened store holds, in one line.
fn describe(folder: &Path) -> Result<String, StoreError> {
    let mut store = SledStore::open(folder)?;
    audit::trail::check(&mut store).map_err(StoreError::Damaged)?;
    let (engine, writer) = Engine::start(Box::new(store), Rules::default(), Sharing::default())?;
    let snapshot = engine.snapshot();
    let line = brief(&snapshot);
    drop(engine);
    writer.join()?;
    Ok(line)
}

/// Opens the store that its parent names; run by [`in_a_child`] alone.
#[test]
#[ignore = "the child of other tests"]
fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    match describe(Path::new(&folder)) {
        Ok(held) => println!("\nopened: {held}"),
        Err(e) => println!("\nrefused: {e}"),
    }
}

/// What a process of its own makes of the store: it can panic, hang or abort without harm.
pub(crate) fn in_a_child(folder: &Path) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "damage::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            return "hung".to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = text.lines().find(|l| l.starts_with("opened: ") || l.starts_with("refused: "));
    told.map_or_else(
        || format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
        ToOwned::to_owned,
    )
}

/// A store with a history: everything is there, much was overwritten and removed.
pub(crate) fn make(folder: &Path, batches: Range<u64>) {
    let mut store = SledStore::open(folder).unwrap();
    grow(&mut store, batches);
    Box::new(store).close().unwrap();
}

fn grow(store: &mut SledStore, batches: Range<u64>) {
    let role = |i: u64| format!("role{i}").into();
    for i in batches {
        let grant = |object: u64| Grant {
            object_type: ObjectType::Collection,
            database: "default".into(),
            object: format!("collection{object}").into(),
            privilege: "Search".into(),
        };
        let mut changes = vec![
            Change::PutRole { name: role(i % 7), description: format!("{i}").repeat(20).into() },
            Change::PutUser {
                name: format!("user{}", i % 50).into(),
                password_hash: format!("{i}").repeat(30).into(),
                description: "".into(),
            },
            Change::Grant { role: role(i % 7), grant: grant(i), grantor: "root".into() },
        ];
        if i > 100 {
            changes.push(Change::Revoke { role: role((i - 98) % 7), grant: grant(i - 98) });
        }
        let batch = Batch {
            expected: i,
            revision: i + 1,
            id: i.into(),
            changes,
            events: vec![],
            strict: false,
        };
        store.commit(&batch).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One harm, with where it happens in thousandths of the file.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: usize, bit: u8 },
    Cut { at: usize },
    Zero { at: usize, length: usize },
    Repeat { at: usize, length: usize },
    Lose,
}

fn harm() -> impl Strategy<Value = Harm> {
    let (at, length) = (0..1000usize, prop_oneof![1..64usize, Just(512), Just(4096), Just(65536)]);
    prop_oneof![
        8 => (at.clone(), 0..8u8).prop_map(|(at, bit)| Harm::Flip { at, bit }),
        2 => at.clone().prop_map(|at| Harm::Cut { at }),
        3 => (at.clone(), length.clone()).prop_map(|(at, length)| Harm::Zero { at, length }),
        2 => (at, length).prop_map(|(at, length)| Harm::Repeat { at, length }),
        1 => Just(Harm::Lose),
    ]
}

impl Harm {
    /// `used` is how much of the file holds something: most harm is done there.
    fn apply(&self, file: &Path, used: usize, fine: usize) {
        let mut bytes = fs::read(file).unwrap();
        let place = |at: usize| (used * at / 1000 + fine).min(bytes.len().saturating_sub(1));
        match *self {
            Self::Flip { at, bit } => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Cut { at } => bytes.truncate(place(at)),
            Self::Zero { at, length } => {
                let at = place(at);
                let end = (at + length).min(bytes.len());
                bytes[at..end].fill(0);
            }
            // What was there before is there again, as after a write that went astray.
            Self::Repeat { at, length } => {
                let at = place(at);
                let length = length.min(bytes.len() - at).min(at);
                bytes.copy_within(at - length..at, at);
            }
            Self::Lose => return fs::remove_file(file).unwrap(),
        }
        fs::write(file, bytes).unwrap();
    }
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn damaged_files_are_refused_or_do_no_harm() {
    let rounds = rounds("MILVUS_RBAC_DAMAGE_ROUNDS", 10);
    let place = TempDir::new().unwrap();
    let mut random = TestRunner::default();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for (name, batches) in [("small", 12), ("large", 3000)] {
        let whole = place.path().join(name);
        make(&whole, 0..batches);
        let held = format!("opened: {}", describe(&whole).unwrap());
        for file in files(&whole) {
            let file_name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(&file).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let rounds = if file_name == "db" { rounds * 2 } else { rounds.div_ceil(4) };
            // These are always among them.
            let mut harms =
                vec![Harm::Lose, Harm::Cut { at: 0 }, Harm::Cut { at: 500 }, Harm::Cut { at: 980 }];
            harms.resize_with(harms.len() + rounds, || {
                harm().new_tree(&mut random).unwrap().current()
            });
            for (round, harm) in harms.into_iter().enumerate() {
                let fine = (0..=used / 1000).new_tree(&mut random).unwrap().current();
                let folder = place.path().join("damaged");
                copy(&whole, &folder);
                harm.apply(&folder.join(&file_name), used, fine);
                // A refusal stays one, whatever the first attempt has done to the files.
                for _ in 0..2 {
                    let outcome = in_a_child(&folder);
                    let refused = outcome.starts_with("refused: ")
                        && outcome.contains(folder.to_str().unwrap())
                        && (outcome.contains("restore a backup"));
                    assert!(
                        outcome == held || refused,
                        "{name} {file_name} {harm:?}+{fine} (round {round}): {outcome}, not {held}"
                    );
                    let kind =
                        if refused { outcome.split(": ").nth(3).unwrap() } else { "the same" };
                    *outcomes.entry(format!("{name} {file_name}: {kind}")).or_default() += 1;
                }
                fs::remove_dir_all(&folder).unwrap();
            }
        }
    }
    println!("{outcomes:#?}");
    let refusals = outcomes.keys().filter(|outcome| !outcome.ends_with("the same")).count();
    assert!(refusals > 3, "next to nothing was refused: {outcomes:?}");
}

/// Requires that a store is refused at each of two attempts, with a text that contains `told`, the
/// folder and the way on.
fn refused(folder: &Path, told: &str) {
    for _ in 0..2 {
        let outcome = in_a_child(folder);
        let located =
            outcome.starts_with("refused: ") && outcome.contains(folder.to_str().unwrap());
        assert!(located && outcome.contains(told), "{outcome}, not {told}");
        assert!(outcome.contains("--root-password-file"), "{outcome}");
        assert!(outcome.contains("restore a backup"), "{outcome}");
    }
}

/// A store with 3000 commits, in which sled has a snapshot.
fn make_large(folder: &Path) {
    make(folder, 0..2900);
    make(folder, 2900..3000);
}

fn snapshot(folder: &Path) -> PathBuf {
    // The only one: those before it go with its coming.
    let newest = files(folder).pop().unwrap();
    assert!(newest.to_str().unwrap().contains("/snap."), "{newest:?}");
    newest
}

/// As sled leaves it where it takes its log for empty.
fn overwrite_with_zeros(file: &Path) {
    let length = fs::metadata(file).unwrap().len();
    fs::write(file, vec![0; usize::try_from(length).unwrap()]).unwrap();
}

/// Without its newest snapshot sled may take its log for empty, and overwrite it with zeros.
#[test]
fn a_lost_snapshot_is_told_before_sled_touches_anything() {
    let place = TempDir::new().unwrap();
    let (folder, elsewhere) = (place.path().join("store"), place.path().join("snapshot"));
    make_large(&folder);
    let (snapshot, data) = (snapshot(&folder), folder.join("db"));
    fs::rename(&snapshot, &elsewhere).unwrap();
    let before = fs::read(&data).unwrap();
    refused(
        &folder,
        "sled's newest file `snap.*` is missing; nothing was touched. If you have it, put it back. \
         Otherwise: move the folder away",
    );
    assert!(fs::read(&data).unwrap() == before, "the data file was changed");
    fs::rename(&elsewhere, &snapshot).unwrap();
    assert!(in_a_child(&folder).starts_with("opened: revision 3000, "));
}

/// A new store would have a root with the default password.
#[test]
fn a_store_that_has_lost_everything_is_not_taken_for_a_new_one() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("store");
    let head = folder.join("head");
    // Without a snapshot yet.
    make(&folder, 0..3000);
    overwrite_with_zeros(&folder.join("db"));
    let noted = fs::read(&head).unwrap();
    fs::remove_file(&head).unwrap();
    refused(&folder, "the file `head` is missing, and there is no file `snap.*` of sled's");
    fs::write(&head, noted).unwrap();
    refused(&folder, "revision 3000 was stored, and nothing of it is left: move the folder away");
    fs::write(&head, "").unwrap();
    refused(&folder, "`head` is empty, and there is nothing to go on with: move the folder away");
    fs::write(&head, "?").unwrap();
    refused(&folder, "`head` is damaged, and there is nothing to go on with: move the folder away");
}

#[test]
fn a_small_store_is_not_taken_for_a_new_one_without_its_head_and_snapshot() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("store");
    make(&folder, 0..10);
    make(&folder, 10..12);
    fs::remove_file(snapshot(&folder)).unwrap();
    fs::remove_file(folder.join("head")).unwrap();
    refused(
        &folder,
        "the file `head` is missing; if everything else is there, copy the folder first",
    );
    fs::write(folder.join("head"), "").unwrap();
    assert!(in_a_child(&folder).starts_with("opened: revision 12, "));
}

#[test]
fn a_store_that_is_back_at_its_beginning_is_not_gone_on_with() {
    let place = TempDir::new().unwrap();
    let (folder, older) = (place.path().join("store"), place.path().join("older"));
    // Opened twice, so that there is a snapshot.
    make(&folder, 0..0);
    make(&folder, 0..0);
    copy(&folder, &older);
    make(&folder, 0..50);
    fs::copy(folder.join("head"), older.join("head")).unwrap();
    refused(&older, "revision 50 was stored, and nothing of it is left: move the folder away");
    fs::write(older.join("head"), "").unwrap();
    refused(&older, "`head` is empty, and there is nothing to go on with: move the folder away");
}

/// Nothing is copied into what is left of a store, and nothing of that goes.
#[test]
fn what_is_left_of_a_store_is_no_target() {
    let place = TempDir::new().unwrap();
    let (whole, folder) = (place.path().join("whole"), place.path().join("left"));
    make(&whole, 0..40);
    make(&whole, 40..50);
    for lost in ["db", "snap.", "head"] {
        copy(&whole, &folder);
        let file = files(&folder).into_iter().find(|file| file.to_str().unwrap().contains(lost));
        let file = file.unwrap();
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        for _ in 0..2 {
            let refused = SledStore::open_target(&folder).map(drop);
            let told = format!("{refused:?}");
            assert!(
                matches!(refused, Err(StoreError::Damaged(_) | StoreError::Unfit(_))),
                "{told}"
            );
            assert!(!folder.join("copying").exists(), "{lost}");
        }
        fs::write(&file, bytes).unwrap();
        let outcome = in_a_child(&folder);
        assert!(outcome.starts_with("opened: revision 50, "), "{lost}: {outcome}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// What sled leaves of starts that never came to a first commit is no store that was lost.
#[test]
fn starts_that_were_broken_off_are_no_damage() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("store");
    let obstacle = folder.join("head.new");
    fs::create_dir_all(&obstacle).unwrap();
    for _ in 0..4 {
        let error = SledStore::open(&folder).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    fs::remove_dir(obstacle).unwrap();
    assert!(in_a_child(&folder).starts_with("opened: revision 0, "));
}

#[test]
fn an_older_data_file_is_told_by_the_head() {
    let place = TempDir::new().unwrap();
    let (folder, older) = (place.path().join("store"), place.path().join("older"));
    make(&folder, 0..20);
    make(&folder, 20..50);
    copy(&folder, &older);
    make(&folder, 50..60);
    fs::copy(folder.join("head"), older.join("head")).unwrap();
    refused(
        &older,
        "revision 60 was stored, 50 is all that is left. First copy the folder. To give up all \
         changes after revision 50 for good",
    );
    fs::write(older.join("head"), "").unwrap();
    assert!(in_a_child(&older).starts_with("opened: revision 50, "));
}

/// A byte that flipped after a clean stop: the way that is told leads to what came before it.
#[test]
fn what_came_before_a_flipped_byte_can_be_read_as_it_is_told() {
    const PARTS: usize = 16;
    let place = TempDir::new().unwrap();
    let (whole, folder) = (place.path().join("whole"), place.path().join("flipped"));
    // Opened twice, so that there is a snapshot; and not so large that sled has used a part again.
    make(&whole, 0..250);
    make(&whole, 250..300);
    let held = format!("opened: {}", describe(&whole).unwrap());
    let used = fs::read(whole.join("db")).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let mut told = 0;
    for part in 1..PARTS {
        copy(&whole, &folder);
        let data = folder.join("db");
        let mut bytes = fs::read(&data).unwrap();
        bytes[used * part / PARTS] ^= 1;
        fs::write(data, bytes).unwrap();
        let outcome = in_a_child(&folder);
        if outcome.contains("its log is damaged. What came before the damage may be read on a copy")
        {
            told += 1;
            assert!(outcome.contains("restore a backup"), "{outcome}");
            fs::remove_file(snapshot(&folder)).unwrap();
            fs::write(folder.join("head"), "").unwrap();
            let outcome = in_a_child(&folder);
            assert!(outcome.starts_with("opened: revision "), "{part}: {outcome}");
            assert_eq!(outcome, sound(&outcome, place.path()), "{part}");
        } else {
            let refused = outcome.starts_with("refused: ") && outcome.contains("restore a backup");
            assert!(outcome == held || refused, "{part}: {outcome}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(told > PARTS / 2, "{told} were told");
}
