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
mod wildcards;

use super::compiled::{Schema, Syntax};
use super::diagnostic::Diagnostic;
use super::fault::{Fault, Faults};
use super::load::Program;
use super::reachability::Reachability;
use crate::relationship::{NameKind, require_name};

/// Makes a schema of parsed files, or says what is wrong with them. `faults` are those of parsing.
pub(super) fn check(program: Program, mut faults: Faults) -> Result<Schema, Vec<Diagnostic>> {
    let Program { files, trees } = program;
    if faults.lost.is_anything() {
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

/// A name that no relation or permission of a definition has. `None` when none could have it, which is a fault already.
fn unknown_node(
    schema: &Schema,
    definition: super::compiled::DefinitionId,
    name: &str,
    span: super::ast::Span,
) -> Option<Fault> {
    require_name(NameKind::Relation, name).ok()?;
    let definition = schema.definition(definition);
    let message =
        format!("relation/permission `{name}` not found under definition `{}`", definition.name);
    let candidates = definition.nodes.iter().map(|id| schema.node(*id).name.as_str());
    let fault = Fault::typed("unknown-relation", span, message).missing(name).about([
        ("definition_name", definition.name.as_str()),
        ("relation_or_permission_name", name),
    ]);
    Some(fault.suggest(name, candidates))
}
