//! A CEL expression as it was written: names not resolved, macros not expanded, parentheses gone.

use std::ops::Range;

/// An expression with its place. Equality ignores the place.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    /// Bytes of the source.
    pub(crate) range: Range<usize>,
    /// How many levels of expressions it has: 1 for a name. Recursion over a tree is as deep as this.
    pub(crate) height: usize,
}

/// The forms of an expression.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    Literal(Literal),
    /// `name`, or `.name`, which no variable of a macro can hide.
    Name {
        name: String,
        absolute: bool,
    },
    /// `operand.field` or `operand.?field`.
    Field {
        operand: Box<Expr>,
        field: String,
        optional: bool,
    },
    /// `operand[index]` or `operand[?index]`.
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    /// `function(arguments)` or `target.function(arguments)`, macros included.
    Call {
        function: String,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// Two or more terms; none of them is an `And`.
    And(Vec<Expr>),
    /// Two or more terms; none of them is an `Or`.
    Or(Vec<Expr>),
    /// `condition ? then : otherwise`.
    Conditional(Box<[Expr; 3]>),
    List(Vec<Element>),
    Map(Vec<Entry>),
}

/// An element of a list; an optional one, `?expr`, is left out when it has no value.
#[derive(Debug, PartialEq)]
pub(crate) struct Element {
    pub(crate) optional: bool,
    pub(crate) value: Expr,
}

/// An entry of a map; an optional one, `?key: expr`, is left out when it has no value.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) optional: bool,
    pub(crate) key: Expr,
    pub(crate) value: Expr,
}

/// A value that is written out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
}

/// The operators with two operands that are evaluated both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// How tightly the operators bind, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precedence {
    Conditional,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Unary,
    Primary,
}

impl Operator {
    pub(crate) const ALL: [Self; 12] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Modulo,
    ];

    /// As it is written, which is also its name among the functions.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    pub(crate) fn precedence(self) -> Precedence {
        match self {
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In => Precedence::Relation,
            Self::Add | Self::Subtract => Precedence::Sum,
            Self::Multiply | Self::Divide | Self::Modulo => Precedence::Product,
        }
    }
}

impl Expr {
    pub(crate) fn new(kind: Kind, range: Range<usize>) -> Self {
        let height = 1 + kind.children().map(|child| child.height).max().unwrap_or(0);
        Self { kind, range, height }
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Kind {
    pub(crate) fn children(&self) -> impl Iterator<Item = &Expr> {
        let (boxed, listed): ([Option<&Expr>; 2], &[Expr]) = match self {
            Self::Literal(_) | Self::Name { .. } | Self::List(_) | Self::Map(_) => {
                ([None, None], &[])
            }
            Self::Field { operand, .. } => ([Some(operand), None], &[]),
            Self::Index { operand, index, .. } => ([Some(operand), Some(index)], &[]),
            Self::Call { target, arguments, .. } => ([target.as_deref(), None], arguments),
            Self::Not(operand) | Self::Negate(operand) => ([Some(operand), None], &[]),
            Self::Binary(_, left, right) => ([Some(left), Some(right)], &[]),
            Self::And(terms) | Self::Or(terms) => ([None, None], terms),
            Self::Conditional(parts) => ([None, None], parts.as_slice()),
        };
        let (elements, entries): (&[Element], &[Entry]) = match self {
            Self::List(elements) => (elements, &[]),
            Self::Map(entries) => (&[], entries),
            Self::Literal(_)
            | Self::Name { .. }
            | Self::Field { .. }
            | Self::Index { .. }
            | Self::Call { .. }
            | Self::Not(_)
            | Self::Negate(_)
            | Self::Binary(..)
            | Self::And(_)
            | Self::Or(_)
            | Self::Conditional(_) => (&[], &[]),
        };
        boxed
            .into_iter()
            .flatten()
            .chain(listed)
            .chain(elements.iter().map(|element| &element.value))
            .chain(entries.iter().flat_map(|entry| [&entry.key, &entry.value]))
    }
}
