//! The schema language: schema text in, a [`Schema`] or diagnostics out.
//!
//! Text → syntax tree (`parse`, by `parse/grammar.pest`) → [`Schema`] (`resolve`). Every error is a [`Diagnostic`], and as
//! many as possible are found in one pass. A [`Schema`] has no unresolved names, and a value of this type is always valid.

mod admission;
mod compile;
mod dependencies;
mod diagnostics;
pub mod diff;
pub mod format;
mod imports;
mod join;
pub mod lint;
mod model;
mod parse;
mod place;
pub mod prefix;
mod reachability;
pub mod reflection;
pub mod removals;
mod resolve;
mod routes;
#[expect(clippy::module_inception, reason = "the file holds the type `Schema`")]
mod schema;
mod subject_traits;
mod type_reference;
mod widening;

pub use admission::{RelationshipError, UnknownName};
pub use compile::{compile, compile_named};
pub use dependencies::DependencyError;
pub use diagnostics::diagnostic::{Diagnostic, DiagnosticStage, Severity};
pub use diagnostics::odd_character::OddCharacter;
pub use diagnostics::position::Position;
pub use diagnostics::schema_error::SchemaError;
pub use diagnostics::source_text::SourceText;
pub use imports::Loader;
pub use join::{join, with_imports, without_imports};
pub use model::{
    AllowedForm, AllowedSubject, Arrow, ArrowBranch, ArrowNotation, CaveatId, Definition,
    DefinitionId, Expr, Node, NodeId, Quantifier, Rule,
};
pub use place::NamePlace;
pub use routes::{EntryForm, EntryPoint, RelationEdge, Route, RouteEnd, RouteStep, Routes};
pub use schema::Schema;
pub use type_reference::TypeReference;
