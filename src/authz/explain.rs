//! A decision with all that a person asks next: what decided, or what is missing, what comes near,
//! and what would help.

use super::Decision;
use super::nearby::{Nearby, nearby};
use super::need::{Need, Subject, View};
use super::path::Path;
use super::suggest::{Suggestion, suggestions};

/// A decision, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The roles that were looked at, in order.
    pub roles: Vec<&'a str>,
    /// What decided; none if it is denied.
    pub path: Option<Path<'a>>,
    /// If it is denied: what is held, or could be, that comes near. The nearest first, not many.
    pub nearby: Vec<Nearby<'a>>,
    /// If it is denied: grants that would allow it.
    pub suggestions: Vec<Suggestion<'a>>,
}

/// Explains the decision on a call of the subject that needs this. Roles that the subject does not
/// hold are told of only to those who may know of `others`.
///
/// INVARIANT: it says what the policy decides. Defended by `tests/it/decisions.rs` and
/// `tests/it/property.rs`.
pub fn explain<'a>(
    view: &View<'a>,
    subject: Subject<'a>,
    need: &Need<'a>,
    others: bool,
) -> Explanation<'a> {
    let roles = view.roles(subject);
    match view.decide(subject, need) {
        Decision::Allowed(reason) => Explanation {
            roles,
            path: Some(Path::of(view, reason, need)),
            nearby: Vec::new(),
            suggestions: Vec::new(),
        },
        Decision::Denied => Explanation {
            path: None,
            nearby: nearby(view, &roles, need, others),
            suggestions: suggestions(view, subject, need),
            roles,
        },
    }
}
