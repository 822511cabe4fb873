//! The language: schema text in, a [`Schema`] or diagnostics out.
//!
//! Text → syntax tree (`parse`, by `grammar.pest`) → [`Schema`] (`check`). Every fault is a [`Diagnostic`], and as many as
//! possible are found at once. What comes out has nothing left to look up, and holding it proves that it is right.

mod ast;
pub mod changes;
mod character;
mod check;
mod comments;
mod compiled;
mod dependencies;
mod diagnostic;
pub mod diff;
mod fault;
pub mod format;
mod join;
pub mod lint;
mod load;
mod lost;
mod parse;
pub mod prefix;
mod reachability;
pub mod reflection;
mod routes;
mod scan;
mod source_text;
mod syntax_error;
mod write_rules;

pub use character::OddCharacter;
pub use compiled::{
    AllowedForm, AllowedSubject, Arrow, ArrowBranch, ArrowNotation, CaveatId, Definition,
    DefinitionId, Expr, Node, NodeId, Quantifier, Rule, Schema,
};
pub use dependencies::DependencyError;
pub use diagnostic::{Diagnostic, Position, Severity, Stage};
pub use fault::nearest;
pub use join::{join, with_imports, without_imports};
pub use routes::{End, Route, Routes, Start, StartForm, Stored, Way};
pub use source_text::SourceText;
pub use write_rules::{RelationshipError, UnknownName};

/// Reads a file by its path; the error says why it cannot.
pub type Loader<'l> = dyn Fn(&str) -> Result<String, String> + 'l;

/// The name under which diagnostics show a schema that came without a file.
const UNNAMED: &str = "schema";

/// Compiles a schema that stands for itself: imports are refused. Diagnostics call it `schema`.
pub fn compile(source: &str) -> Result<Schema, Vec<Diagnostic>> {
    compile_named(UNNAMED, source, None)
}

/// Compiles a schema whose text was read already, such as one that stands inside of a validation file. Without `load`,
/// imports are refused.
///
/// `name` is the file's path as diagnostics show it. `load` reads the text of a file, given its path relative to the
/// folder of `name`; its error says why it cannot.
pub fn compile_named(
    name: &str,
    text: &str,
    load: Option<&Loader<'_>>,
) -> Result<Schema, Vec<Diagnostic>> {
    let mut faults = fault::Faults::default();
    let program = load::load(name, text, load, &mut faults);
    check::check(program, faults)
}
