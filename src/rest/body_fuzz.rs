//! Bodies from strangers: bound as a naive reader binds them, whatever the case of keys and however
//! they are written; what is told of bad ones is short.

use serde_json::{Map, Value, json};

use super::body::Body;
use super::data::Object;
use super::envelope::Refusal;
use super::routes::{Kind, ROUTES, Route};

/// A key and a value to be.
type Pair = (u8, u8, u8, String);

fn value_of(kind: u8, text: &str) -> Value {
    match kind % 10 {
        0..4 => json!(text),
        4 => json!([text, "more"]),
        5 => json!({ "key": text }),
        6 => Value::Null,
        7 => json!(5),
        8 => json!([text, 5]),
        _ => json!(true),
    }
}

/// Every other letter in upper case, or none, or all.
fn cased(key: &str, how: u8) -> String {
    let up = |i: usize| how % 3 == 1 || how % 3 == 2 && i.is_multiple_of(2);
    let cased = |(i, c): (usize, char)| if up(i) { c.to_ascii_uppercase() } else { c };
    key.chars().enumerate().map(cased).collect()
}

/// JSON in which keys come in the order given, some twice.
fn text_of(route: &Route, pairs: &[Pair]) -> (String, Vec<(String, Value)>) {
    let mut all = Vec::new();
    for (which, how, kind, text) in pairs {
        let keys: Vec<_> = route.fields.iter().map(|field| field.key).chain(["other"]).collect();
        let key = cased(keys[usize::from(*which) % keys.len()], *how);
        all.push((key, value_of(*kind, text)));
    }
    let written = |(key, value): &(String, Value)| format!("{}:{value}", json!(key));
    let text = all.iter().map(written).collect::<Vec<_>>().join(" ,\n");
    (format!(" {{{text}}} "), all)
}

fn short(refusal: Refusal) {
    let message = refusal.into_message();
    assert!(message.len() <= 2560, "{} bytes", message.len());
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        Kind::Object => value.is_object(),
        Kind::Objects => value.as_array().is_some_and(|all| all.iter().all(Value::is_object)),
        Kind::Any => true,
    }
}

fn check_bound(route: &Route, pairs: &[Pair]) {
    let (text, all) = text_of(route, pairs);
    let bound = Body::bind(route, text.as_bytes());
    // Of a key written twice in the same way the last counts.
    let distinct: Map<String, Value> = all.into_iter().collect();
    let of = |key: &str| {
        let same = move |(other, value): (&String, &Value)| {
            other.eq_ignore_ascii_case(key).then(|| value.clone())
        };
        distinct.iter().filter_map(same).filter(|v| !v.is_null()).collect::<Vec<_>>()
    };
    let good = route.fields.iter().all(|field| {
        let values = of(field.key);
        let given = values.iter().all(|value| fits(field.kind, value));
        given && (!field.required || values.last().is_some_and(|value| *value != json!("")))
    });
    match bound {
        Err(refusal) => {
            assert!(!good, "{text}: {refusal:?}");
            short(refusal);
        }
        Ok(body) => {
            assert!(good, "{text}");
            for field in route.fields {
                let last = of(field.key).pop().unwrap_or_default();
                match field.kind {
                    Kind::Text => {
                        assert_eq!(body.text(field.key), last.as_str().unwrap_or_default())
                    }
                    Kind::Texts => assert_eq!(
                        json!(body.texts(field.key)),
                        if last.is_null() { json!([]) } else { last }
                    ),
                    Kind::Object => assert_eq!(
                        body.pairs(field.key).len(),
                        last.as_object().map_or(0, Map::len)
                    ),
                    // A command's: nothing reads them from here.
                    Kind::Objects | Kind::Any => {}
                }
            }
        }
    }
}

#[test]
fn fuzz_bodies_are_bound_as_they_are_written() {
    bolero::check!().with_type::<(u8, Vec<Pair>)>().for_each(|(which, pairs)| {
        check_bound(&ROUTES[usize::from(*which) % ROUTES.len()], pairs);
    });
}

/// What goes on to a Milvus says there what it says here, even to a reader that takes keys in any
/// case and the last of several.
#[test]
fn fuzz_forwarded_bodies_say_one_thing() {
    bolero::check!().with_type::<(Vec<u8>, u8, Vec<Pair>)>().for_each(|(raw, cut, pairs)| {
        let route = &ROUTES[0];
        let (mut text, _) = text_of(route, pairs);
        if cut % 4 == 0 {
            // One byte of it, somewhere, is another.
            let at = usize::from(*cut) * text.len() / 256;
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(
                    at..=at,
                    raw.first().map_or("", |b| ["\"", "{", "\\", ":"][usize::from(*b) % 4]),
                );
            }
        }
        for body in [raw.as_slice(), text.as_bytes()] {
            let object = match Object::read(body) {
                Ok(object) => object,
                Err(refusal) => {
                    short(refusal);
                    continue;
                }
            };
            let lax: Map<String, Value> = serde_json::from_slice(body).unwrap();
            for key in ["userName", "other", "description", "password"] {
                let mut same =
                    lax.iter().filter(|(other, _)| other.to_lowercase() == key.to_lowercase());
                let (first, second) = (same.next().map(|(_, v)| v), same.next());
                assert_eq!(second, None, "{key} can be read in two ways");
                match object.text(key) {
                    Ok(text) => assert_eq!(first.and_then(Value::as_str).unwrap_or_default(), text),
                    Err(refusal) => {
                        assert!(!first.unwrap().is_string());
                        short(refusal);
                    }
                }
                match object.texts(key) {
                    Ok(texts) => assert_eq!(
                        json!(texts),
                        first.filter(|v| !v.is_null()).cloned().unwrap_or(json!([]))
                    ),
                    Err(refusal) => short(refusal),
                }
                if let Err(refusal) = object.object(key) {
                    short(refusal);
                }
                if let Err(refusal) = object.length(key) {
                    short(refusal);
                }
            }
        }
    });
}

#[test]
fn what_is_told_of_a_giant_is_short() {
    let giant = json!("x".repeat(1 << 20)).to_string();
    short(Body::bind(&ROUTES[0], giant.as_bytes()).unwrap_err());
    short(Object::read(giant.as_bytes()).unwrap_err());
    let within = format!("{{\"names\":{giant}}}");
    let object = Object::read(within.as_bytes()).unwrap();
    short(object.texts("names").unwrap_err());
    short(object.object("names").unwrap_err());
    short(object.length("names").unwrap_err());
}
