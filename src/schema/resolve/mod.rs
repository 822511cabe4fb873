//! Syntax tree to [`Schema`]: resolves names, checks types, reports everything at once.
//!
//! The schema is filled stage by stage: first every name gets its id, then relations, then expressions. A stage that
//! finds a fault goes on with a harmless stand-in; a schema with faults is never handed out.

mod annotations;
mod caveats;
mod cycles;
mod declare;
mod names;
mod partials;
mod permissions;
mod relations;
mod unknown;
mod wildcards;

use crate::schema::diagnostics::diagnostic::Diagnostic;
use crate::schema::diagnostics::fault::Faults;
use crate::schema::imports::SchemaFiles;
use crate::schema::reachability::Reachability;
use crate::schema::schema::{Schema, Syntax};

/// Makes a schema of parsed files, or says what is wrong with them. `faults` are those of parsing.
pub(super) fn resolve(
    files_and_trees: SchemaFiles,
    mut faults: Faults,
) -> Result<Schema, Vec<Diagnostic>> {
    let SchemaFiles { files, trees } = files_and_trees;
    if faults.unread.is_anything() {
        return Err(faults.into_diagnostics(&files));
    }
    let mut schema = Schema { syntax: Syntax { files, ..Syntax::default() }, ..Schema::default() };
    names::check(&trees, &mut faults);
    let checks_annotations = trees.iter().any(|tree| tree.checks_annotations);
    let declared = declare::declare(trees, &mut schema, &mut faults);
    caveats::compile(declared.caveats, &mut schema, &mut faults);
    relations::resolve(&mut schema, &mut faults);
    let wildcards = wildcards::find(&schema);
    wildcards::check(&schema, &wildcards, &mut faults);
    permissions::resolve(&mut schema, &wildcards, &mut faults);
    cycles::check(&schema, &mut faults);
    if checks_annotations {
        annotations::check(&schema, &mut faults);
    }
    if !faults.is_empty() {
        return Err(faults.into_diagnostics(&schema.syntax.files));
    }
    schema.reachability = Reachability::of(&schema.nodes);
    Ok(schema)
}
