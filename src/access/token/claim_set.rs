//! The claims of a token, and whether one of them is there twice.
//!
//! Which of two values counts differs from parser to parser: a token that its issuer, a proxy and this server read in different ways
//! could say that its bearer is someone else. RFC 7519, section 4, lets a parser refuse it.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The claims of a token.
#[derive(Debug)]
pub(super) struct ClaimSet {
    pub(super) claims: Map<String, Value>,
    /// Whether a name is there twice in one object, at whatever depth: roles may be named by a path.
    pub(super) has_repeated: bool,
}

/// A value within the claims.
struct ClaimValue {
    value: Value,
    has_repeated: bool,
}

struct ClaimSetVisitor;
struct ClaimValueVisitor;

impl<'de> Deserialize<'de> for ClaimSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimSetVisitor)
    }
}

impl<'de> Deserialize<'de> for ClaimValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClaimValueVisitor)
    }
}

impl<'de> Visitor<'de> for ClaimSetVisitor {
    type Value = ClaimSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ClaimSet, A::Error> {
        let mut set = ClaimSet { claims: Map::new(), has_repeated: false };
        while let Some((name, entry)) = entries.next_entry::<String, ClaimValue>()? {
            let former = set.claims.insert(name, entry.value);
            set.has_repeated |= former.is_some() || entry.has_repeated;
        }
        Ok(set)
    }
}

impl ClaimValue {
    fn plain(value: impl Into<Value>) -> Self {
        Self { value: value.into(), has_repeated: false }
    }
}

impl<'de> Visitor<'de> for ClaimValueVisitor {
    type Value = ClaimValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<ClaimValue, E> {
        Ok(ClaimValue::plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<ClaimValue, E> {
        Ok(ClaimValue::plain(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<ClaimValue, E> {
        Ok(ClaimValue::plain(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<ClaimValue, E> {
        Ok(ClaimValue::plain(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<ClaimValue, E> {
        Ok(ClaimValue::plain(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<ClaimValue, E> {
        Ok(ClaimValue::plain(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ClaimValue, A::Error> {
        let (mut values, mut has_repeated) = (Vec::new(), false);
        while let Some(item) = items.next_element::<ClaimValue>()? {
            has_repeated |= item.has_repeated;
            values.push(item.value);
        }
        Ok(ClaimValue { value: Value::Array(values), has_repeated })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<ClaimValue, A::Error> {
        let ClaimSet { claims, has_repeated } = ClaimSetVisitor.visit_map(entries)?;
        Ok(ClaimValue { value: Value::Object(claims), has_repeated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_is_and_a_repeated_name_is_noticed_at_every_depth() {
        let whole =
            r#"{"a": [1, -2, 2.5, true, null, "text"], "b": {"a": {}}, "c": [{"a": 1}, {"a": 1}]}"#;
        let set: ClaimSet = serde_json::from_str(whole).unwrap();
        let plain: Map<String, Value> = serde_json::from_str(whole).unwrap();
        assert_eq!((set.claims, set.has_repeated), (plain, false));
        for repeated in [
            r#"{"a": 1, "b": 2, "a": 1}"#,
            r#"{"a": 1, "\u0061": 1}"#,
            r#"{"b": {"a": 1, "a": 2}}"#,
            r#"{"b": [[{"a": 1, "a": 2}]]}"#,
        ] {
            let set: ClaimSet = serde_json::from_str(repeated).unwrap();
            assert!(set.has_repeated, "{repeated}");
        }
    }
}
