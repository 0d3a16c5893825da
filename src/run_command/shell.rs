//! What is typed into MongoDB's shell: documents in JavaScript's relaxed notation, bare or within
//! `db.runCommand( … )`, and `use DATABASE` between them.

use serde_json::Value;

/// Documents within documents; no command needs more than a few.
const MAX_DEPTH: usize = 32;

/// The documents of all commands in `text`, in order.
///
/// # Errors
/// Something is neither a document nor one of the forms around it.
pub fn statements(text: &str) -> Result<Vec<Value>, String> {
    let mut documents = Vec::new();
    let mut rest = skip(text);
    while !rest.is_empty() {
        if let Some(named) = rest.strip_prefix("use ") {
            // Roles belong to no database here; resources name theirs.
            let name = named.trim_start_matches(' ');
            let after = name.trim_start_matches(|c: char| !c.is_whitespace() && c != ';');
            rest = skip(after);
            rest = skip(rest.strip_prefix(';').unwrap_or(rest));
            continue;
        }
        let call =
            rest.strip_prefix("db.runCommand").or_else(|| rest.strip_prefix("db.adminCommand"));
        let inside = match call {
            Some(call) => {
                let opened = skip(call).strip_prefix('(');
                skip(opened.ok_or_else(|| unexpected(call))?)
            }
            None => rest,
        };
        let end = document_end(inside)?;
        let (document, after) = inside.split_at_checked(end).ok_or_else(|| unexpected(inside))?;
        documents.push(json5::from_str(document).map_err(|e| e.to_string())?);
        rest = skip(after);
        if call.is_some() {
            rest = skip(rest.strip_prefix(')').ok_or_else(|| unexpected(rest))?);
        }
        rest = skip(rest.strip_prefix(';').unwrap_or(rest));
    }
    if documents.is_empty() { Err("there is no command".to_owned()) } else { Ok(documents) }
}

/// Where the document ends with which `text` begins.
fn document_end(text: &str) -> Result<usize, String> {
    if !text.starts_with('{') {
        return Err(unexpected(text));
    }
    let mut depth = 0_usize;
    let mut quote = None;
    let mut at = 0;
    while let Some(tail) = text.get(at..) {
        let Some(character) = tail.chars().next() else { break };
        let mut length = character.len_utf8();
        match (quote, character) {
            (Some(_), '\\') => {
                length += tail.chars().nth(1).map_or(0, char::len_utf8);
            }
            (Some(open), _) => {
                if character == open {
                    quote = None;
                }
            }
            (None, '"' | '\'') => quote = Some(character),
            (None, '/') if comment(tail).is_some() => length = comment(tail).unwrap_or(1),
            (None, '{' | '[' | '(') if depth == MAX_DEPTH => {
                return Err(format!("the command's document is deeper than {MAX_DEPTH} levels"));
            }
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}' | ']' | ')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(at + length);
                }
            }
            (None, _) => {}
        }
        at += length;
    }
    Err("the command's document is not closed".to_owned())
}

/// The text without what means nothing before it.
fn skip(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(length) = comment(rest) {
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    rest
}

/// The length of the comment with which `text` begins.
fn comment(text: &str) -> Option<usize> {
    if let Some(line) = text.strip_prefix("//") {
        return Some(line.find('\n').map_or(text.len(), |end| end + 2));
    }
    let block = text.strip_prefix("/*")?;
    Some(block.find("*/").map_or(text.len(), |end| end + 4))
}

fn unexpected(text: &str) -> String {
    let begin: String = text.chars().take(20).collect();
    format!("`{begin}` is neither a document nor db.runCommand( a document )")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shells_notation_is_taken() {
        let text = r#"
            // first
            use products
            db.runCommand( /* why */
              {
                rolesInfo: 'a}"\'', // not the end }
                showPrivileges: true,
              }
            );
            { "rolesInfo": ["b"] } use other; db.adminCommand({rolesInfo:1})
        "#;
        let expected = vec![
            json!({"rolesInfo": "a}\"'", "showPrivileges": true}),
            json!({"rolesInfo": ["b"]}),
            json!({"rolesInfo": 1}),
        ];
        assert_eq!(statements(text), Ok(expected));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for text in [
            "",
            "  // nothing",
            "use products",
            "{",
            "{a: [}",
            "{a: '}",
            "db.runCommand {}",
            "db.runCommand({a: 1}",
            "db.dropRole('x')",
            "[1]",
            "{a: 1} x",
            "{a: }",
            "{a: 1}}",
            "use a b",
            &"{a:".repeat(100_000),
        ] {
            assert!(statements(text).is_err(), "{text}");
        }
    }
}
