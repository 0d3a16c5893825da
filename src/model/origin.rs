//! Where a change comes from, for whoever wants to know it later.

/// Who asked for a change, from where, and why. What is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The user, or a word for a part of this program that changes something by itself.
    pub user: String,
    /// The address of the connection, with `by certificate` where that alone told who called.
    pub peer: String,
    /// The caller's own id of the request.
    pub request_id: String,
    /// What the caller says of it.
    pub comment: String,
}

impl Origin {
    /// A part of this program that changes something by itself. No user has a name in parentheses.
    pub fn own(part: &str) -> Self {
        Self { user: format!("({part})"), ..Self::default() }
    }
}
