//! What names may look like.

use super::{Refused, Verdict, invalid, refused};

fn letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The start of a text that is too long to repeat.
pub(crate) fn short(name: &str) -> String {
    match name.char_indices().nth(64) {
        Some((end, _)) => name.split_at(end).0.to_owned() + "…",
        None => name.to_owned(),
    }
}

fn range(what: &str, length: usize, limit: usize) -> Refused {
    let message = format!("the length of {what} must be not greater than limit");
    let range = format!("[{length} out of range 0 <= value <= {limit}]");
    refused(1100, format!("{message}: invalid parameter{range}"))
}

/// A role, object, collection, object type or privilege name; `what` is Milvus' word for it.
pub(crate) fn general(what: &str, name: &str) -> Verdict {
    if name == "*" && !matches!(what, "role name" | "ObjectType") {
        return Ok(());
    }
    let trimmed = name.trim();
    let Some(first) = trimmed.chars().next() else {
        let message = format!("{what} should be not empty");
        return Err(refused(
            1100,
            format!("{message}: invalid parameter[expected=not empty][actual=]"),
        ));
    };
    if trimmed.len() > 255 {
        return Err(range(what, trimmed.len(), 255));
    }
    if !letter(first) && first != '_' {
        let message = format!("the first character of {what} must be an underscore or letter");
        let fields = format!("[expected=95][actual={}]", trimmed.as_bytes().first().unwrap());
        return Err(refused(1100, format!("{message}: invalid parameter{fields}")));
    }
    match trimmed.char_indices().find(|(_, c)| !word(*c) && *c != '$') {
        None => Ok(()),
        Some((at, c)) => Err(invalid(format!(
            "{what} can only contain numbers, letters, underscores, and allowed characters ($), \
             found {c} at {at}"
        ))),
    }
}

/// A user name.
pub(crate) fn user(name: &str) -> Verdict {
    let name = name.trim();
    let Some(first) = name.chars().next() else {
        return Err(invalid("username must be not empty"));
    };
    if name.len() > 32 {
        return Err(invalid(format!(
            "invalid username {} with length {}, the length of username must be less than or equal \
             to 32",
            short(name),
            name.len(),
        )));
    }
    if !letter(first) {
        return Err(invalid(format!(
            "invalid user name {name}, the first character must be a letter, but got {first}"
        )));
    }
    match name.chars().find(|c| !word(*c) && *c != '-' && *c != '.') {
        None => Ok(()),
        Some(c) => Err(invalid(format!(
            "invalid user name {name}, username must contain only numbers, letters, underscores, \
             dots, and hyphens, but got {c}"
        ))),
    }
}

/// A privilege group's name, which is not trimmed.
pub(crate) fn group(name: &str) -> Verdict {
    let bad = |prefix: &str, why: &str| {
        Err(refused(1402, format!("{prefix}invalid privilege group name[privilegeGroup={why}]")))
    };
    let Some(first) = name.chars().next() else {
        return bad("", "privilege group name should not be empty");
    };
    if name.len() > 255 {
        return bad(
            &format!("{}->255: ", short(name)),
            "the length of a privilege group name must be less than 255 characters",
        );
    }
    if !letter(first) && first != '_' {
        return bad(
            &format!("{name}: "),
            "the first character of a privilege group name must be an underscore or letter",
        );
    }
    if name.chars().all(word) {
        return Ok(());
    }
    Err(invalid(format!(
        "privilege group name {name} can only contain numbers, letters and underscores"
    )))
}

/// A database name.
pub(crate) fn database(name: &str) -> Verdict {
    let bad = |why: &str| {
        Err(refused(802, format!("{why}: invalid database name[database={}]", short(name))))
    };
    let Some(first) = name.chars().next() else {
        return bad("database name should not be empty");
    };
    if name.len() > 255 {
        return bad("the length of a database name must be less than 255 characters");
    }
    if !letter(first) && first != '_' {
        return bad("the first character of a database name must be an underscore or letter");
    }
    if !name.chars().all(word) {
        return bad("database name can only contain numbers, letters and underscores");
    }
    Ok(())
}

/// The database of a grant: `*` is every one, the empty name the default one.
pub(crate) fn grant_database(name: &str) -> Verdict {
    if matches!(name, "" | "*") { Ok(()) } else { database(name) }
}

/// A user's description.
pub(crate) fn user_description(text: &str) -> Verdict {
    if text.len() <= 1024 {
        return Ok(());
    }
    Err(invalid(format!(
        "invalid user description with length {}, the length of user description must be less than \
         or equal to 1024",
        text.len(),
    )))
}

/// A role's description.
pub(crate) fn role_description(text: &str) -> Verdict {
    if text.len() <= 1024 { Ok(()) } else { Err(range("role description", text.len(), 1024)) }
}
