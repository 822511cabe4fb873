//! The static types of expressions, and which of them fit together.

use crate::caveat::ParameterType;
use std::fmt;

/// What is known of an expression's values before there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Nothing: it may be anything, and is looked at when it is there.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    Address,
    /// A type itself, as `type(x)` gives it.
    Meta,
    List(Box<Type>),
    /// The keys' and the values' types.
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
}

impl From<&ParameterType> for Type {
    fn from(parameter: &ParameterType) -> Self {
        match parameter {
            ParameterType::Any => Self::Any,
            ParameterType::Bool => Self::Bool,
            ParameterType::String => Self::String,
            ParameterType::Int | ParameterType::Uint => Self::Int,
            ParameterType::Double => Self::Double,
            ParameterType::Bytes => Self::Bytes,
            ParameterType::Duration => Self::Duration,
            ParameterType::Timestamp => Self::Timestamp,
            ParameterType::IpAddress => Self::Address,
            ParameterType::List(element) => Self::list(Self::from(element.as_ref())),
            ParameterType::Map(value) => Self::map(Self::String, Self::from(value.as_ref())),
        }
    }
}

impl Type {
    pub(crate) fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    pub(crate) fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub(crate) fn optional(value: Type) -> Self {
        Self::Optional(Box::new(value))
    }

    /// The type of what may be of either; `None` when the two have nothing to do with each other.
    pub(crate) fn join(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Some(Self::Any),
            (Self::List(left), Self::List(right)) => left.join(right).map(Self::list),
            (Self::Map(left, left_value), Self::Map(right, right_value)) => {
                Some(Self::map(left.join(right)?, left_value.join(right_value)?))
            }
            (Self::Optional(left), Self::Optional(right)) => left.join(right).map(Self::optional),
            (Self::Null, value) | (value, Self::Null) if value.is_nullable() => Some(value.clone()),
            _ => (self == other).then(|| self.clone()),
        }
    }

    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Null | Self::Duration | Self::Timestamp | Self::Address | Self::Optional(_)
        )
    }

    /// Whether it can be a map's key.
    pub(crate) fn is_key(&self) -> bool {
        matches!(self, Self::Any | Self::Bool | Self::Int | Self::Uint | Self::String)
    }

    /// The type in an optional's place: what is optional already stays so.
    pub(crate) fn into_optional(self) -> Self {
        if matches!(self, Self::Optional(_)) { self } else { Self::optional(self) }
    }
}

/// In the schema language's words where it has them.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Address => f.write_str("ipaddress"),
            Self::Meta => f.write_str("type"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(key, value) if **key == Self::String => write!(f, "map<{value}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Optional(value) => write!(f, "optional<{value}>"),
        }
    }
}
