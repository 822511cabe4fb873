//! Compilation: schema text in, a [`Schema`] or diagnostics out.

use super::diagnostics::fault::Faults;
use super::diagnostics::schema_error::SchemaError;
use super::imports::{self, Loader};
use super::resolve;
use super::schema::Schema;

/// The name under which diagnostics show a schema that came without a file.
const UNNAMED: &str = "schema";

/// Compiles a schema from one text: imports are refused. Diagnostics call it `schema`.
///
/// # Errors
///
/// All that is wrong with the text, as far as it can be told at once:
///
/// ```
/// let error = kilwa::schema::compile("definition document {\n  relation reader: usr\n}").unwrap_err();
/// assert!(error.to_string().starts_with("schema:2:20: "), "{error}");
/// ```
pub fn compile(source: &str) -> Result<Schema, SchemaError> {
    compile_named(UNNAMED, source, None)
}

/// Compiles a schema from a text and the files that it imports. Without `load`, imports are refused.
///
/// `name` is the file's path as diagnostics show it. `load` reads the text of a file, given its path relative to the
/// folder of `name`; its error says why the file cannot be read.
pub fn compile_named(
    name: &str,
    text: &str,
    load: Option<&Loader<'_>>,
) -> Result<Schema, SchemaError> {
    let mut faults = Faults::default();
    let files = imports::read_files(name, text, load, &mut faults);
    resolve::resolve(files, faults).map_err(SchemaError::new)
}
