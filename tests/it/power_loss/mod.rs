//! Power loss: what was not synced may be gone, all of it, a part, or the half of a write.
//!
//! strace records every write, sync and rename of processes that change a store. The disk is then
//! rebuilt as it may be after the power went at any moment: what was synced is there, of the rest
//! any selection of sectors, and any number of the later steps in the folder (which file systems
//! with a journal keep in order). The store must open, at the revision that was acknowledged or
//! one that was under way, with exactly the state that it had then. So it must if the power goes
//! once more while it is opened.

mod disk;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use milvus_rbac::engine::{Engine, Sharing};
use milvus_rbac::model::command::{Command as Change, Rules};
use milvus_rbac::storage::sled::SledStore;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use self::disk::Disk;
use self::trace::{Event, FOLDER, SESSION, record};
use crate::damage::{brief, in_a_child, make};
use crate::support::{missing, rounds};

/// Processes that work on the store, one after the other; none closes it.
const SESSIONS: usize = 3;

/// Changes the store and tells of each revision and its state once it is acknowledged.
#[tokio::test]
#[ignore = "the child of another test"]
async fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let session: usize = std::env::var(SESSION).unwrap().parse().unwrap();
    let store = SledStore::open(Path::new(&folder)).unwrap();
    let rules = Rules { max_roles: 0, ..Rules::default() };
    let (engine, _writer) = Engine::start(Box::new(store), rules, Sharing::default()).unwrap();
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

/// Opens the store, tells what it holds, and ends as if killed.
#[test]
#[ignore = "the child of another test"]
fn opening_child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let store = SledStore::open(Path::new(&folder)).unwrap();
    let (engine, _writer) =
        Engine::start(Box::new(store), Rules::default(), Sharing::default()).unwrap();
    println!("\nacknowledged {}", brief(&engine.snapshot()));
    std::process::exit(0);
}

/// All that the sessions did, and each state that they told of.
struct Recording {
    events: Vec<Event>,
    states: BTreeMap<u64, String>,
}

impl Recording {
    /// The same for all tests: it takes a while, and each of them only reads it.
    fn get() -> &'static Self {
        static RECORDING: OnceLock<Recording> = OnceLock::new();
        RECORDING.get_or_init(|| {
            let place = TempDir::new().unwrap();
            let folder = place.path().join("store");
            let events: Vec<_> =
                (0..SESSIONS).flat_map(|n| record("power_loss::child", &folder, n)).collect();
            let states: BTreeMap<_, _> = events.iter().filter_map(acknowledged).collect();
            let syncs = events.iter().filter(|e| matches!(e, Event::SyncEnds { .. })).count();
            let told = states.len();
            assert!(told > 100 && syncs > 100, "{told} states, {syncs} syncs");
            Self { events, states }
        })
    }

    /// What may be there once `revision` was acknowledged, and the next was not.
    fn since(&self, revision: u64) -> RangeInclusive<u64> {
        let next = self.states.range(revision + 1..).next();
        revision..=next.map_or(u64::MAX, |(next, _)| *next)
    }
}

fn acknowledged(event: &Event) -> Option<(u64, String)> {
    match event {
        Event::Acknowledged { revision, line } => Some((*revision, line.clone())),
        _ => None,
    }
}

/// Opens what a loss of power has left. An error unless it is one of the revisions that may be
/// there, in the state that was told of it, if any was.
fn judge(
    left: &Path,
    may_be: &RangeInclusive<u64>,
    states: &BTreeMap<u64, String>,
) -> Result<u64, String> {
    let outcome = in_a_child(left);
    let held = outcome.strip_prefix("opened: ").ok_or(&outcome)?;
    let number = held.strip_prefix("revision ").unwrap().split_once(',').unwrap().0;
    let number = number.parse().unwrap();
    if number < *may_be.start() {
        return Err(format!("{} was acknowledged, {number} is there", may_be.start()));
    }
    if number > *may_be.end() {
        return Err(format!("{number} was never asked for"));
    }
    match states.get(&number) {
        Some(state) if state != held => Err(format!("{held}, but it was {state}")),
        // Without a state it is a part of what was asked for together.
        _ => Ok(number),
    }
}

/// The moments of `rounds` losses of power in a row of `events`, in order.
fn moments(rounds: usize, events: usize, dice: &mut dyn FnMut(usize) -> usize) -> Vec<usize> {
    let mut moments: Vec<_> = (0..rounds).map(|_| dice(events)).collect();
    moments.sort_unstable();
    moments
}

fn dice() -> impl FnMut(usize) -> usize {
    let mut random = TestRunner::default();
    move |sides| (0..sides).new_tree(&mut random).unwrap().current()
}

/// A disk to which a part of a recording has happened.
#[derive(Default)]
struct Replay {
    disk: Disk,
    happened: usize,
    acknowledged: u64,
}

impl Replay {
    fn until(&mut self, events: &[Event], moment: usize) {
        for event in &events[self.happened..moment] {
            self.disk.happen(event);
            self.acknowledged = acknowledged(event).map_or(self.acknowledged, |(told, _)| told);
        }
        self.happened = moment;
    }
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    if missing("strace") {
        return;
    }
    let Recording { events, states } = Recording::get();
    let mut dice = dice();
    let place = TempDir::new().unwrap();
    let left = place.path().join("left");
    let (mut replay, mut between) = (Replay::default(), 0);
    let rounds = rounds("MILVUS_RBAC_POWER_ROUNDS", 100);
    for (round, moment) in moments(rounds, events.len(), &mut dice).into_iter().enumerate() {
        replay.until(events, moment);
        let lost = replay.disk.lose_power(&left, &mut dice);
        let may_be = Recording::get().since(replay.acknowledged);
        let number = judge(&left, &may_be, states).unwrap_or_else(|e| {
            panic!("round {round}, event {moment} of {}: {e}; {lost}", events.len())
        });
        between += usize::from(!states.contains_key(&number));
        fs::remove_dir_all(&left).unwrap();
    }
    println!("{} events, {} states, {between} cuts within a group", events.len(), states.len());
}

/// Opens the store in `left`, and loses power, or kills the process, at every moment of that, and
/// once what was recovered has been served. Returns how many times.
fn lose_while_opening(
    left: &Path,
    may_be: &RangeInclusive<u64>,
    states: &BTreeMap<u64, String>,
    dice: &mut dyn FnMut(usize) -> usize,
) -> usize {
    let mut replay = Replay { disk: Disk::holding(left), ..Replay::default() };
    let recovery = record("power_loss::opening_child", left, SESSIONS);
    let told_at = recovery.iter().position(|event| acknowledged(event).is_some()).unwrap();
    let (served, state) = acknowledged(&recovery[told_at]).unwrap();
    assert!(may_be.contains(&served), "{served} was served, not one of {may_be:?}");
    // Where the first loss was within a group, nobody has told of this state before.
    let mut states = states.clone();
    assert_eq!(*states.entry(served).or_insert_with(|| state.clone()), state);
    let again = TempDir::new().unwrap();
    let again = again.path().join("again");
    for moment in 0..=recovery.len() {
        replay.until(&recovery, moment);
        // What was served must be on the disk.
        let may_be = if moment > told_at { served..=served } else { may_be.clone() };
        let losses: [&mut dyn FnMut() -> String; 3] = [
            &mut || replay.disk.lose_nothing(&again),
            &mut || replay.disk.lose_all_it_may(&again),
            &mut || replay.disk.lose_power(&again, dice),
        ];
        for lose in losses {
            let lost = lose();
            judge(&again, &may_be, &states)
                .unwrap_or_else(|e| panic!("event {moment} of {}: {e}; {lost}", recovery.len()));
            fs::remove_dir_all(&again).unwrap();
        }
    }
    3 * (recovery.len() + 1)
}

#[test]
fn a_loss_of_power_during_the_recovery_from_another_loses_nothing_more() {
    if missing("strace") {
        return;
    }
    let Recording { events, states } = Recording::get();
    let mut dice = dice();
    let place = TempDir::new().unwrap();
    let left = place.path().join("left");
    let (mut first, mut losses) = (Replay::default(), 0);
    let rounds = rounds("MILVUS_RBAC_POWER_ROUNDS", 100).div_ceil(50);
    for moment in moments(rounds, events.len(), &mut dice) {
        first.until(events, moment);
        println!("event {moment}: {}", first.disk.lose_power(&left, &mut dice));
        let may_be = Recording::get().since(first.acknowledged);
        losses += lose_while_opening(&left, &may_be, states, &mut dice);
        fs::remove_dir_all(&left).unwrap();
    }
    println!("{losses} losses in {rounds} recoveries");
}

/// sled frees and moves much of a large store while it opens it.
#[test]
fn a_loss_of_power_while_a_large_store_is_opened_loses_nothing() {
    if missing("strace") {
        return;
    }
    let place = TempDir::new().unwrap();
    let folder = place.path().join("store");
    // Opened once before: a snapshot is replaced.
    make(&folder, 0..3000);
    make(&folder, 3000..6000);
    let losses = lose_while_opening(&folder, &(6000..=6000), &BTreeMap::new(), &mut dice());
    println!("{losses} losses");
}

/// The attack itself is tried: with one sync missing, it must find what that sync was for.
#[test]
fn a_missing_sync_is_found() {
    if missing("strace") {
        return;
    }
    let Recording { events, states } = Recording::get();
    let told: Vec<_> = (0..events.len())
        .filter_map(|moment| Some((moment, acknowledged(&events[moment])?.0)))
        .collect();
    // Commits of one revision, with the one sync of the data file that is between their answers.
    let commits = told.windows(2).filter_map(|pair| {
        let [(before, old), (answered, new)] = pair else { return None };
        let of_data =
            |event: &Event| matches!(event, Event::SyncBegins { name, .. } if name == "db");
        let mut syncs = (*before..*answered).filter(|moment| of_data(&events[*moment]));
        let sync = syncs.next().filter(|_| syncs.next().is_none() && *new == old + 1)?;
        // An opening, which creates files, syncs as well.
        let opened = |event: &Event| matches!(event, Event::Create { .. });
        if events[*before..*answered].iter().any(opened) {
            return None;
        }
        Some((sync, *answered, *old, *new))
    });
    let commits: Vec<_> = commits.collect();
    assert!(commits.len() > 50, "{} commits", commits.len());

    let place = TempDir::new().unwrap();
    let left = place.path().join("left");
    let lost_at = |answered: usize, revision: u64, missing: Option<usize>| {
        let mut disk = Disk::default();
        let happened = events[..=answered].iter().enumerate();
        // The end of a sync says nothing without its beginning.
        happened.filter(|(moment, _)| Some(*moment) != missing).for_each(|(_, e)| disk.happen(e));
        disk.lose_all_it_may(&left);
        let judged = judge(&left, &Recording::get().since(revision), states);
        fs::remove_dir_all(&left).unwrap();
        judged
    };
    for (sync, answered, old, new) in commits.iter().step_by(commits.len() / 10).copied() {
        assert_eq!(lost_at(answered, new, None), Ok(new));
        let found = format!("{new} was acknowledged, {old} is there");
        assert_eq!(lost_at(answered, new, Some(sync)), Err(found));
    }
}
