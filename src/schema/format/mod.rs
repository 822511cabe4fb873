//! The text of schemas: the layout of a text that a person wrote, and the canonical text of a compiled schema.

mod canonical;
mod caveat_body;
mod layout;
mod tokens;

use crate::schema::diagnostics::fault::{Faults, SourceFile};
use crate::schema::diagnostics::schema_error::SchemaError;
use crate::schema::parse::scan::scan;
use crate::schema::parse::{self, outline};
pub use canonical::canonical;
pub(super) use canonical::expr_text;
use std::sync::Arc;

/// Lays out the text of one schema file: indentation, spaces and blank lines are made uniform.
///
/// Every word, sign and comment of the text stays, in its order, and line breaks inside of statements stay where they are.
/// The result compiles to the same schema and is its own layout. Imported files are not read, and names are not looked
/// up: only the syntax has to be right. `name` is the file's path as diagnostics show it.
pub fn formatted(name: &str, text: &str) -> Result<String, SchemaError> {
    let mut faults = Faults::default();
    drop(parse::parse(0, text, &mut faults));
    let scanned = scan(text).ok().filter(|_| faults.is_empty());
    let Some(scanned) = scanned else {
        let file = SourceFile { name: Arc::from(name), text: text.into() };
        return Err(SchemaError::new(faults.into_diagnostics(&[file])));
    };

    let tokens = tokens::tokens(text, &scanned, &outline(text));
    Ok(layout::layout(&tokens, line_ending(text)))
}

/// The line ending of a text: that of its first line.
fn line_ending(text: &str) -> &'static str {
    let first = text.find('\n').and_then(|at| text.get(..at));
    if first.is_some_and(|line| line.ends_with('\r')) { "\r\n" } else { "\n" }
}
