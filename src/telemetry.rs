//! Logs, metrics and traces. No user, role, collection or password ever becomes a label or a field
//! that a client chooses the number of.

mod call;
mod logs;
mod metrics;
mod traces;

pub use self::call::{
    Call, Ended, REQUEST_IDS, Span, cleaned, decided, identified, in_call, pass_on, span,
};
pub use self::logs::{LogFormat, set_log_level, start_logs};
pub use self::metrics::{
    Counted, Decision, Numbers, Protocol, STORE_STATES, Shed, answered_upstream, called, committed,
    follower, keep_metrics, login_known, policy, published, shed, start_metrics, store_refused,
};
pub use self::traces::{Collector, Traces};

/// An error with its causes, as logs tell it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
