//! Syntax trees of schema texts: names are not resolved yet, and every node has its source position.

use crate::schema::diagnostics::position::Span;
use crate::schema::subject_traits::SubjectTraits;
use std::fmt;
use std::sync::Arc;

/// The words that `use` lines reserve in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent switches, as the language has them"
)]
pub(in crate::schema) struct UseFlags {
    pub(in crate::schema) expiration: bool,
    pub(in crate::schema) import: bool,
    pub(in crate::schema) partial: bool,
    pub(in crate::schema) itself: bool,
    pub(in crate::schema) typechecking: bool,
}

/// One file.
#[derive(Debug, Default)]
pub(in crate::schema) struct FileSyntax {
    pub(in crate::schema) items: Vec<ItemSyntax>,
    /// Whether it has `use typechecking`.
    pub(in crate::schema) checks_annotations: bool,
}

/// A statement outside of braces; `use` lines have become [`UseFlags`].
#[derive(Debug)]
pub(in crate::schema) enum ItemSyntax {
    Import(Name),
    Definition(DefinitionSyntax),
    Partial(DefinitionSyntax),
    Caveat(CaveatSyntax),
}

/// A word of the text that names something; for an import, the path without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schema) struct Name {
    pub(in crate::schema) text: String,
    pub(in crate::schema) span: Span,
}

/// The comments directly above an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::schema) struct Comment {
    /// As written, with comment marks, one comment after another, joined by line breaks.
    pub(in crate::schema) written: String,
    /// What they say, without comment marks.
    pub(in crate::schema) text: String,
}

/// A definition, or a partial, which is written like one.
#[derive(Debug)]
pub(in crate::schema) struct DefinitionSyntax {
    pub(in crate::schema) name: Name,
    pub(in crate::schema) comment: Comment,
    pub(in crate::schema) members: Vec<MemberSyntax>,
}

/// A statement of a definition.
#[derive(Clone, Debug)]
pub(in crate::schema) enum MemberSyntax {
    Relation(Arc<RelationSyntax>),
    Permission(Arc<PermissionSyntax>),
    /// `...name`
    PartialReference(Name),
}

/// `relation name: allowed | allowed`
#[derive(Debug)]
pub(in crate::schema) struct RelationSyntax {
    pub(in crate::schema) name: Name,
    pub(in crate::schema) comment: Comment,
    pub(in crate::schema) allowed: Vec<AllowedSubjectSyntax>,
}

/// One form of subject, as written.
#[derive(Debug)]
pub(in crate::schema) struct AllowedSubjectSyntax {
    pub(in crate::schema) definition: Name,
    pub(in crate::schema) form: AllowedFormSyntax,
    pub(in crate::schema) caveat: Option<Name>,
    pub(in crate::schema) expires: bool,
    pub(in crate::schema) span: Span,
}

/// Which subjects of a type, as written.
#[derive(Debug)]
pub(in crate::schema) enum AllowedFormSyntax {
    Object,
    Wildcard,
    Userset(Name),
}

/// `permission name: type | type = expression`
#[derive(Debug)]
pub(in crate::schema) struct PermissionSyntax {
    pub(in crate::schema) name: Name,
    pub(in crate::schema) comment: Comment,
    /// The types that the annotation lists; `None` without an annotation.
    pub(in crate::schema) annotation: Option<Vec<Name>>,
    pub(in crate::schema) expr: ExprSyntax,
}

/// An expression and where it stands.
#[derive(Debug)]
pub(in crate::schema) struct ExprSyntax {
    pub(in crate::schema) kind: ExprKind,
    pub(in crate::schema) span: Span,
}

/// An expression as written. A chain of one operator is one node, however long; depth comes from parentheses alone.
#[derive(Debug)]
pub(in crate::schema) enum ExprKind {
    Nil,
    Itself,
    Name(String),
    Arrow(ArrowSyntax),
    /// An expression in parentheses.
    Group(Box<ExprSyntax>),
    Union(Vec<ExprSyntax>),
    Intersection(Vec<ExprSyntax>),
    /// The first, without those in any other.
    Exclusion(Vec<ExprSyntax>),
}

/// `left->right`, `left.any(right)` or `left.all(right)`.
#[derive(Debug)]
pub(in crate::schema) struct ArrowSyntax {
    pub(in crate::schema) left: Name,
    pub(in crate::schema) right: Name,
    pub(in crate::schema) operator: ArrowOperator,
}

/// How an arrow was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum ArrowOperator {
    Arrow,
    Any,
    All,
}

/// `caveat name(parameters) { body }`
#[derive(Debug)]
pub(in crate::schema) struct CaveatSyntax {
    pub(in crate::schema) name: Name,
    pub(in crate::schema) comment: Comment,
    pub(in crate::schema) parameters: Vec<ParameterSyntax>,
    /// The text between the braces.
    pub(in crate::schema) body: Name,
}

/// A parameter of a caveat.
#[derive(Debug)]
pub(in crate::schema) struct ParameterSyntax {
    pub(in crate::schema) name: Name,
    pub(in crate::schema) parameter_type: ParameterTypeSyntax,
}

/// A type as written: `map<list<int>>`.
#[derive(Debug)]
pub(in crate::schema) struct ParameterTypeSyntax {
    pub(in crate::schema) name: Name,
    pub(in crate::schema) arguments: Vec<ParameterTypeSyntax>,
    pub(in crate::schema) span: Span,
}

impl MemberSyntax {
    /// Its name, as written.
    pub(in crate::schema) fn name(&self) -> &Name {
        match self {
            Self::Relation(relation) => &relation.name,
            Self::Permission(permission) => &permission.name,
            Self::PartialReference(name) => name,
        }
    }
}

/// `group#member with caveat and expiration`
impl fmt::Display for AllowedSubjectSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.definition.text)?;
        match &self.form {
            AllowedFormSyntax::Object => {}
            AllowedFormSyntax::Wildcard => f.write_str(":*")?,
            AllowedFormSyntax::Userset(relation) => write!(f, "#{}", relation.text)?,
        }
        let caveat = self.caveat.as_ref().map(|caveat| caveat.text.as_str());
        fmt::Display::fmt(&SubjectTraits { caveat, expires: self.expires }, f)
    }
}
