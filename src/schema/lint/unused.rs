//! Relations and caveats that nothing uses.

use super::super::compiled::{AllowedForm, Expr, NodeId, Rule, Schema};
use super::never::named_nodes;
use super::{Remark, Remarks, UNUSED_RELATION, places};
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
            let (code, span) = (UNUSED_RELATION, place.member.name().span);
            remarks.about(place.node, Remark { code, span, message, help });
        }
    }
}

fn used_nodes(schema: &Schema) -> HashSet<NodeId> {
    let mut used = HashSet::new();
    for node in &schema.nodes {
        match &node.rule {
            Rule::Permission(expr) => {
                used.extend(named_nodes(expr));
                used.extend(expr.leaves().into_iter().filter_map(tupleset));
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

fn tupleset(leaf: &Expr) -> Option<NodeId> {
    match leaf {
        Expr::Arrow(arrow) => Some(arrow.tupleset),
        Expr::Nil
        | Expr::Itself
        | Expr::Node(_)
        | Expr::Union(_)
        | Expr::Intersection(_)
        | Expr::Exclusion(..) => None,
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
            let (code, span) = ("unused-caveat", name.span);
            remarks.below(&written.comment.written, Remark { code, span, message, help });
        }
    }
}
