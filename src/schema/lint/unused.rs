//! Relations and caveats that nothing uses.

use super::super::compiled::{AllowedForm, Expr, NodeId, Rule, Schema};
use super::never::visit_nodes;
use super::{Remarks, places};
use std::collections::HashSet;

pub(super) fn lint(schema: &Schema, remarks: &mut Remarks<'_>) {
    relations(schema, remarks);
    caveats(schema, remarks);
}

/// A definition without permissions is asked about by its relations; in others a relation that no permission and no
/// other relation names was probably forgotten.
fn relations(schema: &Schema, remarks: &mut Remarks<'_>) {
    let used = used_nodes(schema);
    let with_permissions: HashSet<_> =
        places(schema).filter(|p| p.permission().is_some()).map(|p| p.definition.id).collect();
    for place in places(schema) {
        let id = place.node.id;
        if place.relation().is_some()
            && with_permissions.contains(&place.definition.id)
            && !used.contains(&id)
        {
            let name = &place.node.name;
            let message = format!(
                "relation `{name}` is used by no permission and by no other relation of the schema"
            );
            let help = "add it to a permission, or take it out";
            remarks.about(place.node, "unused-relation", place.member.name().span, message, help);
        }
    }
}

fn used_nodes(schema: &Schema) -> HashSet<NodeId> {
    let mut used = HashSet::new();
    for node in &schema.nodes {
        match &node.rule {
            Rule::Permission(expr) => {
                visit_nodes(expr, &mut |id| {
                    used.insert(id);
                });
                visit_tuplesets(expr, &mut used);
            }
            Rule::Relation(allowed) => {
                used.extend(allowed.iter().filter_map(|allowed| match allowed.form {
                    AllowedForm::Userset(id) => Some(id),
                    AllowedForm::Object | AllowedForm::Wildcard => None,
                }));
            }
        }
    }
    used
}

fn visit_tuplesets(expr: &Expr, used: &mut HashSet<NodeId>) {
    match expr {
        Expr::Nil | Expr::Itself | Expr::Node(_) => {}
        Expr::Arrow(arrow) => {
            used.insert(arrow.tupleset);
        }
        Expr::Union(operands) | Expr::Intersection(operands) => {
            operands.iter().for_each(|operand| visit_tuplesets(operand, used));
        }
        Expr::Exclusion(base, subtracted) => {
            visit_tuplesets(base, used);
            visit_tuplesets(subtracted, used);
        }
    }
}

fn caveats(schema: &Schema, remarks: &mut Remarks<'_>) {
    let mut used = HashSet::new();
    for node in &schema.nodes {
        if let Rule::Relation(allowed) = &node.rule {
            used.extend(allowed.iter().filter_map(|allowed| allowed.caveat));
        }
    }
    for written in &schema.syntax.caveats {
        let name = &written.name;
        if schema.find_caveat(&name.text).is_some_and(|id| !used.contains(&id)) {
            let message = format!("caveat `{}` is used by no relation", name.text);
            let help = "let a relation take it with `with`, or take it out";
            let remark = (name.span, message);
            remarks.about_commented(&written.comment, "unused-caveat", remark, help);
        }
    }
}
