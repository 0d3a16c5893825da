//! One line in the log for each decision on request: who asked for what, and what decided. Never
//! passwords, vectors or filters.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::info;

use crate::authz::Reason;
use crate::model::name::shortened;
use crate::storage::Revision;
use crate::telemetry::{self, Decision};

/// Decisions, each with what an auditor asks for.
#[derive(Debug)]
pub(super) struct Audit {
    /// One in so many allowed decisions is told; none for 0. Refusals are always told.
    allowed_one_in: u64,
    /// What comes before the number of a decision: no two processes share it.
    process: u64,
    decisions: AtomicU64,
}

/// The most names in a line.
pub(super) const TOLD: usize = 8;

/// What was decided about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) method: &'static str,
    pub(super) user: &'a str,
    pub(super) database: &'a str,
    pub(super) objects: &'a [&'a str],
    pub(super) revision: Revision,
}

impl Audit {
    pub(super) fn new(allowed_one_in: u64) -> Self {
        let process = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        Self { allowed_one_in, process, decisions: AtomicU64::new(0) }
    }

    /// A call was allowed. `grant` finds the grant that decided; it may take long.
    pub(super) fn allowed(
        &self,
        subject: &Subject<'_>,
        reason: Reason<'_>,
        grant: impl FnOnce() -> Option<String>,
    ) {
        telemetry::decided(Decision::Allowed, subject.revision);
        let number = self.decisions.fetch_add(1, Ordering::Relaxed);
        if self.allowed_one_in == 0 || !number.is_multiple_of(self.allowed_one_in) {
            return;
        }
        let (role, grant) = match reason {
            Reason::Root => ("root", None),
            Reason::Oneself => ("oneself", None),
            Reason::Admin => ("admin", None),
            Reason::Authenticated => ("any", None),
            Reason::Role(role) => (role, grant()),
        };
        self.tell(number, subject, "allowed", role, grant.as_deref().unwrap_or_default());
    }

    /// A call was refused; `outcome` says whether that was heeded.
    pub(super) fn refused(&self, subject: &Subject<'_>, outcome: Decision) {
        telemetry::decided(outcome, subject.revision);
        let number = self.decisions.fetch_add(1, Ordering::Relaxed);
        self.tell(number, subject, outcome.as_str(), "", "");
    }

    fn tell(&self, number: u64, subject: &Subject<'_>, decision: &str, role: &str, grant: &str) {
        let objects = subject.objects.iter().filter(|name| !name.is_empty());
        let objects: Vec<_> = objects.take(TOLD).map(|name| shortened(name)).collect();
        info!(
            target: "milvus_rbac::audit",
            id = format_args!("{:016x}-{number}", self.process),
            user = shortened(subject.user),
            method = subject.method,
            database = shortened(subject.database),
            object = objects.join(","),
            decision,
            role,
            grant,
            revision = subject.revision,
            "decision"
        );
    }
}
