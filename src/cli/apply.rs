//! `apply`.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use tonic::Code;

use super::one_by_one::OneByOne;
use super::plan::{show, tell};
use super::policy::{Plan, PolicyFlags};
use super::progress::Progress;
use super::server::{Server, accepted, refused};
use super::{Failure, Outcome, wire};
use crate::rpc::proto::access::{Step, TransactRequest};

/// Steps of one transaction.
const MAX_STEPS: usize = 10_000;
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

/// What became of a plan.
enum Applied {
    Done(String),
    /// Somebody else was quicker; nothing of it was done.
    Outdated,
}

impl Apply {
    pub(super) async fn run(self) -> Outcome {
        let source = self.policy.read()?;
        let server = self.policy.server.connect().await?;
        for _ in 0..TRIES {
            let plan = self.policy.plan(&server, &source).await?;
            show(&plan)?;
            if plan.steps.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            if plan.lockout.is_some() {
                return Err("nothing was changed".to_owned());
            }
            if !self.yes && !asked()? {
                return Err("not applied: nothing was changed".to_owned());
            }
            match apply(&server, &plan).await? {
                Applied::Done(how) => {
                    tell(&format!("applied {how}\n"))?;
                    return Ok(ExitCode::SUCCESS);
                }
                Applied::Outdated => {
                    eprintln!("something else was changed meanwhile: planned anew")
                }
            }
        }
        Err("access is changed by others faster than this can be applied; nothing was changed"
            .to_owned())
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
async fn apply(server: &Server, plan: &Plan) -> Result<Applied, Failure> {
    let Some(mut revision) = plan.found.revision else {
        return one_by_one(server, plan).await;
    };
    let steps = plan.steps.iter().map(|c| Ok(Step { step: Some(wire::call(c)?) }));
    let steps: Vec<Step> = steps.collect::<Result<_, Failure>>()?;
    let parts = steps.len().div_ceil(MAX_STEPS);
    if parts > 1 {
        eprintln!(
            "{} steps are more than one transaction takes: this is applied in {parts}, each all or \
             nothing; after a failure apply it again",
            steps.len()
        );
    }
    let mut progress = Progress::of("transactions");
    for (part, steps) in steps.chunks(MAX_STEPS).enumerate() {
        let request = TransactRequest {
            steps: steps.to_vec(),
            only_at_revision: Some(revision),
            comment: "milvus-rbac apply".to_owned(),
            dry_run: false,
        };
        let answer = match server.access().transact(request).await {
            Ok(answer) => answer.into_inner(),
            Err(e) if e.code() == Code::Unimplemented => return one_by_one(server, plan).await,
            Err(e) => return Err(so_far(part, &refused(&e))),
        };
        match accepted(answer.status) {
            Ok(()) => revision = answer.revision,
            // INVARIANT: nothing is applied that was not shown. Defended by
            // `tests/it/policy/apply.rs`.
            Err(_) if answer.revision != revision => return Ok(Applied::Outdated),
            Err(reason) => return Err(so_far(part, &reason)),
        }
        progress.tell(part + 1, parts);
    }
    Ok(Applied::Done(format!("at revision {revision}")))
}

fn so_far(parts: usize, why: &str) -> Failure {
    match parts {
        0 => why.to_owned(),
        parts => format!("{why}; {parts} transactions were applied before"),
    }
}

async fn one_by_one(server: &Server, plan: &Plan) -> Result<Applied, Failure> {
    eprintln!(
        "this server has no transactions: {} calls are made one after the other, what adds before \
         what removes; after a failure those before it stay, and apply goes on from there",
        plan.steps.len()
    );
    let notes = OneByOne::new(server, plan).run().await?;
    for note in notes {
        eprintln!("note: {note}");
    }
    Ok(Applied::Done("call by call".to_owned()))
}
