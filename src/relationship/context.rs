//! Caveat contexts: the named values that a caveat's expression reads.

use serde_json::{Map, Value};
use std::fmt;

/// Named JSON values, sorted by name.
///
/// Numbers are IEEE doubles, as on the wire (`google.protobuf.Struct`), wherever the context comes from, so that the same
/// text means the same in a file, on the command line and over gRPC.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Map<String, Value>);

/// A text that is not a context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The text is not JSON.
    #[error("the context is not valid JSON: {0}")]
    Syntax(String),
    /// The text is JSON, but not an object.
    #[error("the context must be a JSON object such as `{{\"name\": \"value\"}}`")]
    NotAnObject,
}

impl Context {
    /// The context of these values; numbers become doubles.
    pub fn from_map(values: Map<String, Value>) -> Self {
        Self(values.into_iter().map(|(name, value)| (name, with_doubles(value))).collect())
    }

    /// Parses a JSON object.
    pub fn parse(json: &str) -> Result<Self, ContextError> {
        match serde_json::from_str(json) {
            Ok(Value::Object(values)) => Ok(Self::from_map(values)),
            Ok(_) => Err(ContextError::NotAnObject),
            Err(error) => Err(ContextError::Syntax(error.to_string())),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Every name with its value, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether the context has no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values as a JSON object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Compact JSON, names sorted, whole numbers without a fraction.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Map<String, Value> =
            self.0.iter().map(|(name, value)| (name.clone(), with_integers(value))).collect();
        write!(f, "{}", Value::Object(shown))
    }
}

fn with_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(with_doubles).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, with_doubles(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

fn with_integers(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double) if double.fract() == 0.0 && double.abs() < 1e15 => {
                format!("{double:.0}").parse::<i64>().map_or_else(|_| value.clone(), Value::from)
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(with_integers).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), with_integers(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}
