//! Errors about names that the schema does not define.

use crate::relationship::{NameKind, require_name};
use crate::schema::diagnostics::fault::SchemaFault;
use crate::schema::diagnostics::position::Span;
use crate::schema::model::DefinitionId;
use crate::schema::schema::Schema;

/// A name that no relation or permission of a definition has. `None` when none could have it, which is a fault already.
pub(super) fn unknown_node(
    schema: &Schema,
    definition: DefinitionId,
    name: &str,
    span: Span,
) -> Option<SchemaFault> {
    require_name(NameKind::Relation, name).ok()?;
    let definition = schema.definition(definition);
    let message =
        format!("relation/permission `{name}` not found under definition `{}`", definition.name);
    let candidates = definition.nodes.iter().map(|id| schema.node(*id).name.as_str());
    let fault = SchemaFault::typed("unknown-relation", span, message).missing(name).about([
        ("definition_name", definition.name.as_str()),
        ("relation_or_permission_name", name),
    ]);
    Some(fault.suggest(name, candidates))
}
