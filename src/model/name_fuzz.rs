//! Names from strangers: what is let through is what the specification's grammar says, and what is
//! told of the others is short.

use super::error::Error;
use super::name::{self, Kind};

/// Characters that names are about, and others that look like them.
const CHARS: [char; 32] = [
    'a', 'z', 'A', 'Z', '0', '9', '_', '$', '*', '-', '.', ' ', '\t', '\n', '\r', '\0', '/', '\\',
    ':', '@', '[', '`', '{', '\u{7f}', '\u{85}', '\u{a0}', '\u{3000}', '\u{200b}', 'é', '\u{ff41}',
    '\u{131}', '😀',
];

/// One letter or underscore, then whatever `more` takes, and nothing around it.
fn word(name: &str, more: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '_'))
        && chars.all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_') || more.contains(c))
}

fn agree(checked: Result<(), Error>, right: bool, name: &str) {
    assert_eq!(checked.is_ok(), right, "{name:?}: {checked:?}");
    if let Err(error) = checked {
        assert!(error.to_string().len() < 1024, "{error}");
        assert!(error.text().len() < 1024, "{error}");
    }
}

fn check(name: &str) {
    let (inner, short) = (name.trim(), name.len() <= 255);
    for kind in [Kind::Role, Kind::Object, Kind::Collection, Kind::ObjectType, Kind::Privilege] {
        let any = matches!(kind, Kind::Object | Kind::Collection | Kind::Privilege) && name == "*";
        agree(name::check(kind, name), any || short && word(inner, "$"), name);
    }
    let user = inner.len() <= 32 && word(inner, "-.") && !inner.starts_with('_');
    agree(name::check_user(name), user, name);
    agree(name::check_group(name), short && word(name, ""), name);
    agree(name::check_database(name), short && word(name, ""), name);
    agree(name::check_grant_database(name), name == "*" || short && word(name, ""), name);
    agree(name::check_password(name.as_bytes()), (6..=72).contains(&name.len()), name);
    agree(name::check_user_description(name), name.len() <= 1024, name);
    agree(name::check_role_description(name), name.len() <= 1024, name);
    let shown = name::shortened(name);
    assert!(
        shown == name
            || shown.chars().count() == 65 && name.starts_with(shown.trim_end_matches('…'))
    );
}

#[test]
fn fuzz_names_are_those_of_the_grammar() {
    bolero::check!().for_each(|bytes: &[u8]| {
        check(&String::from_utf8_lossy(bytes));
        let letters = |from: usize| bytes.iter().map(move |b| CHARS[usize::from(*b) % from]);
        // Of those that names may hold, of those that some may, of all.
        for from in [7, 12, CHARS.len()] {
            let name: String = letters(from).collect();
            check(&name);
            for length in [1, 31, 32, 33, 254, 255, 256] {
                check(&name.chars().take(length).collect::<String>());
            }
        }
    });
}
