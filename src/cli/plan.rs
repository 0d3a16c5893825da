//! `plan`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::output::{plain, tell};
use super::policy::{Plan as Planned, PolicyFlags};
use super::{Failure, Outcome};
use crate::policy::difference::{Action, Counts, lines};

/// What a plan ends with that changes something.
const CHANGES: u8 = 2;

/// The flags of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    policy: PolicyFlags,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub(super) async fn run(self) -> Outcome {
        let source = self.policy.read()?;
        let server = self.policy.server.connect().await?;
        let plan = self.policy.plan(&server, &source).await?;
        if self.json {
            tell(&format!("{:#}\n", machine(&plan)))?;
        } else {
            show(&plan)?;
        }
        Ok(if plan.steps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
    }
}

/// Shows a plan to a person; in colours on a terminal.
pub(super) fn show(plan: &Planned) -> Result<(), Failure> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stdout().is_terminal() && !no_color;
    let paint = |action: Action, line: String| {
        let line = plain(&line);
        let code = match action {
            _ if !colours => return line,
            Action::Add => 32,
            Action::Change => 33,
            Action::Remove => 31,
        };
        format!("\x1b[{code}m{line}\x1b[0m")
    };
    let mut text = String::new();
    for line in lines(&plan.items, paint) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&format!("{}\n", Counts::of(&plan.items)));
    for note in &plan.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    if let Some(lockout) = &plan.lockout {
        text.push_str(&format!("apply refuses it: {lockout}\n"));
    }
    tell(&text)
}

fn machine(plan: &Planned) -> Value {
    let changes = plan.items.iter().map(|item| {
        let details = item.details.iter();
        let details = details.map(|d| json!({"action": d.action.name(), "what": d.text}));
        json!({
            "action": item.action.name(),
            "kind": item.kind.name(),
            "name": item.name.as_str(),
            "details": details.collect::<Vec<_>>(),
        })
    });
    let Counts { add, change, remove } = Counts::of(&plan.items);
    json!({
        "changes": changes.collect::<Vec<_>>(),
        "add": add,
        "change": change,
        "remove": remove,
        "revision": plan.found.revision,
        "notes": plan.notes,
        "lockout": plan.lockout,
    })
}
