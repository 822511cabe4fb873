//! What a schema text says, word for word: nothing is looked up yet, and everything knows where it stands.

use std::fmt;
use std::sync::Arc;

/// A place in one of the files that make a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    /// Which file, by position.
    pub(super) file: usize,
    /// Where it starts, in bytes.
    pub(super) start: usize,
    /// Where it ends, in bytes, exclusive.
    pub(super) end: usize,
}

/// The words that `use` lines reserve in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent switches, as the language has them"
)]
pub(super) struct Flags {
    pub(super) expiration: bool,
    pub(super) import: bool,
    pub(super) partial: bool,
    pub(super) itself: bool,
    pub(super) typechecking: bool,
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) items: Vec<Item>,
    /// Whether it has `use typechecking`.
    pub(super) checks_annotations: bool,
}

/// A statement outside of braces; `use` lines have become [`Flags`].
#[derive(Debug)]
pub(super) enum Item {
    Import(Name),
    Definition(Definition),
    Partial(Definition),
    Caveat(Caveat),
}

/// A word of the text that names something; for an import, the path without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

/// The comments directly above an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comment {
    /// As written, with comment marks, one comment after another, joined by line breaks.
    pub(super) written: String,
    /// What they say, without comment marks.
    pub(super) text: String,
}

/// A definition, or a partial, which is written like one.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: Name,
    pub(super) comment: Comment,
    pub(super) members: Vec<Member>,
}

/// A statement of a definition.
#[derive(Clone, Debug)]
pub(super) enum Member {
    Relation(Arc<Relation>),
    Permission(Arc<Permission>),
    /// `...name`
    PartialReference(Name),
}

/// `relation name: allowed | allowed`
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) name: Name,
    pub(super) comment: Comment,
    pub(super) allowed: Vec<AllowedSubject>,
}

/// One form of subject, as written.
#[derive(Debug)]
pub(super) struct AllowedSubject {
    pub(super) definition: Name,
    pub(super) form: AllowedForm,
    pub(super) caveat: Option<Name>,
    pub(super) expires: bool,
    pub(super) span: Span,
}

/// Which subjects of a type, as written.
#[derive(Debug)]
pub(super) enum AllowedForm {
    Object,
    Wildcard,
    Userset(Name),
}

/// `permission name: type | type = expression`
#[derive(Debug)]
pub(super) struct Permission {
    pub(super) name: Name,
    pub(super) comment: Comment,
    /// The types that the annotation lists; `None` without an annotation.
    pub(super) annotation: Option<Vec<Name>>,
    pub(super) expr: Expr,
}

/// An expression and where it stands.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
}

/// An expression as written. A chain of one operator is one node, however long; depth comes from parentheses alone.
#[derive(Debug)]
pub(super) enum ExprKind {
    Nil,
    Itself,
    Name(String),
    Arrow(Arrow),
    /// An expression in parentheses.
    Group(Box<Expr>),
    Union(Vec<Expr>),
    Intersection(Vec<Expr>),
    /// The first, without those in any other.
    Exclusion(Vec<Expr>),
}

/// `left->right`, `left.any(right)` or `left.all(right)`.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) left: Name,
    pub(super) right: Name,
    pub(super) notation: ArrowNotation,
}

/// How an arrow was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrowNotation {
    Arrow,
    Any,
    All,
}

/// `caveat name(parameters) { body }`
#[derive(Debug)]
pub(super) struct Caveat {
    pub(super) name: Name,
    pub(super) comment: Comment,
    pub(super) parameters: Vec<Parameter>,
    /// The text between the braces.
    pub(super) body: Name,
}

/// A parameter of a caveat.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: Name,
    pub(super) parameter_type: ParameterType,
}

/// A type as written: `map<list<int>>`.
#[derive(Debug)]
pub(super) struct ParameterType {
    pub(super) name: Name,
    pub(super) arguments: Vec<ParameterType>,
    pub(super) span: Span,
}

impl Span {
    /// From the start of this to the end of `other`.
    pub(super) fn to(self, other: Self) -> Self {
        Self { end: other.end, ..self }
    }
}

impl Member {
    /// Its name, as written.
    pub(super) fn name(&self) -> &Name {
        match self {
            Self::Relation(relation) => &relation.name,
            Self::Permission(permission) => &permission.name,
            Self::PartialReference(name) => name,
        }
    }
}

/// `group#member with caveat and expiration`
impl fmt::Display for AllowedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.definition.text)?;
        match &self.form {
            AllowedForm::Object => {}
            AllowedForm::Wildcard => f.write_str(":*")?,
            AllowedForm::Userset(relation) => write!(f, "#{}", relation.text)?,
        }
        match (&self.caveat, self.expires) {
            (None, false) => Ok(()),
            (None, true) => f.write_str(" with expiration"),
            (Some(caveat), false) => write!(f, " with {}", caveat.text),
            (Some(caveat), true) => write!(f, " with {} and expiration", caveat.text),
        }
    }
}
