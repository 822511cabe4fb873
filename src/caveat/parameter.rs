//! The types that a caveat's parameters may have.

use std::fmt;

/// Maximum nesting of types, as in `list<list<int>>`.
const DEPTH_MAX: usize = 16;

/// The type of a parameter, as the schema language writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ParameterType {
    /// Any JSON value, null included.
    Any,
    /// `true` or `false`.
    Bool,
    /// Unicode text.
    String,
    /// A whole number of 64 bits with a sign.
    Int,
    /// A whole number from 0 to 2^63 − 1. Expressions see an int.
    Uint,
    /// A double.
    Double,
    /// Bytes, given as base64.
    Bytes,
    /// A span of time, given as `1h30m`.
    Duration,
    /// A point in time, given in RFC 3339.
    Timestamp,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A list of values of one type.
    List(Box<ParameterType>),
    /// A map from strings to values of one type.
    Map(Box<ParameterType>),
}

/// A parameter of a caveat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name in the expression and in contexts.
    pub name: String,
    /// The type of its values.
    pub parameter_type: ParameterType,
}

/// An unknown type name, or a type with the wrong number of arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownType {
    /// There is no such type.
    #[error("unknown type `{name}`")]
    Name {
        /// The name as written.
        name: String,
    },
    /// The type exists, with another number of arguments.
    #[error("type `{name}` requires {required} generic types; found {found}")]
    Arguments {
        /// The type's name.
        name: String,
        /// The number of required arguments.
        required: usize,
        /// The number of given arguments.
        found: usize,
    },
    /// The type is nested too deeply.
    #[error("type `{name}` is nested more than {DEPTH_MAX} levels deep")]
    TooDeep {
        /// The outermost type's name.
        name: String,
    },
}

/// The types without arguments, by name.
const PLAIN: [(&str, ParameterType); 10] = [
    ("any", ParameterType::Any),
    ("bool", ParameterType::Bool),
    ("string", ParameterType::String),
    ("int", ParameterType::Int),
    ("uint", ParameterType::Uint),
    ("double", ParameterType::Double),
    ("bytes", ParameterType::Bytes),
    ("duration", ParameterType::Duration),
    ("timestamp", ParameterType::Timestamp),
    ("ipaddress", ParameterType::IpAddress),
];

impl ParameterType {
    /// The type `name<arguments>`.
    ///
    /// # Errors
    ///
    /// The name is unknown, the number of arguments is wrong, or the type is nested too deeply.
    pub fn from_name(name: &str, arguments: Vec<ParameterType>) -> Result<Self, UnknownType> {
        let found = arguments.len();
        let wrong_number =
            |required| Err(UnknownType::Arguments { name: name.to_owned(), required, found });
        if name != "list" && name != "map" {
            return match PLAIN.iter().find(|(plain, _)| *plain == name) {
                Some((_, plain)) if found == 0 => Ok(plain.clone()),
                Some(_) => wrong_number(0),
                None => Err(UnknownType::Name { name: name.to_owned() }),
            };
        }

        let Ok([element]) = <[ParameterType; 1]>::try_from(arguments) else {
            return wrong_number(1);
        };
        if element.depth() >= DEPTH_MAX {
            return Err(UnknownType::TooDeep { name: name.to_owned() });
        }
        let element = Box::new(element);
        Ok(if name == "list" { Self::List(element) } else { Self::Map(element) })
    }

    /// The names of all types, those with arguments included.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PLAIN.iter().map(|(name, _)| *name).chain(["list", "map"])
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(element) | Self::Map(element) => 1 + element.depth(),
            Self::Any
            | Self::Bool
            | Self::String
            | Self::Int
            | Self::Uint
            | Self::Double
            | Self::Bytes
            | Self::Duration
            | Self::Timestamp
            | Self::IpAddress => 1,
        }
    }
}

/// As the schema language writes it: `list<string>`.
impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Bool => f.write_str("bool"),
            Self::String => f.write_str("string"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::IpAddress => f.write_str("ipaddress"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(element) => write!(f, "map<{element}>"),
        }
    }
}
