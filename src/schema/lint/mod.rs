//! Lints: warnings about schemas that compile but probably do not say what was meant.
//!
//! A comment above the relation, permission, caveat or definition silences a warning: `// kilwa-ignore-warning: name`, or
//! `// spicedb-ignore-warning: name`.

mod arrows;
mod expressions;
mod names;
mod never;
mod unused;
mod warnings;

use super::diagnostics::diagnostic::Diagnostic;
use super::schema::Schema;
pub use unused::UNUSED_RELATION;
use warnings::LintWarnings;

/// The lint warnings about a schema, in source order.
pub fn lint(schema: &Schema) -> Vec<Diagnostic> {
    let mut warnings = LintWarnings::new(schema);
    names::lint(schema, &mut warnings);
    arrows::lint(schema, &mut warnings);
    expressions::lint(schema, &mut warnings);
    never::lint(schema, &mut warnings);
    unused::lint(schema, &mut warnings);
    warnings.into_diagnostics()
}
