//! A node of the evaluation graph: a relation or permission of one object.

use crate::schema::{NodeId, Schema};
use std::rc::Rc;

/// Maximum number of nodes that an error about a cycle lists.
pub(super) const CYCLE_NAMES_MAX: usize = 20;

/// A relation or permission of one object, `object#relation`. The schema node determines the type, so the id is enough.
pub(super) type ObjectAndRelation = (NodeId, Rc<str>);

/// The node in the notation `document:plan#view`.
pub(super) fn onr_name(schema: &Schema, (node, object_id): &ObjectAndRelation) -> String {
    let node = schema.node(*node);
    format!("{}:{object_id}#{}", schema.definition(node.definition).name, node.name)
}
