//! The one error of the domain.

use std::fmt;

/// What went wrong, as far as a caller can react to it. The wire codes of the kinds are in
/// `rpc::status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request breaks a rule.
    InvalidParameter,
    /// A configured number of users, roles or databases is reached.
    QuotaExceeded,
    /// The database does not exist.
    DatabaseNotFound,
    /// As many databases exist as may.
    DatabaseLimit,
    /// The database name breaks a rule.
    InvalidDatabaseName,
    /// The privilege group's name breaks a rule.
    InvalidPrivilegeGroupName,
    /// The old password is wrong.
    NotAuthenticated,
    /// Nobody may do this.
    NotPermitted,
    /// A rule whose breach Milvus reports without a code of its own.
    Unclassified,
    /// This server cannot do it, by design.
    NotSupported,
    /// The change was not stored; trying again may help.
    Unavailable,
    /// The state is no longer the one that the request is for; nothing was changed.
    Outdated,
    /// The change is more than the store takes at once; nothing of it was stored.
    TooLarge,
    /// More changes are waiting than the server takes.
    Overloaded,
}

impl ErrorKind {
    /// The text that ends a reason of this kind.
    const fn base(self) -> &'static str {
        match self {
            Self::InvalidParameter => "invalid parameter",
            Self::QuotaExceeded => "quota exceeded",
            Self::DatabaseNotFound => "database not found",
            Self::DatabaseLimit => "exceeded the limit number of database",
            Self::InvalidDatabaseName => "invalid database name",
            Self::InvalidPrivilegeGroupName => "invalid privilege group name",
            Self::NotAuthenticated => "not authenticated",
            Self::NotPermitted => "privilege not permitted",
            Self::Unclassified => "",
            Self::NotSupported => "not supported",
            Self::Outdated => "inconsistent requery result",
            Self::Unavailable | Self::TooLarge => "service unavailable",
            Self::Overloaded => "too many changes are waiting, try again later",
        }
    }
}

/// A refused request: its kind and the whole text that the caller reads. A refused request has
/// changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

impl Error {
    /// `<message>: <base text of the kind>`.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, text: format!("{message}: {}", kind.base()) }
    }

    /// `<message>: <base text of the kind><fields>`, the fields in square brackets already.
    pub fn with_fields(
        kind: ErrorKind,
        message: impl fmt::Display,
        fields: impl fmt::Display,
    ) -> Self {
        Self { kind, text: format!("{message}: {}{fields}", kind.base()) }
    }

    /// `<base text of the kind><fields>`.
    pub fn bare(kind: ErrorKind, fields: impl fmt::Display) -> Self {
        Self { kind, text: format!("{}{fields}", kind.base()) }
    }

    /// The text alone, without the base text of the kind.
    pub fn verbatim(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Shorthand for a breach of a rule about the request.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidParameter, message)
    }

    /// The same error, told from one step further out.
    #[must_use]
    pub fn context(self, prefix: &str) -> Self {
        Self { kind: self.kind, text: format!("{prefix}: {}", self.text) }
    }

    /// What the caller can react to.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
