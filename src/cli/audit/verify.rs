//! `audit verify`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use super::export::{self, Line};
use super::{Listed, entry};
use crate::cli::{Failure, Outcome};
use crate::storage::trail::{Chain, Entry, Hash, Mark};

/// A tip of before.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    number: u64,
    hash: Hash,
}

impl Expected {
    /// What a verification printed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (number, hash) = text.split_once(':')?;
            Some(Self { number: number.parse().ok()?, hash: Hash::parse(hash)? })
        };
        read().ok_or_else(|| format!("`{text}` is no NUMBER:HASH"))
    }
}

/// A trail, as far as it is whole.
struct Verification {
    beginning: Mark,
    chain: Chain,
    expected: Option<Expected>,
    /// Whether what was expected has been found.
    found: bool,
}

impl Verification {
    fn new(beginning: Mark, expected: Option<Expected>) -> Result<Self, Failure> {
        let chain = Chain::from(beginning);
        let mut verification = Self { beginning, chain, expected, found: false };
        verification.compare()?;
        Ok(verification)
    }

    fn add(&mut self, entry: &Entry) -> Result<(), Failure> {
        self.chain.add(entry).map_err(|e| e.to_string())?;
        self.compare()
    }

    fn compare(&mut self) -> Result<(), Failure> {
        let at = self.chain.at();
        if let Some(Expected { number, hash }) = &self.expected
            && *number == at.number
        {
            self.found = true;
            if *hash != at.hash {
                return Err(format!("event {number} is not the one that is expected"));
            }
        }
        Ok(())
    }

    fn end(self, tip: &Mark) -> Outcome {
        self.chain.end(tip).map_err(|e| e.to_string())?;
        if let Some(Expected { number, .. }) = &self.expected {
            if !self.found && *number > tip.number {
                let last = tip.number;
                return Err(format!("the trail ends with event {last}: event {number} is missing"));
            }
            if !self.found {
                return Err(format!(
                    "event {number} is not kept any more, so that nobody can tell: the oldest is {}",
                    self.beginning.number.saturating_add(1)
                ));
            }
        }
        if tip.number == self.beginning.number {
            println!("whole: no events");
        } else {
            println!(
                "whole: events {} to {}, revisions {} to {}",
                self.beginning.number.saturating_add(1),
                tip.number,
                self.beginning.revision.saturating_add(1),
                tip.revision
            );
        }
        if let Some(Expected { number, .. }) = &self.expected {
            println!("event {number} is the one that is expected");
        }
        println!("tip: {}:{}", tip.number, tip.hash);
        Ok(ExitCode::SUCCESS)
    }
}

/// Of a server, as its store has it now.
pub(super) async fn server(mut listed: Listed, expected: Option<Expected>) -> Outcome {
    let mut verification = Verification::new(listed.beginning, expected)?;
    while let Some(event) = listed.next().await? {
        verification.add(&entry(&event)?)?;
    }
    let Listed { beginning, tip, revision, .. } = listed;
    if tip.number == beginning.number && revision > 0 {
        return Err(format!(
            "there is no event, and the store is at revision {revision}: its trail was taken away, or \
             it comes from a version without one; the next change begins one"
        ));
    }
    if beginning.number == 0 && beginning.revision > 0 {
        let first = beginning.revision.saturating_add(1);
        eprintln!(
            "note: the trail begins with revision {first}: no event tells of what was before"
        );
    }
    if tip.number > beginning.number && tip.revision != revision {
        return Err(format!(
            "the store is at revision {revision}, and the last event is of revision {}",
            tip.revision
        ));
    }
    verification.end(&tip)
}

/// Of an export.
pub(super) fn file(path: &Path, expected: Option<Expected>) -> Outcome {
    let tell = |why: String| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|e| tell(e.to_string()))?;
    let mut lines = BufReader::new(file).lines().zip(1_u64..);
    let mut next = || {
        let (line, number) = lines.next()?;
        let read = line.map_err(|e| e.to_string()).and_then(|line| export::read(&line));
        Some(read.map_err(|why| tell(format!("line {number}: {why}"))))
    };
    let filtered =
        "it does not begin with the beginning of a trail: it was listed with filters, or cut";
    let beginning = match next().transpose()? {
        Some(Line::Beginning(beginning)) => beginning,
        _ => return Err(tell(filtered.to_owned())),
    };
    let mut verification = Verification::new(beginning, expected).map_err(tell)?;
    loop {
        match next().transpose()? {
            Some(Line::Event(entry)) => verification.add(&entry).map_err(tell)?,
            Some(Line::Tip(tip)) => {
                if next().is_some() {
                    return Err(tell("it goes on behind its end".to_owned()));
                }
                return verification.end(&tip).map_err(tell);
            }
            Some(Line::Beginning(_)) => return Err(tell("it begins twice".to_owned())),
            None => return Err(tell("it was cut: the line of the tip is missing".to_owned())),
        }
    }
}
