//! `policy-schema`.

use std::process::ExitCode;

use clap::Args;

use super::Outcome;
use super::output::tell;

/// The schema of documents, for editors.
const SCHEMA: &str = include_str!("../../deploy/policy.schema.json");

/// The flags of `policy-schema`.
#[derive(Debug, Args)]
pub struct PolicySchema {}

impl PolicySchema {
    pub(super) fn run(self) -> Outcome {
        let Self {} = self;
        tell(SCHEMA).map(|()| ExitCode::SUCCESS)
    }
}
