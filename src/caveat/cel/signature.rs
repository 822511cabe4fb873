//! The functions and operators that expressions may use: how they are called, with what, and what they give.

use super::ast::Operator;
use super::function::Function;
use super::time::Part;
use super::types::Type;
use Pattern::{
    A, Address, AnyMap, Bool, Bytes, Double, Duration, Dyn, Int, ListOfA, MapOfAToB, Meta,
    OptionalOfA, String, Timestamp, Uint,
};

/// A type in a signature. `A` and `B` each stand for one type throughout an overload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pattern {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    Address,
    Meta,
    /// As a result only: it may be anything.
    Dyn,
    A,
    ListOfA,
    MapOfAToB,
    OptionalOfA,
    /// A map from strings to anything.
    AnyMap,
}

/// A function of a name: its overloads by parameters and result. A method's first parameter is what it is called on.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    pub(crate) style: Style,
    pub(crate) overloads: &'static [(&'static [Pattern], Pattern)],
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `a + b`, `-a`
    Operator,
    /// `size(a)`
    Global,
    /// `a.size()`
    Method,
}

/// The types that `A` and `B` turned out to be.
#[derive(Debug, Default)]
struct Bindings {
    a: Option<Type>,
    b: Option<Type>,
}

impl Signature {
    /// The signature of a name that is called in a style.
    pub(crate) fn find(name: &str, style: Style) -> Option<&'static Self> {
        SIGNATURES.iter().find(|signature| signature.name == name && signature.style == style)
    }

    /// Whether a function of this name is called in some style or other.
    pub(crate) fn is_name(name: &str) -> bool {
        let named = |signature: &Self| signature.name == name;
        SIGNATURES.iter().any(|signature| named(signature) && signature.style != Style::Operator)
    }

    /// The result's type for arguments of these types; `None` when no overload takes them.
    pub(crate) fn result(&self, arguments: &[Type]) -> Option<Type> {
        let results = self.overloads.iter().filter_map(|(parameters, result)| {
            let mut bindings = Bindings::default();
            let fits = parameters.len() == arguments.len()
                && parameters.iter().zip(arguments).all(|(p, a)| bindings.accept(*p, a));
            fits.then(|| bindings.result(*result))
        });
        results.reduce(|first, other| if first == other { first } else { Type::Any })
    }
}

impl Bindings {
    /// Whether an argument fits, given what the arguments before it were.
    fn accept(&mut self, pattern: Pattern, argument: &Type) -> bool {
        match (pattern, argument) {
            (Pattern::A, argument) => bind(&mut self.a, argument),
            (Pattern::ListOfA | Pattern::OptionalOfA, Type::Any) => bind(&mut self.a, &Type::Any),
            (Pattern::MapOfAToB, Type::Any) => {
                bind(&mut self.a, &Type::Any) && bind(&mut self.b, &Type::Any)
            }
            (Pattern::ListOfA, Type::List(element)) => bind(&mut self.a, element),
            (Pattern::OptionalOfA, Type::Optional(value)) => bind(&mut self.a, value),
            (Pattern::MapOfAToB, Type::Map(key, value)) => {
                bind(&mut self.a, key) && bind(&mut self.b, value)
            }
            (Pattern::AnyMap, Type::Map(key, _)) => key.join(&Type::String).is_some(),
            (Pattern::Dyn, _) | (_, Type::Any) => true,
            (pattern, argument) => pattern.plain().as_ref() == Some(argument),
        }
    }

    fn result(self, pattern: Pattern) -> Type {
        let a = self.a.unwrap_or(Type::Any);
        let b = self.b.unwrap_or(Type::Any);
        match pattern {
            Pattern::A => a,
            Pattern::ListOfA => Type::list(a),
            Pattern::MapOfAToB => Type::map(a, b),
            Pattern::OptionalOfA => Type::optional(a),
            Pattern::AnyMap => Type::map(Type::String, Type::Any),
            plain @ (Pattern::Bool
            | Pattern::Int
            | Pattern::Uint
            | Pattern::Double
            | Pattern::String
            | Pattern::Bytes
            | Pattern::Duration
            | Pattern::Timestamp
            | Pattern::Address
            | Pattern::Meta
            | Pattern::Dyn) => plain.plain().unwrap_or(Type::Any),
        }
    }
}

fn bind(bound: &mut Option<Type>, argument: &Type) -> bool {
    let joined = bound.as_ref().map_or_else(|| Some(argument.clone()), |own| own.join(argument));
    let fits = joined.is_some();
    *bound = joined;
    fits
}

impl Pattern {
    /// The type of a pattern that stands for one alone.
    fn plain(self) -> Option<Type> {
        Some(match self {
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Duration => Type::Duration,
            Self::Timestamp => Type::Timestamp,
            Self::Address => Type::Address,
            Self::Meta => Type::Meta,
            Self::Dyn
            | Self::A
            | Self::ListOfA
            | Self::MapOfAToB
            | Self::OptionalOfA
            | Self::AnyMap => return None,
        })
    }
}

const fn operator(
    operator: Operator,
    name: &'static str,
    overloads: &'static [(&'static [Pattern], Pattern)],
) -> Signature {
    Signature { name, function: Function::Operator(operator), style: Style::Operator, overloads }
}

const fn global(
    name: &'static str,
    function: Function,
    overloads: &'static [(&'static [Pattern], Pattern)],
) -> Signature {
    Signature { name, function, style: Style::Global, overloads }
}

const fn method(
    name: &'static str,
    function: Function,
    overloads: &'static [(&'static [Pattern], Pattern)],
) -> Signature {
    Signature { name, function, style: Style::Method, overloads }
}

const EQUALITY: &[(&[Pattern], Pattern)] = &[(&[A, A], Bool)];

const ORDER: &[(&[Pattern], Pattern)] = &[
    (&[Bool, Bool], Bool),
    (&[Int, Int], Bool),
    (&[Uint, Uint], Bool),
    (&[Double, Double], Bool),
    (&[String, String], Bool),
    (&[Bytes, Bytes], Bool),
    (&[Duration, Duration], Bool),
    (&[Timestamp, Timestamp], Bool),
];

const PRODUCT: &[(&[Pattern], Pattern)] =
    &[(&[Int, Int], Int), (&[Uint, Uint], Uint), (&[Double, Double], Double)];

const SIZE: &[(&[Pattern], Pattern)] =
    &[(&[String], Int), (&[Bytes], Int), (&[ListOfA], Int), (&[MapOfAToB], Int)];

const TEXT_TEST: &[(&[Pattern], Pattern)] = &[(&[String, String], Bool)];

const OF_MOMENT: &[(&[Pattern], Pattern)] = &[(&[Timestamp], Int), (&[Timestamp, String], Int)];

const OF_MOMENT_OR_SPAN: &[(&[Pattern], Pattern)] =
    &[(&[Timestamp], Int), (&[Timestamp, String], Int), (&[Duration], Int)];

static SIGNATURES: &[Signature] = &[
    operator(Operator::Equal, "==", EQUALITY),
    operator(Operator::NotEqual, "!=", EQUALITY),
    operator(Operator::Less, "<", ORDER),
    operator(Operator::LessOrEqual, "<=", ORDER),
    operator(Operator::Greater, ">", ORDER),
    operator(Operator::GreaterOrEqual, ">=", ORDER),
    operator(Operator::In, "in", &[(&[A, ListOfA], Bool), (&[A, MapOfAToB], Bool)]),
    operator(
        Operator::Add,
        "+",
        &[
            (&[Int, Int], Int),
            (&[Uint, Uint], Uint),
            (&[Double, Double], Double),
            (&[String, String], String),
            (&[Bytes, Bytes], Bytes),
            (&[ListOfA, ListOfA], ListOfA),
            (&[Duration, Duration], Duration),
            (&[Timestamp, Duration], Timestamp),
            (&[Duration, Timestamp], Timestamp),
        ],
    ),
    operator(
        Operator::Subtract,
        "-",
        &[
            (&[Int, Int], Int),
            (&[Uint, Uint], Uint),
            (&[Double, Double], Double),
            (&[Duration, Duration], Duration),
            (&[Timestamp, Timestamp], Duration),
            (&[Timestamp, Duration], Timestamp),
        ],
    ),
    operator(Operator::Multiply, "*", PRODUCT),
    operator(Operator::Divide, "/", PRODUCT),
    operator(Operator::Modulo, "%", &[(&[Int, Int], Int), (&[Uint, Uint], Uint)]),
    Signature {
        name: "negation",
        function: Function::Negate,
        style: Style::Operator,
        overloads: &[(&[Int], Int), (&[Double], Double)],
    },
    global("size", Function::Size, SIZE),
    method("size", Function::Size, SIZE),
    method("contains", Function::Contains, TEXT_TEST),
    method("startsWith", Function::StartsWith, TEXT_TEST),
    method("endsWith", Function::EndsWith, TEXT_TEST),
    method("matches", Function::Matches, TEXT_TEST),
    global("matches", Function::Matches, TEXT_TEST),
    method("getFullYear", Function::Part(Part::Year), OF_MOMENT),
    method("getMonth", Function::Part(Part::Month), OF_MOMENT),
    method("getDate", Function::Part(Part::Date), OF_MOMENT),
    method("getDayOfMonth", Function::Part(Part::DayOfMonth), OF_MOMENT),
    method("getDayOfWeek", Function::Part(Part::DayOfWeek), OF_MOMENT),
    method("getDayOfYear", Function::Part(Part::DayOfYear), OF_MOMENT),
    method("getHours", Function::Part(Part::Hours), OF_MOMENT_OR_SPAN),
    method("getMinutes", Function::Part(Part::Minutes), OF_MOMENT_OR_SPAN),
    method("getSeconds", Function::Part(Part::Seconds), OF_MOMENT_OR_SPAN),
    method("getMilliseconds", Function::Part(Part::Milliseconds), OF_MOMENT_OR_SPAN),
    global(
        "int",
        Function::ToInt,
        &[
            (&[Int], Int),
            (&[Uint], Int),
            (&[Double], Int),
            (&[String], Int),
            (&[Duration], Int),
            (&[Timestamp], Int),
        ],
    ),
    global(
        "uint",
        Function::ToUint,
        &[(&[Uint], Uint), (&[Int], Uint), (&[Double], Uint), (&[String], Uint)],
    ),
    global(
        "double",
        Function::ToDouble,
        &[(&[Double], Double), (&[Int], Double), (&[Uint], Double), (&[String], Double)],
    ),
    global("bool", Function::ToBool, &[(&[Bool], Bool), (&[String], Bool)]),
    global("bytes", Function::ToBytes, &[(&[Bytes], Bytes), (&[String], Bytes)]),
    global("duration", Function::ToDuration, &[(&[Duration], Duration), (&[String], Duration)]),
    global(
        "timestamp",
        Function::ToTimestamp,
        &[(&[Timestamp], Timestamp), (&[Int], Timestamp), (&[String], Timestamp)],
    ),
    global(
        "string",
        Function::ToString,
        &[
            (&[String], String),
            (&[Bool], String),
            (&[Int], String),
            (&[Uint], String),
            (&[Double], String),
            (&[Bytes], String),
            (&[Duration], String),
            (&[Timestamp], String),
        ],
    ),
    global("type", Function::TypeOf, &[(&[A], Meta)]),
    global("dyn", Function::Itself, &[(&[A], Dyn)]),
    global("optional.of", Function::OptionalOf, &[(&[A], OptionalOfA)]),
    global("optional.ofNonZeroValue", Function::OptionalOfNonZero, &[(&[A], OptionalOfA)]),
    global("optional.none", Function::OptionalNone, &[(&[], OptionalOfA)]),
    method("hasValue", Function::HasValue, &[(&[OptionalOfA], Bool)]),
    method("value", Function::ValueOf, &[(&[OptionalOfA], A)]),
    method("or", Function::Or, &[(&[OptionalOfA, OptionalOfA], OptionalOfA)]),
    method("orValue", Function::OrValue, &[(&[OptionalOfA, A], A)]),
    method("in_cidr", Function::InCidr, &[(&[Address, String], Bool)]),
    method("isSubtreeOf", Function::IsSubtreeOf, &[(&[AnyMap, AnyMap], Bool)]),
];
