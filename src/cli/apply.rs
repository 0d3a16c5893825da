//! `apply`.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use tonic::Code;

use super::one_by_one::OneByOne;
use super::output::tell;
use super::plan::show;
use super::policy::{Plan, PolicyFlags};
use super::progress::Progress;
use super::server::{Server, accepted, refused};
use super::{Failure, Outcome, wire};
use crate::policy::steps::part;
use crate::rpc::proto::access::{Step, TransactRequest};
use crate::rpc::status::OUTDATED;

/// Steps of one transaction.
const MAX_STEPS: usize = 10_000;
/// Milvus' code of what is refused for other reasons than the request's own; where trying again does
/// not help, the store takes less at once.
const UNAVAILABLE: i32 = 2;
/// How often it is planned anew because somebody else changed something.
const TRIES: usize = 10;

/// The flags of `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    policy: PolicyFlags,
    /// Do it without asking. Where nobody can be asked it is needed.
    #[arg(long)]
    yes: bool,
}

/// How a plan was applied; none if somebody else was quicker, and nothing more of it was done.
type Applied = Option<String>;

impl Apply {
    pub(super) async fn run(self) -> Outcome {
        let source = self.policy.read()?;
        let server = self.policy.server.connect().await?;
        // Parts may have been applied before somebody else was quicker.
        let mut nothing = "nothing was changed";
        for _ in 0..TRIES {
            let plan = self.policy.plan(&server, &source).await?;
            show(&plan)?;
            if plan.steps.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            if plan.lockout.is_some() {
                return Err(nothing.to_owned());
            }
            if !self.yes && !asked()? {
                return Err(format!("not applied: {nothing}"));
            }
            if let Some(how) = apply(&server, &plan, "milvus-rbac apply").await? {
                tell(&format!("applied {how}\n"))?;
                return Ok(ExitCode::SUCCESS);
            }
            nothing = "nothing more was changed";
            eprintln!("something else was changed meanwhile: planned anew");
        }
        Err(format!("access is changed by others faster than this can be applied; {nothing}"))
    }
}

fn asked() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err("nobody can be asked here: --yes applies it; nothing was changed".to_owned());
    }
    tell("apply this? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| e.to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// As one transaction where the server has them, else call by call.
pub(super) async fn apply(server: &Server, plan: &Plan, comment: &str) -> Result<Applied, Failure> {
    let Some(mut revision) = plan.found.revision else {
        return one_by_one(server, plan).await;
    };
    let steps = plan.steps.iter().map(|c| Ok(Step { step: Some(wire::call(c)?) }));
    let steps: Vec<Step> = steps.collect::<Result<_, Failure>>()?;
    let mut progress = Progress::of("steps applied");
    let (mut size, mut done, mut told) = (MAX_STEPS, 0, false);
    while let Some(rest) = steps.get(done..).filter(|rest| !rest.is_empty()) {
        let commands = plan.steps.get(done..).unwrap_or_default();
        let count = part(commands, size).len();
        let smaller = part(commands, count / 2).len();
        let part = rest.get(..count).unwrap_or(rest);
        if part.len() < steps.len() && !std::mem::replace(&mut told, true) {
            eprintln!(
                "{} steps are more than the server takes at once: they are applied in parts, each \
                 all or nothing; after a failure apply goes on from there",
                steps.len()
            );
        }
        let request = TransactRequest {
            steps: part.to_vec(),
            only_at_revision: Some(revision),
            comment: comment.to_owned(),
            dry_run: false,
        };
        let answer = match server.access().transact(request).await {
            Ok(answer) => answer.into_inner(),
            Err(e) if e.code() == Code::Unimplemented => return one_by_one(server, plan).await,
            Err(e) => return Err(so_far(done, &refused(&e))),
        };
        let (code, retriable) =
            answer.status.as_ref().map_or((0, false), |status| (status.code, status.retriable));
        let too_large = code == UNAVAILABLE && !retriable;
        match accepted(answer.status) {
            Ok(()) => {
                revision = answer.revision;
                done += part.len();
                progress.tell(done, steps.len());
            }
            // INVARIANT: nothing is applied that was not shown. Defended by
            // `tests/it/policy/apply.rs`.
            Err(_) if code == OUTDATED => return Ok(None),
            Err(_) if too_large && smaller < count => size = smaller,
            Err(reason) => return Err(so_far(done, &reason)),
        }
    }
    Ok(Some(format!("at revision {revision}")))
}

fn so_far(steps: usize, why: &str) -> Failure {
    match steps {
        0 => why.to_owned(),
        steps => format!("{why}; {steps} steps were applied before"),
    }
}

async fn one_by_one(server: &Server, plan: &Plan) -> Result<Applied, Failure> {
    eprintln!(
        "this server has no transactions: {} calls are made one after the other, so that nobody \
         holds more in between than before or after; after a failure those before it stay, and \
         apply goes on from there",
        plan.steps.len()
    );
    let notes = OneByOne::new(server, plan).run().await?;
    for note in notes {
        eprintln!("note: {note}");
    }
    Ok(Some("call by call".to_owned()))
}
