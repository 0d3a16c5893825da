//! `audit`: who changed what, and whether the trail of it is whole.

mod export;
mod verify;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use tonic::Streaming;

use self::verify::Expected;
use super::server::refused;
use super::{Failure, Outcome, ServerFlags};
use crate::rpc::proto::access::{
    AuditEvent, AuditMark, ListAuditEventsRequest, ListAuditEventsResponse,
};
use crate::storage::trail::{Entry, Hash, Mark};

/// What is asked of the trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List changes: who, when, from where, what.
    List(List),
    /// Check that no event was changed or is missing, and print the tip: the number and the hash of the
    /// last one, to be kept elsewhere. Exit code 1 where something is wrong.
    Verify(Verify),
}

/// The flags of `audit list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerFlags,
    /// A JSON object for each event. All of them, without any filter, can be verified as a file.
    #[arg(long)]
    json: bool,
    /// From that time on, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    since: Option<u64>,
    /// Before that time.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    until: Option<u64>,
    /// Only what this user did.
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only what concerned a user, role, group, database or object of this name.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only what changed one of these.
    #[arg(long, value_name = "KIND", value_parser = ["user", "role", "binding", "grant", "group", "database"])]
    kind: Option<String>,
    /// From the event of this number on.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    from: u64,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: u64,
}

/// The flags of `audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    server: ServerFlags,
    /// What `audit list --json` has written, instead of a server.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A tip of before, which must be part of the trail still.
    #[arg(long, value_name = "NUMBER:HASH", value_parser = Expected::parse)]
    expect: Option<Expected>,
}

impl Audit {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List(list) => list.run().await,
            Self::Verify(Verify { server, file, expect }) => match file {
                Some(file) => verify::file(&file, expect),
                None => {
                    verify::server(
                        Listed::ask(&server, ListAuditEventsRequest::default()).await?,
                        expect,
                    )
                    .await
                }
            },
        }
    }
}

impl List {
    async fn run(self) -> Outcome {
        let Self { server, json, since, until, actor, target, kind, from, limit } = self;
        let (since_ms, until_ms) = (since.unwrap_or(0), until.unwrap_or(0));
        let request = ListAuditEventsRequest {
            from_number: from,
            since_ms,
            until_ms,
            actor: actor.unwrap_or_default(),
            target: target.unwrap_or_default(),
            limit,
            kind: kind.unwrap_or_default(),
        };
        let is_whole = request == ListAuditEventsRequest::default();
        let mut listed = Listed::ask(&server, request).await?;
        let mut out = std::io::stdout().lock();
        let gone = |e: std::io::Error| e.to_string();
        if json && is_whole {
            writeln!(out, "{}", export::end("beginning", &listed.beginning)).map_err(gone)?;
        }
        while let Some(event) = listed.next().await? {
            let text = if json { export::line(&event)? } else { readable(&event) };
            writeln!(out, "{text}").map_err(gone)?;
        }
        if json && is_whole {
            writeln!(out, "{}", export::end("tip", &listed.tip)).map_err(gone)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A listing that has begun.
struct Listed {
    answers: Streaming<ListAuditEventsResponse>,
    events: std::vec::IntoIter<AuditEvent>,
    beginning: Mark,
    tip: Mark,
    revision: u64,
}

impl Listed {
    async fn ask(server: &ServerFlags, request: ListAuditEventsRequest) -> Result<Self, Failure> {
        let mut access = server.connect().await?.access();
        let answers = access.list_audit_events(request).await.map_err(|e| refused(&e))?;
        let mut answers = answers.into_inner();
        let first = answers.message().await.map_err(|e| refused(&e))?.unwrap_or_default();
        let ends = first.beginning.and_then(mark).zip(first.tip.and_then(mark));
        let (beginning, tip) = ends.ok_or("the server does not tell where its trail begins")?;
        let (events, revision) = (first.events.into_iter(), first.revision);
        Ok(Self { answers, events, beginning, tip, revision })
    }

    async fn next(&mut self) -> Result<Option<AuditEvent>, Failure> {
        loop {
            if let Some(event) = self.events.next() {
                return Ok(Some(event));
            }
            match self.answers.message().await.map_err(|e| refused(&e))? {
                Some(answer) => self.events = answer.events.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

fn mark(mark: AuditMark) -> Option<Mark> {
    let AuditMark { number, hash, revision } = mark;
    Some(Mark { number, hash: Hash(hash.as_ref().try_into().ok()?), revision })
}

fn entry(event: &AuditEvent) -> Result<Entry, Failure> {
    let odd = |_| format!("event {} has an odd hash", event.number);
    let hash = |bytes: &[u8]| bytes.try_into().map(Hash).map_err(odd);
    Ok(Entry {
        number: event.number,
        previous: hash(&event.previous_hash)?,
        hash: hash(&event.hash)?,
        record: event.record.to_vec(),
    })
}

/// An event for a person: a line, and one for each change.
fn readable(event: &AuditEvent) -> String {
    let AuditEvent { number, revision, actor, peer, command, request_id, comment, .. } = event;
    let mut text =
        format!("{number}  {}  {actor}  {command}  revision {revision}", time(event.time_ms));
    for (what, said) in [("from", peer), ("request", request_id), ("comment:", comment)] {
        if !said.is_empty() {
            text.extend(["  ", what, " ", said]);
        }
    }
    let mut lines = vec![text];
    for change in &event.changes {
        let (kind, name) = (&change.kind, &change.name);
        let said =
            |text: &String| if text.is_empty() { String::new() } else { format!(" ({text})") };
        lines.push(match (&change.before, &change.after) {
            (None, Some(after)) => format!("    {kind} {name}: new{}", said(after)),
            (Some(before), None) => format!("    {kind} {name}: gone{}", said(before)),
            (Some(before), Some(after)) => {
                format!("    {kind} {name}: {before:?} became {after:?}")
            }
            (None, None) => format!("    {kind} {name}: was not there"),
        });
    }
    // What others have written into a store may hold anything.
    let shown =
        |line: String| line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    lines.into_iter().map(shown).collect::<Vec<String>>().join("\n")
}

/// UTC, to the millisecond.
fn time(milliseconds: u64) -> String {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)).to_string()
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let odd = || format!("`{text}` is no time such as 2026-01-31T12:00:00Z");
    let time: Timestamp = text.parse().map_err(|_| odd())?;
    let time = SystemTime::try_from(time).map_err(|_| odd())?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| odd())?;
    u64::try_from(since.as_millis()).map_err(|_| odd())
}
