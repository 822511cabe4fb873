//! The static types of expressions, and which of them fit together.

use crate::caveat::parameter::ParameterType;
use std::fmt;

/// The static type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::caveat) enum Type {
    /// Nothing: it may be anything, and is looked at when it is there.
    Any,
    /// A type that has only a name, in the schema language's words where it has one.
    Named(&'static str),
    List(Box<Type>),
    /// The keys' and the values' types.
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// In signatures: one type throughout an overload.
    Variable(Variable),
}

/// The type variables of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::caveat) enum Variable {
    A,
    B,
}

/// The types that the variables of an overload turned out to be.
#[derive(Debug, Default)]
pub(in crate::caveat) struct TypeBindings {
    a: Option<Type>,
    b: Option<Type>,
}

const NAMES: [&str; 11] = [
    "null",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "duration",
    "timestamp",
    "ipaddress",
    "type",
];

impl From<&ParameterType> for Type {
    fn from(parameter: &ParameterType) -> Self {
        match parameter {
            ParameterType::Any => Self::Any,
            ParameterType::Bool => Self::BOOL,
            ParameterType::String => Self::STRING,
            ParameterType::Int | ParameterType::Uint => Self::INT,
            ParameterType::Double => Self::Named("double"),
            ParameterType::Bytes => Self::Named("bytes"),
            ParameterType::Duration => Self::Named("duration"),
            ParameterType::Timestamp => Self::Named("timestamp"),
            ParameterType::IpAddress => Self::Named("ipaddress"),
            ParameterType::List(element) => Self::list(Self::from(element.as_ref())),
            ParameterType::Map(value) => Self::map(Self::STRING, Self::from(value.as_ref())),
        }
    }
}

impl Type {
    pub(in crate::caveat) const BOOL: Self = Self::Named("bool");
    pub(in crate::caveat) const INT: Self = Self::Named("int");
    pub(in crate::caveat) const STRING: Self = Self::Named("string");
    pub(in crate::caveat) const META: Self = Self::Named("type");

    /// The type that a signature writes.
    pub(in crate::caveat) fn read(text: &'static str) -> Self {
        let inside = |name| text.strip_prefix(name).and_then(|rest| rest.strip_suffix('>'));
        if let Some(element) = inside("list<") {
            return Self::list(Self::read(element));
        }
        if let Some(value) = inside("optional<") {
            return Self::optional(Self::read(value));
        }
        if let Some((key, value)) = inside("map<").and_then(|rest| rest.split_once(',')) {
            return Self::map(Self::read(key), Self::read(value));
        }
        match text {
            "A" => Self::Variable(Variable::A),
            "B" => Self::Variable(Variable::B),
            _ => NAMES.into_iter().find(|name| *name == text).map_or(Self::Any, Self::Named),
        }
    }

    pub(in crate::caveat) fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    pub(in crate::caveat) fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub(in crate::caveat) fn optional(value: Type) -> Self {
        Self::Optional(Box::new(value))
    }

    /// The type of a value that may have either type; `None` when the types are incompatible.
    pub(in crate::caveat) fn join(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Some(Self::Any),
            (Self::List(left), Self::List(right)) => left.join(right).map(Self::list),
            (Self::Map(left, left_value), Self::Map(right, right_value)) => {
                Some(Self::map(left.join(right)?, left_value.join(right_value)?))
            }
            (Self::Optional(left), Self::Optional(right)) => left.join(right).map(Self::optional),
            (Self::Named("null"), value) | (value, Self::Named("null")) if value.is_nullable() => {
                Some(value.clone())
            }
            _ => (self == other).then(|| self.clone()),
        }
    }

    fn is_nullable(&self) -> bool {
        matches!(self, Self::Named("null" | "duration" | "timestamp" | "ipaddress"))
            || matches!(self, Self::Optional(_))
    }

    /// Whether it can be the key type of a map.
    pub(in crate::caveat) fn is_key(&self) -> bool {
        matches!(self, Self::Any | Self::Named("bool" | "int" | "uint" | "string"))
    }

    /// The type wrapped in an optional; an optional stays as it is.
    pub(in crate::caveat) fn into_optional(self) -> Self {
        if matches!(self, Self::Optional(_)) { self } else { Self::optional(self) }
    }

    /// The type of `.name`. Whether a map has the key is decided at evaluation.
    pub(in crate::caveat) fn field(&self) -> Option<Type> {
        match (self, self) {
            (Self::Any, _) => Some(Self::Any),
            (Self::Map(_, value), _) => Some(value.as_ref().clone()),
            (_, Self::Optional(value)) => value.field().map(Self::into_optional),
            _ => None,
        }
    }

    /// The type of `[index]`.
    pub(in crate::caveat) fn element(&self, index: &Type) -> Option<Type> {
        match (self, index) {
            (Self::Any, _) => Some(Self::Any),
            (Self::List(element), Self::Named("int") | Self::Any) => Some(element.as_ref().clone()),
            (Self::Map(key, value), index) => key.join(index).map(|_| value.as_ref().clone()),
            (Self::Optional(value), index) => value.element(index).map(Self::into_optional),
            _ => None,
        }
    }
}

impl TypeBindings {
    /// Whether an argument matches a parameter, given the bindings from earlier arguments.
    pub(in crate::caveat) fn accept(&mut self, parameter: &Type, argument: &Type) -> bool {
        match (parameter, argument) {
            (Type::Variable(variable), argument) => {
                let bound = match variable {
                    Variable::A => &mut self.a,
                    Variable::B => &mut self.b,
                };
                let joined = match bound {
                    Some(bound) => bound.join(argument),
                    None => Some(argument.clone()),
                };
                let fits = joined.is_some();
                *bound = joined;
                fits
            }

            (Type::List(own), Type::List(inner)) | (Type::Optional(own), Type::Optional(inner)) => {
                self.accept(own, inner)
            }
            (Type::List(inner) | Type::Optional(inner), Type::Any) => {
                self.accept(inner, &Type::Any)
            }
            (Type::Map(key, value), Type::Map(own_key, own_value)) => {
                self.accept(key, own_key) && self.accept(value, own_value)
            }
            (Type::Map(key, value), Type::Any) => {
                self.accept(key, &Type::Any) && self.accept(value, &Type::Any)
            }
            (Type::Any, _) | (_, Type::Any) => true,
            (parameter, argument) => parameter == argument,
        }
    }

    /// The result type with its variables substituted; `any` for unbound ones.
    pub(in crate::caveat) fn applied(&self, result: &Type) -> Type {
        match result {
            Type::Variable(Variable::A) => self.a.clone().unwrap_or(Type::Any),
            Type::Variable(Variable::B) => self.b.clone().unwrap_or(Type::Any),
            Type::List(element) => Type::list(self.applied(element)),
            Type::Map(key, value) => Type::map(self.applied(key), self.applied(value)),
            Type::Optional(value) => Type::optional(self.applied(value)),
            Type::Any | Type::Named(_) => result.clone(),
        }
    }
}

/// As the schema language writes the type, where it can.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Named(name) => f.write_str(name),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(key, value) if **key == Self::STRING => write!(f, "map<{value}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Optional(value) => write!(f, "optional<{value}>"),
            Self::Variable(variable) => write!(f, "{variable:?}"),
        }
    }
}
