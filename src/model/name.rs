//! What names, passwords and descriptions may look like. Letters are ASCII, lengths are bytes.
//!
//! Surrounding white space is ignored when a name is checked, except for its length, which counts
//! the name as it would be stored.

use super::error::{Error, ErrorKind};
use super::privilege::ANY;

/// Longest role, object, collection, database, privilege and group name.
pub const MAX_NAME: usize = 255;
/// Longest user name.
pub const MAX_USER_NAME: usize = 32;
/// Shortest password.
pub const MIN_PASSWORD: usize = 6;
/// Longest password: what bcrypt takes.
pub const MAX_PASSWORD: usize = 72;
/// Longest description of a user or a role.
pub const MAX_DESCRIPTION: usize = 1024;

/// Most bytes of a database's properties, and of the names in a group: stores keep each as one
/// small value.
pub const MAX_RECORD: usize = 4 << 10;

/// What a general name stands for; errors tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A role.
    Role,
    /// The object of a v1 grant.
    Object,
    /// The collection of a v2 grant.
    Collection,
    /// The object type of a v1 grant.
    ObjectType,
    /// A privilege or a privilege group.
    Privilege,
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::Role => "role name",
            Self::Object => "object name",
            Self::Collection => "collection name",
            Self::ObjectType => "ObjectType",
            Self::Privilege => "Privilege",
        }
    }

    const fn takes_any(self) -> bool {
        matches!(self, Self::Object | Self::Collection | Self::Privilege)
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// The character of `text` that contains byte `at`, for messages.
fn char_at(text: &str, at: usize) -> char {
    text.char_indices().take_while(|(i, _)| *i <= at).last().map_or('\u{fffd}', |(_, c)| c)
}

/// Checks a role, object, collection, object type or privilege name.
///
/// # Errors
/// Empty, too long, or a character that names may not hold.
pub fn check(kind: Kind, name: &str) -> Result<(), Error> {
    if kind.takes_any() && name == ANY {
        return Ok(());
    }
    let what = kind.text();
    let trimmed = name.trim();
    let Some(&first) = trimmed.as_bytes().first() else {
        return Err(Error::with_fields(
            ErrorKind::InvalidParameter,
            format_args!("{what} should be not empty"),
            "[expected=not empty][actual=]",
        ));
    };
    if name.len() > MAX_NAME {
        return Err(too_long(what, name.len(), MAX_NAME));
    }
    if !starts_word(first) {
        return Err(Error::with_fields(
            ErrorKind::InvalidParameter,
            format_args!("the first character of {what} must be an underscore or letter"),
            format_args!("[expected=95][actual={first}]"),
        ));
    }
    match trimmed.bytes().position(|b| !is_word(b) && b != b'$') {
        None => Ok(()),
        Some(at) => Err(Error::invalid(format_args!(
            "{what} can only contain numbers, letters, underscores, and allowed characters ($), found {} at {at}",
            char_at(trimmed, at),
        ))),
    }
}

fn too_long(what: &str, length: usize, limit: usize) -> Error {
    Error::with_fields(
        ErrorKind::InvalidParameter,
        format_args!("the length of {what} must be not greater than limit"),
        format_args!("[{length} out of range 0 <= value <= {limit}]"),
    )
}

/// Checks a user name.
///
/// # Errors
/// Empty, too long, or a character that user names may not hold.
pub fn check_user(name: &str) -> Result<(), Error> {
    let trimmed = name.trim();
    let Some(&first) = trimmed.as_bytes().first() else {
        return Err(Error::invalid("username must be not empty"));
    };
    let length = trimmed.len();
    if length > MAX_USER_NAME {
        return Err(Error::invalid(format_args!(
            "invalid username {} with length {length}, the length of username must be less than or equal to {MAX_USER_NAME}",
            shortened(trimmed),
        )));
    }
    if !first.is_ascii_alphabetic() {
        return Err(Error::invalid(format_args!(
            "invalid user name {trimmed}, the first character must be a letter, but got {}",
            char_at(trimmed, 0),
        )));
    }
    match trimmed.bytes().position(|b| !is_word(b) && b != b'-' && b != b'.') {
        None => Ok(()),
        Some(at) => Err(Error::invalid(format_args!(
            "invalid user name {trimmed}, username must contain only numbers, letters, underscores, dots, and hyphens, but got {}",
            char_at(trimmed, at),
        ))),
    }
}

/// The start of a name that is too long to repeat in an error.
pub fn shortened(name: &str) -> String {
    const SHOWN: usize = 64;
    if name.chars().count() <= SHOWN {
        return name.to_owned();
    }
    name.chars().take(SHOWN).chain(['…']).collect()
}

/// Checks a raw password's length.
///
/// # Errors
/// Shorter or longer than allowed.
pub fn check_password(password: &[u8]) -> Result<(), Error> {
    let length = password.len();
    if (MIN_PASSWORD..=MAX_PASSWORD).contains(&length) {
        return Ok(());
    }
    Err(Error::with_fields(
        ErrorKind::InvalidParameter,
        "invalid password length",
        format_args!("[{length} out of range {MIN_PASSWORD} <= value <= {MAX_PASSWORD}]"),
    ))
}

/// Checks a user's description.
///
/// # Errors
/// Longer than allowed.
pub fn check_user_description(description: &str) -> Result<(), Error> {
    let length = description.len();
    if length <= MAX_DESCRIPTION {
        return Ok(());
    }
    Err(Error::invalid(format_args!(
        "invalid user description with length {length}, the length of user description must be less than or equal to {MAX_DESCRIPTION}"
    )))
}

/// Checks a role's description.
///
/// # Errors
/// Longer than allowed.
pub fn check_role_description(description: &str) -> Result<(), Error> {
    if description.len() <= MAX_DESCRIPTION {
        return Ok(());
    }
    Err(too_long("role description", description.len(), MAX_DESCRIPTION))
}

/// Checks the name of a privilege group, which is not trimmed.
///
/// # Errors
/// Empty, too long, or a character that group names may not hold.
pub fn check_group(name: &str) -> Result<(), Error> {
    let kind = ErrorKind::InvalidPrivilegeGroupName;
    let Some(&first) = name.as_bytes().first() else {
        return Err(Error::bare(kind, "[privilegeGroup=privilege group name should not be empty]"));
    };
    if name.len() > MAX_NAME {
        return Err(Error::with_fields(
            kind,
            format_args!("{}->{MAX_NAME}", shortened(name)),
            format_args!(
                "[privilegeGroup=the length of a privilege group name must be less than {MAX_NAME} characters]"
            ),
        ));
    }
    if !starts_word(first) {
        return Err(Error::with_fields(
            kind,
            name,
            "[privilegeGroup=the first character of a privilege group name must be an underscore or letter]",
        ));
    }
    if name.bytes().all(is_word) {
        return Ok(());
    }
    Err(Error::invalid(format_args!(
        "privilege group name {name} can only contain numbers, letters and underscores"
    )))
}

/// Checks the name of a database.
///
/// # Errors
/// Empty, too long, or a character that database names may not hold.
pub fn check_database(name: &str) -> Result<(), Error> {
    let refuse = |message: &str| {
        Err(Error::with_fields(
            ErrorKind::InvalidDatabaseName,
            message,
            format_args!("[database={}]", shortened(name)),
        ))
    };
    let Some(&first) = name.as_bytes().first() else {
        return refuse("database name should not be empty");
    };
    if name.len() > MAX_NAME {
        return refuse("the length of a database name must be less than 255 characters");
    }
    if !starts_word(first) {
        return refuse("the first character of a database name must be an underscore or letter");
    }
    if !name.bytes().all(is_word) {
        return refuse("database name can only contain numbers, letters and underscores");
    }
    Ok(())
}

/// Checks the database of a grant: a name, or `*` for every database.
///
/// # Errors
/// See [`check_database`].
pub fn check_grant_database(name: &str) -> Result<(), Error> {
    if name == ANY { Ok(()) } else { check_database(name) }
}
