//! `--policy`: a document that is kept true. It is applied before anybody is served, when it or a
//! password file of it changes, and when somebody else has changed what it says.
//!
//! Several instances over one store may have the same document: what each would change is computed
//! from the newest state and made only on that one, so the first makes it and the others find nothing
//! to do. Where a store takes less at once than a document asks for, it is made in parts.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tracing::{error, info, warn};

use crate::config::PolicyFile;
use crate::engine::{Engine, Order};
use crate::model::command::{Command, Rules};
use crate::model::error::{Error, ErrorKind};
use crate::model::origin::Origin;
use crate::model::state::{ROOT, State};
use crate::passwords::{self, Passwords};
use crate::policy::difference::{Counts, difference};
use crate::policy::document::{Document, Password};
use crate::policy::wanted::{Target, wanted};
use crate::policy::{Problems, steps};
use crate::storage::Revision;
use crate::telemetry;

/// How often the files are looked at. Where they are mounted, their folder is exchanged as a whole,
/// which nothing else tells.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is computed anew because the state has changed meanwhile.
const TRIES: usize = 10;

/// Keeps a document true.
pub(super) struct Keeper {
    engine: Engine,
    passwords: Passwords,
    rules: Rules,
    policy: PolicyFile,
}

/// Why it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Start,
    Changed,
    Others,
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq, Default)]
struct Files {
    text: Arc<str>,
    /// Where the text has passwords, from its folder on.
    passwords: Arc<[String]>,
    /// Of the text and the passwords.
    digest: [u8; 32],
}

impl Files {
    /// Looks at them. A text that is `known` is not parsed again.
    fn read(file: &Path, known: &Self) -> Result<Self, String> {
        let tell = |e: std::io::Error| format!("--policy {}: {e}", file.display());
        let text = std::fs::read_to_string(file).map_err(tell)?;
        let mut files = if text == *known.text {
            known.clone()
        } else {
            let users = Document::read(&text).0.users.into_iter();
            let passwords = users.filter_map(|user| match user.password?.value {
                Password::File(file) => Some(file),
                _ => None,
            });
            let passwords = passwords.collect();
            Self { text: text.into(), passwords, ..Self::default() }
        };
        let mut digest = Sha256::new_with_prefix(&*files.text);
        for password in files.passwords.iter() {
            // One that is not there is told of when it is needed.
            let password = passwords::read_file(&folder(file).join(password)).unwrap_or_default();
            digest.update(password.len().to_le_bytes());
            digest.update(password);
        }
        files.digest = digest.finalize().into();
        Ok(files)
    }
}

/// From where its passwords are looked for.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

impl Keeper {
    pub(super) fn new(
        engine: Engine,
        passwords: Passwords,
        rules: Rules,
        policy: PolicyFile,
    ) -> Self {
        Self { engine, passwords, rules, policy }
    }

    /// Applies it for the first time. The future keeps it true from then on, for ever.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) async fn start(self) -> Result<impl Future<Output = ()>, String> {
        let files = self.read(&Files::default()).await?;
        let revision = self.apply(&files, Cause::Start).await?;
        telemetry::policy(true);
        Ok(self.keep(files, revision))
    }

    async fn keep(self, mut known: Files, revision: Revision) {
        // Where it holds, as far as known.
        let mut holds = Some(revision);
        let mut seen: Option<Files> = None;
        let mut looked = Instant::now();
        loop {
            tokio::time::sleep(LOOK.min(self.policy.interval)).await;
            let due = looked.elapsed() >= self.policy.interval;
            let read = self.read(seen.as_ref().unwrap_or(&known)).await;
            seen = seen.filter(|_| read.as_ref() != Ok(&known));
            let outcome = match read {
                // Whoever writes it may be in the middle of it.
                Err(_) if !due => continue,
                Err(e) => Err(e),
                // INVARIANT: what somebody is in the middle of writing is not applied: it counts as soon
                // as two looks in a row see the same. Defended by `tests/it/policy/kept.rs`.
                Ok(files) if files != known && seen.as_ref() != Some(&files) => {
                    seen = Some(files);
                    continue;
                }
                Ok(files) if files != known => {
                    (known, seen) = (files, None);
                    self.apply(&known, Cause::Changed).await
                }
                Ok(_) if !due => continue,
                Ok(_) if holds == Some(self.engine.snapshot().revision) => {
                    looked = Instant::now();
                    continue;
                }
                // What failed is not yet undone by others.
                Ok(_) if holds.is_none() => self.apply(&known, Cause::Changed).await,
                Ok(_) => self.apply(&known, Cause::Others).await,
            };
            looked = Instant::now();
            // INVARIANT: a document with anything wrong in it changes nothing, and what held before
            // goes on. Defended by `tests/it/policy/kept.rs`.
            if let Err(e) = &outcome {
                e.lines().for_each(|line| error!("{line}"));
            }
            telemetry::policy(outcome.is_ok());
            holds = outcome.ok();
        }
    }

    async fn read(&self, known: &Files) -> Result<Files, String> {
        let (file, known) = (self.policy.file.clone(), known.clone());
        let read = tokio::task::spawn_blocking(move || Files::read(&file, &known));
        read.await.map_err(|e| e.to_string())?
    }

    async fn apply(&self, files: &Files, cause: Cause) -> Result<Revision, String> {
        let (document, problems) = Document::read(&files.text);
        for _ in 0..TRIES {
            let snapshot = self.engine.current().map_err(|e| e.to_string())?;
            let mut problems = problems.clone();
            let state = &snapshot.state;
            let given = passwords::given(
                &document,
                folder(&self.policy.file),
                state,
                &self.passwords,
                |_, _| {},
            );
            let given = given.await.unwrap_or_else(|more| {
                problems.extend(more);
                passwords::Given::default()
            });
            let target = Target {
                current: state,
                rules: &self.rules,
                prune: self.policy.prune,
                descriptions: true,
            };
            let planned = aside(|| {
                let wanted = wanted(&document, &given.hashes, target).unwrap_or_else(|more| {
                    problems.extend(more);
                    State::default()
                });
                problems.none().map_err(|problems| self.told(&problems))?;
                let steps = steps::steps(state, &wanted, ROOT, &self.rules);
                let steps = steps.map_err(|e| format!("the policy cannot be applied: {e}"))?;
                Ok::<_, String>((steps, Counts::of(&difference(state, &wanted))))
            });
            let (steps, counts) = planned?;
            if steps.is_empty() {
                if cause != Cause::Others {
                    info!(revision = snapshot.revision, "the policy holds already");
                }
                return Ok(snapshot.revision);
            }
            match self.execute(&steps, snapshot.revision).await {
                Ok(revision) => {
                    match cause {
                        Cause::Start | Cause::Changed => {
                            info!(revision, changed = %counts, "the policy was applied");
                        }
                        Cause::Others => warn!(
                            revision,
                            changed = %counts,
                            "what others had changed was put back to what the policy says"
                        ),
                    }
                    return Ok(revision);
                }
                Err(e) if e.kind() == ErrorKind::Outdated => {}
                Err(e) => return Err(format!("the policy cannot be applied: {e}")),
            }
        }
        Err("the policy cannot be applied: others change access all the time".to_owned())
    }

    /// All at once, or in as few parts as the store takes.
    async fn execute(&self, steps: &[Command], at: Revision) -> Result<Revision, Error> {
        let (mut rest, mut revision, mut size) = (steps, at, steps.len());
        while !rest.is_empty() {
            let part = steps::part(rest, size);
            let smaller = steps::part(rest, part.len() / 2).len();
            let comment = self.policy.file.display().to_string();
            let origin = Origin { comment, ..Origin::own("policy") };
            let command = Command::All(part.to_vec());
            let order = Order { command, origin, only_at: Some(revision) };
            match self.engine.execute(order).await {
                Ok(reached) => {
                    (rest, revision) = (rest.get(part.len()..).unwrap_or_default(), reached);
                }
                Err(e) if e.kind() == ErrorKind::TooLarge && smaller < part.len() => size = smaller,
                Err(e) if rest.len() == steps.len() => return Err(e),
                Err(e) => {
                    let (done, all) = (steps.len() - rest.len(), steps.len());
                    return Err(e.context(&format!("after {done} of {all} steps")));
                }
            }
        }
        Ok(revision)
    }

    fn told(&self, problems: &Problems) -> String {
        let name = self.policy.file.display().to_string();
        format!("the policy is not applied:\n{}", problems.of(&name))
    }
}

fn aside<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_known_is_not_parsed_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        std::fs::write(&file, "users: {u: {password_file: one}}").unwrap();
        std::fs::write(folder.path().join("one"), "secret").unwrap();
        let files = Files::read(&file, &Files::default()).unwrap();
        assert_eq!(files.passwords[..], ["one".to_owned()]);
        // Where it is not parsed, it has no passwords but those that are said to be known.
        let known = Files { passwords: Arc::from([]), ..files.clone() };
        assert!(Files::read(&file, &known).unwrap().passwords.is_empty());
        assert!(Files::read(&file, &files).unwrap() == files);
        std::fs::write(folder.path().join("one"), "another").unwrap();
        assert!(Files::read(&file, &files).unwrap() != files);
    }
}
