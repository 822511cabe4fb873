//! The values of expressions, and why there may be none.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// A CEL value. Cloning one copies no content.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    /// Nanoseconds since the start of 1970, within the years 1 to 9999.
    Timestamp(i128),
    /// Never an IPv4 address in IPv6's clothes.
    Address(IpAddr),
    List(Arc<[Value]>),
    Map(Arc<Map>),
    Optional(Option<Arc<Value>>),
    /// A type, by its name in CEL.
    Type(&'static str),
}

/// Values by key: bools, numbers that are whole, and texts. Entries are in the order of their keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map(Vec<(Value, Value)>);

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It reads parameters that have no value; their positions.
    Missing(BTreeSet<usize>),
    /// It failed.
    Failed(String),
    /// It took more steps than are allowed. Nothing can make up for that, not even `|| true`.
    Exhausted,
}

/// A value, or why there is none.
pub(crate) type Answer = Result<Value, Stop>;

/// How many steps one evaluation may take.
pub(crate) const STEPS_MAX: usize = 1_000_000;

/// The steps that an evaluation may still take.
///
/// Every expression is one step, and whatever walks over content takes more: each element of a list or map, each
/// [`BYTES_A_STEP`] of a text. So neither time nor memory grows beyond a known measure.
#[derive(Debug)]
pub(crate) struct Steps(usize);

/// How many bytes of text are read or copied in one step.
const BYTES_A_STEP: usize = 32;

impl Default for Steps {
    fn default() -> Self {
        Self(STEPS_MAX)
    }
}

impl Steps {
    pub(crate) fn take(&mut self, count: usize) -> Result<(), Stop> {
        self.0 = self.0.checked_sub(count).ok_or(Stop::Exhausted)?;
        Ok(())
    }

    pub(crate) fn take_for_bytes(&mut self, length: usize) -> Result<(), Stop> {
        self.take(length / BYTES_A_STEP)
    }
}

/// An evaluation's failure.
pub(crate) fn failed<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(message.into()))
}

/// The failure of an operation that is not there for these values.
pub(crate) fn no_such_overload<T>() -> Result<T, Stop> {
    failed("no such overload")
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    pub(crate) fn some(value: Value) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// The type's name in CEL.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Address(_) => "IPAddress",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
        }
    }

    /// Whether `optional.ofNonZeroValue` leaves it out.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) | Self::Duration(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::String(value) => value.is_empty(),
            Self::Bytes(value) => value.is_empty(),
            Self::List(values) => values.is_empty(),
            Self::Map(map) => map.len() == 0,
            Self::Optional(value) => value.is_none(),
            Self::Timestamp(_) | Self::Address(_) | Self::Type(_) => false,
        }
    }

    /// The value as a key: doubles that are whole are ints. `None` for what can be no key.
    pub(crate) fn as_key(&self) -> Option<Value> {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Uint(_) | Self::String(_) => Some(self.clone()),
            Self::Double(value) => {
                let whole = super::number::whole(*value)?;
                i64::try_from(whole)
                    .map(Self::Int)
                    .or_else(|_| whole.try_into().map(Self::Uint))
                    .ok()
            }
            Self::Null
            | Self::Bytes(_)
            | Self::Duration(_)
            | Self::Timestamp(_)
            | Self::Address(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Optional(_)
            | Self::Type(_) => None,
        }
    }

    /// The value as failures show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::String(value) => value.chars().take(100).collect(),
            Self::Null
            | Self::Bytes(_)
            | Self::Duration(_)
            | Self::Timestamp(_)
            | Self::Address(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Optional(_)
            | Self::Type(_) => self.type_name().to_owned(),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl Map {
    /// The map of these entries. Of equal keys the last one's value stays; the flag says whether there were any.
    pub(crate) fn of(mut entries: Vec<(Value, Value)>) -> (Self, bool) {
        entries.sort_by(|(left, _), (right, _)| super::compare::order_of_keys(left, right));
        let before = entries.len();
        entries.dedup_by(|(later, value), (earlier, kept)| {
            let same = super::compare::order_of_keys(later, earlier).is_eq();
            if same {
                std::mem::swap(value, kept);
            }
            same
        });
        let repeated = entries.len() < before;
        (Self(entries), repeated)
    }

    pub(crate) fn get(&self, key: &Value) -> Option<&Value> {
        let at =
            self.0.binary_search_by(|(own, _)| super::compare::order_of_keys(own, key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
