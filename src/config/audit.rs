//! How much of the audit trail is kept.

use std::time::Duration;

use clap::Args;

use crate::storage::trail::Keep;

const DAY: u64 = 24 * 60 * 60;

/// The flags of the audit trail.
#[derive(Debug, Args)]
pub(super) struct AuditFlags {
    /// How many days the audit trail goes back; 0 for no limit. What is older goes with later changes.
    #[arg(long, env = "MILVUS_RBAC_AUDIT_MAX_AGE", default_value_t = 400, value_name = "DAYS",
          value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    audit_max_age: u64,
    /// How many bytes of the audit trail are kept; 0 for no limit. The oldest go.
    #[arg(long, env = "MILVUS_RBAC_AUDIT_MAX_BYTES", default_value_t = Keep::default().max_bytes,
          value_name = "N")]
    audit_max_bytes: u64,
}

impl From<AuditFlags> for Keep {
    fn from(flags: AuditFlags) -> Self {
        let AuditFlags { audit_max_age: days, audit_max_bytes: max_bytes } = flags;
        let max_age = (days > 0).then(|| Duration::from_secs(days * DAY));
        Self { max_age, max_bytes }
    }
}
