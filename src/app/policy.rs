//! `--policy`: a document that is kept true. It is applied before anybody is served, when it or a
//! password file of it changes, and when somebody else has changed what it says.
//!
//! Several instances over one store may have the same document: what each would change is computed
//! from the newest state and made only on that one, so the first makes it and the others find nothing
//! to do.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tracing::{error, info, warn};

use crate::config::PolicyFile;
use crate::engine::{Engine, Order};
use crate::model::command::{Command, Rules};
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
/// After how long what others change is put back; a policy that could not be applied is tried again.
const PUT_BACK: Duration = Duration::from_secs(30);
/// How often it is computed anew because the state has changed meanwhile.
const TRIES: usize = 10;

/// Keeps a document true.
pub(super) struct Keeper {
    engine: Engine,
    passwords: Passwords,
    rules: Rules,
    file: PathBuf,
    prune: bool,
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
        PolicyFile { file, prune }: PolicyFile,
    ) -> Self {
        Self { engine, passwords, rules, file, prune }
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
        let mut tried = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let files = match self.read().await {
                Ok(files) => files,
                Err(e) => {
                    // One word for each time that it is tried.
                    if tried.elapsed() >= PUT_BACK {
                        tried = Instant::now();
                        failed(&e);
                    }
                    continue;
                }
            };
            let cause = if files != known {
                Cause::Changed
            } else if tried.elapsed() >= PUT_BACK {
                tried = Instant::now();
                if holds == Some(self.engine.snapshot().revision) {
                    continue;
                }
                Cause::Others
            } else {
                continue;
            };
            known = files;
            // INVARIANT: a document with anything wrong in it changes nothing, and what held before
            // goes on. Defended by `tests/it/policy/kept.rs`.
            holds = match self.apply(&known, cause).await {
                Ok(revision) => {
                    telemetry::policy(true);
                    Some(revision)
                }
                Err(e) => {
                    failed(&e);
                    None
                }
            };
        }
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    async fn read(&self) -> Result<Files, String> {
        let (file, folder) = (self.file.clone(), self.folder().to_owned());
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
                prune: self.prune,
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
            let comment = self.file.display().to_string();
            let origin = Origin { comment, ..Origin::own("policy") };
            let only_at = Some(snapshot.revision);
            match self.engine.execute(Order { command: Command::All(steps), origin, only_at }).await
            {
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

    fn told(&self, problems: &Problems) -> String {
        let name = self.file.display().to_string();
        format!("the policy is not applied:\n{}", problems.of(&name))
    }
}

fn failed(e: &str) {
    telemetry::policy(false);
    for line in e.lines() {
        error!("{line}");
    }
}

fn aside<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
