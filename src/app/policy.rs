//! `--policy`: a document that is kept true. It is applied before anybody is served, when it or a
//! password file of it changes, and when somebody else has changed what it says.
//!
//! Several instances over one store may have the same document: what each would change is computed
//! from the newest state and made only on that one, so the first makes it and the others find nothing
//! to do. Where a store takes less at once than a document asks for, it is made in parts.

use std::path::Path;
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
#[derive(PartialEq, Eq)]
struct Files {
    text: String,
    /// Of the text and the passwords.
    digest: [u8; 32],
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
        let files = self.read().await?;
        let revision = self.apply(&files, Cause::Start).await?;
        telemetry::policy(true);
        Ok(self.keep(files, revision))
    }

    async fn keep(self, mut known: Files, revision: Revision) {
        // Where it holds, as far as known.
        let mut holds = Some(revision);
        let mut looked = Instant::now();
        loop {
            tokio::time::sleep(LOOK.min(self.policy.interval)).await;
            let due = looked.elapsed() >= self.policy.interval;
            let outcome = match self.read().await {
                // Whoever writes it may be in the middle of it.
                Err(_) if !due => continue,
                Err(e) => Err(e),
                Ok(files) if files != known => {
                    known = files;
                    self.apply(&known, Cause::Changed).await
                }
                Ok(_) if !due => continue,
                Ok(_) if holds == Some(self.engine.snapshot().revision) => {
                    looked = Instant::now();
                    continue;
                }
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

    fn folder(&self) -> &Path {
        self.policy.file.parent().unwrap_or(Path::new(""))
    }

    async fn read(&self) -> Result<Files, String> {
        let (file, folder) = (self.policy.file.clone(), self.folder().to_owned());
        let read = move || {
            let tell = |e: std::io::Error| format!("--policy {}: {e}", file.display());
            let text = std::fs::read_to_string(&file).map_err(tell)?;
            let mut digest = Sha256::new_with_prefix(&text);
            for user in Document::read(&text).0.users {
                if let Some(Password::File(file)) = user.password.map(|password| password.value) {
                    // One that is not there is told of when it is needed.
                    let password = passwords::read_file(&folder.join(file)).unwrap_or_default();
                    digest.update(password.len().to_le_bytes());
                    digest.update(password);
                }
            }
            Ok(Files { text, digest: digest.finalize().into() })
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| e.to_string())?
    }

    async fn apply(&self, files: &Files, cause: Cause) -> Result<Revision, String> {
        let (document, problems) = Document::read(&files.text);
        for _ in 0..TRIES {
            let snapshot = self.engine.current().map_err(|e| e.to_string())?;
            let mut problems = problems.clone();
            let state = &snapshot.state;
            let given =
                passwords::given(&document, self.folder(), state, &self.passwords, |_, _| {});
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
                Err(_) if self.engine.snapshot().revision != snapshot.revision => {}
                Err(e) => return Err(format!("the policy cannot be applied: {e}")),
            }
        }
        Err("the policy cannot be applied: others change access all the time".to_owned())
    }

    /// All at once, or in as few parts as the store takes.
    async fn execute(&self, steps: &[Command], at: Revision) -> Result<Revision, Error> {
        let (mut rest, mut revision, mut size) = (steps, at, steps.len());
        while !rest.is_empty() {
            let (part, later) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            let comment = self.policy.file.display().to_string();
            let origin = Origin { comment, ..Origin::own("policy") };
            let command = Command::All(part.to_vec());
            let order = Order { command, origin, only_at: Some(revision) };
            match self.engine.execute(order).await {
                Ok(reached) => (rest, revision) = (later, reached),
                Err(e) if e.kind() == ErrorKind::TooLarge && part.len() > 1 => {
                    size = part.len() / 2
                }
                Err(e) => return Err(e),
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
