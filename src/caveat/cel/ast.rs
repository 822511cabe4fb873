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
    /// Two or more terms; none of them is joined by the same operator.
    Logical(Logical, Vec<Expr>),
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

/// The operators that one operand may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logical {
    Or,
    And,
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

impl Logical {
    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
        }
    }

    pub(crate) fn precedence(self) -> Precedence {
        match self {
            Self::Or => Precedence::Or,
            Self::And => Precedence::And,
        }
    }
}

impl Precedence {
    /// The next one that binds more tightly.
    pub(crate) fn tighter(self) -> Self {
        match self {
            Self::Conditional => Self::Or,
            Self::Or => Self::And,
            Self::And => Self::Relation,
            Self::Relation => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::Unary,
            Self::Unary | Self::Primary => Self::Primary,
        }
    }
}

impl Expr {
    pub(crate) fn new(kind: Kind, range: Range<usize>) -> Self {
        let height = 1 + kind.children().iter().map(|child| child.height).max().unwrap_or(0);
        Self { kind, range, height }
    }

    /// Two operands of a logical operator, in one with the terms that they have themselves.
    pub(crate) fn logical(own: Logical, left: Expr, right: Expr, range: Range<usize>) -> Self {
        let (mut terms, left_height) = left.into_terms(own);
        let (more, right_height) = right.into_terms(own);
        terms.extend(more);
        Self { kind: Kind::Logical(own, terms), range, height: left_height.max(right_height) }
    }

    /// The terms of a logical operator, and how high an expression is that joins them.
    fn into_terms(self, own: Logical) -> (Vec<Expr>, usize) {
        let height = self.height;
        if matches!(&self.kind, Kind::Logical(found, _) if *found == own)
            && let Kind::Logical(_, terms) = self.kind
        {
            return (terms, height);
        }
        (vec![self], height + 1)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Kind {
    fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(_) | Self::Name { .. } => Vec::new(),
            Self::Field { operand, .. } | Self::Not(operand) | Self::Negate(operand) => {
                vec![operand]
            }
            Self::Index { operand: left, index: right, .. } | Self::Binary(_, left, right) => {
                vec![left, right]
            }
            Self::Call { target, arguments, .. } => {
                target.as_deref().into_iter().chain(arguments).collect()
            }
            Self::Logical(_, terms) => terms.iter().collect(),
            Self::Conditional(parts) => parts.iter().collect(),
            Self::List(elements) => elements.iter().map(|element| &element.value).collect(),
            Self::Map(entries) => {
                entries.iter().flat_map(|entry| [&entry.key, &entry.value]).collect()
            }
        }
    }
}
