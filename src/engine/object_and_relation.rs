//! A node of the evaluation graph: a relation or permission of one object.

use crate::schema::{NodeId, Schema};
use std::rc::Rc;

/// The most places that an error about a cycle names.
pub(super) const CYCLE_NAMES_MAX: usize = 20;

/// A relation or permission of one object. The node fixes the type, so the id is enough.
pub(super) type ObjectAndRelation = (NodeId, Rc<str>);

/// `document:plan#view`.
pub(super) fn place_name(schema: &Schema, (node, object_id): &ObjectAndRelation) -> String {
    let node = schema.node(*node);
    format!("{}:{object_id}#{}", schema.definition(node.definition).name, node.name)
}
