//! Resolves the names of a query to the ids of the schema.

use crate::engine::error::EngineError;
use crate::relationship::{Context, Subject};
use crate::schema::{DefinitionId, NodeId, Schema};

/// The subject of a query with its ids in the schema, and the request's context.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResolvedSubject<'q> {
    pub(super) subject: &'q Subject,
    pub(super) definition: DefinitionId,
    /// The relation of a userset; `None` for an object.
    pub(super) node: Option<NodeId>,
    pub(super) context: &'q Context,
}

/// Resolves a subject's names to ids.
pub(super) fn resolve_subject<'q>(
    schema: &Schema,
    subject: &'q Subject,
    context: &'q Context,
) -> Result<ResolvedSubject<'q>, EngineError> {
    let definition = require_definition(schema, subject.object_type())?;
    let node = match subject {
        Subject::Object(_) => None,
        Subject::Userset(_, relation) => Some(require_node(schema, definition, relation)?),
        Subject::Wildcard(_) => return Err(EngineError::WildcardSubject),
    };
    Ok(ResolvedSubject { subject, definition, node, context })
}

pub(super) fn require_definition(schema: &Schema, name: &str) -> Result<DefinitionId, EngineError> {
    match schema.find_definition(name) {
        Some(definition) => Ok(definition.id),
        None => Err(EngineError::UnknownDefinition { name: name.to_owned() }),
    }
}

pub(super) fn require_node(
    schema: &Schema,
    definition: DefinitionId,
    name: &str,
) -> Result<NodeId, EngineError> {
    match schema.find_node(definition, name) {
        Some(node) => Ok(node.id),
        None => Err(EngineError::UnknownRelation {
            definition: schema.definition(definition).name.clone(),
            name: name.to_owned(),
        }),
    }
}
