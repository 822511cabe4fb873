//! Syntax tree to [`Schema`]: resolves names, checks types, reports everything at once.
//!
//! The schema is filled stage by stage: first every name gets its id, then relations, then expressions. A stage that
//! finds a fault continues with a harmless placeholder; a schema with faults is never returned.

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

/// Resolves parsed files into a schema, or returns every diagnostic. `faults` are those of parsing.
pub(super) fn resolve(
    files_and_trees: SchemaFiles,
    mut faults: Faults,
) -> Result<Schema, Vec<Diagnostic>> {
    let SchemaFiles { files, trees } = files_and_trees;
    // With a whole file or many statements unread, every further "not found" would be a follow-up error.
    if faults.unread.is_anything() {
        return Err(faults.into_diagnostics(&files));
    }

    let mut schema = Schema { syntax: Syntax { files, ..Syntax::default() }, ..Schema::default() };
    names::check(&trees, &mut faults);
    let checks_annotations = trees.iter().any(|tree| tree.checks_annotations);
    let declared = declare::declare(trees, &mut schema, &mut faults);
    // Relations refer to caveats by id, and wildcards are found before arrows are checked against them.
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
    debug_assert_eq!(
        schema.nodes.len(),
        schema.syntax.members.len(),
        "one syntax tree for each node"
    );
    debug_assert_eq!(schema.caveats.len(), schema.caveat_ids.len(), "every caveat was compiled");
    debug_assert!(
        schema.nodes.iter().enumerate().all(|(at, node)| node.id.index() == at),
        "nodes are in id order"
    );
    schema.reachability = Reachability::from_nodes(&schema.nodes);
    Ok(schema)
}
