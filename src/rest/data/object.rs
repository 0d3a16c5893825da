//! Bodies that go on to a Milvus, read strictly: the decoder behind the gate takes keys in any
//! case and the last of several, so nothing that two decoders may read differently is let through.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::body::{NO_BODY, unreadable};
use super::super::envelope::Refusal;
use crate::model::name::shortened;

/// Far more keys than any route has.
const MAX_KEYS: usize = 256;

/// The most names in one list.
const MAX_NAMES: usize = 65_536;

/// A JSON object whose keys cannot be mistaken for each other; they are kept in lower case.
#[derive(Debug)]
pub(in crate::rest) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads a body: one object and nothing else.
    pub(in crate::rest) fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Err(unreadable(&NO_BODY));
        }
        let text =
            std::str::from_utf8(body).map_err(|e| unreadable(&format_args!("error: {e}")))?;
        serde_json::from_str(text).map_err(|e| unreadable(&format_args!("error: {e}")))
    }

    /// Whether there are no keys.
    pub(in crate::rest) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text; empty if there is none.
    pub(in crate::rest) fn text(&self, key: &str) -> Result<String, Refusal> {
        Ok(self.value::<String>(key, "a string")?.unwrap_or_default())
    }

    /// A list of texts; empty if there is none.
    pub(in crate::rest) fn texts(&self, key: &str) -> Result<Vec<String>, Refusal> {
        let texts = self.value::<Vec<String>>(key, "a list of strings")?.unwrap_or_default();
        if texts.len() > MAX_NAMES {
            return Err(unreadable(&format_args!(
                "error: {key} holds more than {MAX_NAMES} names"
            )));
        }
        Ok(texts)
    }

    /// An object.
    pub(in crate::rest) fn object(&self, key: &str) -> Result<Option<Object<'a>>, Refusal> {
        self.value(key, "an object with clear keys")
    }

    /// How many elements a list has; none if it is not there.
    pub(in crate::rest) fn length(&self, key: &str) -> Result<usize, Refusal> {
        Ok(self.value::<Vec<&RawValue>>(key, "a list")?.unwrap_or_default().len())
    }

    fn value<T: Deserialize<'a>>(&self, key: &str, kind: &str) -> Result<Option<T>, Refusal> {
        let Some(raw) = self.0.get(&key.to_ascii_lowercase()) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map_err(|e| unreadable(&format_args!("error: {key} is not {kind}: {e}")))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = BTreeMap::new();
        while let Some(mut key) = map.next_key::<String>()? {
            if !key.is_ascii() {
                // Some letters beyond ASCII count as ASCII ones where case does not matter.
                return Err(A::Error::custom("a key is not ASCII"));
            }
            key.make_ascii_lowercase();
            if keys.len() == MAX_KEYS {
                return Err(A::Error::custom("there are too many keys"));
            }
            let value = map.next_value::<&RawValue>()?;
            if keys.contains_key(&key) {
                let key = shortened(&key);
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            keys.insert(key, value);
        }
        Ok(Object(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_decoders_may_read_differently_is_refused() {
        for body in [
            &br#""#[..],
            b"null",
            b"[]",
            b"5",
            b"{",
            br#"{"a":1,}"#,
            br#"{"a":1}{}"#,
            br#"{"a":1} x"#,
            br#"{"a":1,"a":1}"#,
            br#"{"dbName":"a","DBNAME":"b"}"#,
            br#"{"dbName":"a","\u0064bName":"b"}"#,
            "{\"\u{212a}ey\":1}".as_bytes(),
            "{\"\u{17f}earch\":1}".as_bytes(),
            br#"{"\u017fearch":1}"#,
            b"{\"a\":\"\xff\"}",
            b"{\"a\xff\":1}",
            b"\xef\xbb\xbf{}",
            br#"{"\ud800":1}"#,
            br#"{"a":{"b":1}"#,
        ] {
            assert!(Object::read(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
        let many: String = (0..=MAX_KEYS).map(|n| format!("\"k{n}\":0,")).collect();
        assert!(Object::read(format!("{{{}}}", many.trim_end_matches(',')).as_bytes()).is_err());
    }

    #[test]
    fn values_are_found_in_any_case_and_must_be_of_their_kind() {
        let body = br#" {"DBname":"d","none":null,"list":["a","b"],"n":5,"o":{"x":[1,{}]}} "#;
        let object = Object::read(body).unwrap();
        assert_eq!(object.text("dbName").unwrap(), "d");
        assert_eq!(object.text("none").unwrap(), "");
        assert_eq!(object.text("absent").unwrap(), "");
        assert!(object.text("n").is_err() && object.text("list").is_err());
        assert_eq!(object.texts("LIST").unwrap(), ["a", "b"]);
        assert!(object.texts("dbName").is_err() && object.length("o").is_err());
        let inner = object.object("o").unwrap().unwrap();
        assert_eq!(inner.length("X").unwrap(), 2);
        assert!(object.object("none").unwrap().is_none());
        let twice = Object::read(br#"{"o":{"x":1,"X":2}}"#).unwrap();
        assert!(twice.object("o").is_err());
    }
}
