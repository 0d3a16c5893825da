//! Bodies: JSON, bound to the fields of a route as Milvus binds it, errors included.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::envelope::Refusal;
use super::routes::{Field, Kind, Route};

const BAD_JSON: i32 = 1801;
const MISSING: i32 = 1802;
pub(super) const NO_BODY: &str = "the request body should be nil, however {} is valid";
/// What is told of a body that cannot be read: a decoder's error repeats what it found.
const MAX_TOLD: usize = 512;

/// The body cannot be read.
pub(super) fn unreadable(why: &dyn fmt::Display) -> Refusal {
    let mut message = format!("can only accept json format request, {why}");
    if let Some((end, _)) = message.char_indices().nth(MAX_TOLD) {
        message.truncate(end);
        message.push('…');
    }
    Refusal::failed(BAD_JSON, message)
}

/// The values of a route's fields.
#[derive(Debug, Default)]
pub(super) struct Body(BTreeMap<&'static str, Value>);

impl Body {
    /// Binds `bytes` to the fields of `route`.
    pub(super) fn bind(route: &Route, bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(unreadable(&NO_BODY));
        }
        let json: Option<Map<String, Value>> =
            serde_json::from_slice(bytes).map_err(|e| unreadable(&format_args!("error: {e}")))?;
        let mut body = Self::default();
        for (key, value) in json.unwrap_or_default() {
            // Go takes keys in any case.
            let field = route.fields.iter().find(|field| field.key.eq_ignore_ascii_case(&key));
            if let Some(field) = field
                && !value.is_null()
            {
                check_kind(route, field, &value)?;
                body.0.insert(field.key, value);
            }
        }
        let absent = |field: &&Field| field.required && body.text(field.key).is_empty();
        let missing: Vec<_> =
            route.fields.iter().filter(absent).map(|field| missing(route, field)).collect();
        if missing.is_empty() {
            return Ok(body);
        }
        let missing = missing.join("\n");
        Err(Refusal::failed(MISSING, format!("missing required parameters, error: {missing}")))
    }

    /// A text; empty if absent.
    pub(super) fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text, if present.
    pub(super) fn optional(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(Value::as_str).map(str::to_owned)
    }

    /// A list of texts; empty if absent.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let values = self.0.get(key).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// An object's values as texts.
    pub(super) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let values = self.0.get(key).and_then(Value::as_object).into_iter().flatten();
        values.map(|(key, value)| (key.clone(), as_text(value))).collect()
    }
}

/// What Go makes of a value that is printed.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), go_float),
        other => other.to_string(),
    }
}

/// Go prints a float with an exponent from 1e+06 on, and below 0.0001.
fn go_float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    number.to_string()
}

/// `userName` is `UserName` in Go.
fn go_name(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn missing(route: &Route, field: &Field) -> String {
    let name = go_name(field.key);
    format!(
        "Key: '{}.{name}' Error:Field validation for '{name}' failed on the 'required' tag",
        route.body
    )
}

fn check_kind(route: &Route, field: &Field, value: &Value) -> Result<(), Refusal> {
    let is_text = Value::is_string;
    let (matches, wanted) = match field.kind {
        Kind::Text => (is_text(value), "string"),
        Kind::Texts => (value.as_array().is_some_and(|v| v.iter().all(is_text)), "[]string"),
        Kind::Object => (value.is_object(), "map[string]interface {}"),
        Kind::Objects => {
            let objects = value.as_array().is_some_and(|v| v.iter().all(Value::is_object));
            (objects, "[]map[string]interface {}")
        }
        Kind::Any => (true, "interface {}"),
    };
    if matches {
        return Ok(());
    }
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Err(unreadable(&format_args!(
        "error: json: cannot unmarshal {found} into Go struct field {}.{} of type {wanted}",
        route.body, field.key
    )))
}
