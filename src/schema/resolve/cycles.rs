//! Cycles of permissions that are only aliases of each other: they have no meaning.

use crate::schema::diagnostics::fault::{Faults, SchemaFault, listed};
use crate::schema::model::{Expr, Node, NodeId, Rule};
use crate::schema::schema::Schema;

/// Reports each cycle once, at its first permission.
pub(super) fn check(schema: &Schema, faults: &mut Faults) {
    let mut visited_by: Vec<Option<NodeId>> = vec![None; schema.nodes.len()];
    for start in &schema.nodes {
        let mut next = Some(start);
        while let Some(node) = next {
            let Some(entry) = visited_by.get_mut(node.id.index()) else { break };
            if let Some(visitor) = *entry {
                if visitor == start.id {
                    faults.push(cycle_fault(schema, node));
                }
                break;
            }
            *entry = Some(start.id);
            next = alias(schema, node);
        }
    }
}

/// The relation or permission that a permission is only another name for.
fn alias<'s>(schema: &'s Schema, node: &Node) -> Option<&'s Node> {
    match &node.rule {
        Rule::Permission(Expr::Node(id)) => Some(schema.node(*id)),
        Rule::Permission(_) | Rule::Relation(_) => None,
    }
}

fn cycle_fault(schema: &Schema, start: &Node) -> SchemaFault {
    let mut ids = vec![start.id];
    let mut next = alias(schema, start);
    while let Some(node) = next.filter(|node| node.id != start.id) {
        ids.push(node.id);
        next = alias(schema, node);
    }
    ids.sort_unstable();
    let names: Vec<&str> = ids.iter().map(|id| schema.node(*id).name.as_str()).collect();
    let definition = schema.definition(start.definition).name.as_str();
    let message = format!(
        "under definition `{definition}`, there exists a cycle in permissions: {}",
        listed(&names)
    );
    let first = ids.first().copied().unwrap_or(start.id);
    SchemaFault::typed("permission-cycle", schema.syntax.name_span(first), message)
        .about([("definition_name", definition), ("permission_names", &names.join(","))])
}
