//! Changes of expressions that can only add subjects.

use super::format::expr_text;
use super::model::{AllowedForm, Expr, NodeId, Rule};
use super::schema::Schema;
use std::collections::HashSet;

/// Whether replacing the expression `was` by `is`, that of the permission `node`, can only add subjects, everywhere in
/// the schema. `false` also where that cannot be seen from the expressions alone.
///
/// Two things are required. The operands of the new union cover the old expression. And no exclusion subtracts the
/// permission, directly or through others: there, more subjects in the permission are fewer in the exclusion.
pub(super) fn only_adds(
    (from, was): (&Schema, &Expr),
    (to, is): (&Schema, &Expr),
    node: NodeId,
) -> bool {
    let operands = match is {
        Expr::Union(operands) => operands.as_slice(),
        Expr::Nil
        | Expr::Itself
        | Expr::Node(_)
        | Expr::Arrow(_)
        | Expr::Intersection(_)
        | Expr::Exclusion(..) => std::slice::from_ref(is),
    };
    let texts = operands.iter().map(|operand| expr_text(to, operand)).collect();

    is_covered(from, was, &texts) && !subtracted_nodes(to).contains(&node)
}

/// Whether every subject of an expression is in one of these operands: an intersection is no larger than each of its
/// operands, and an exclusion no larger than its base.
fn is_covered(schema: &Schema, expr: &Expr, operands: &HashSet<String>) -> bool {
    operands.contains(&expr_text(schema, expr))
        || match expr {
            Expr::Nil => true,
            Expr::Itself | Expr::Node(_) | Expr::Arrow(_) => false,
            Expr::Union(parts) => parts.iter().all(|part| is_covered(schema, part, operands)),
            Expr::Intersection(parts) => {
                parts.iter().any(|part| is_covered(schema, part, operands))
            }
            Expr::Exclusion(base, _) => is_covered(schema, base, operands),
        }
}

/// Every relation and permission from which an exclusion's subtracted side is computed.
fn subtracted_nodes(schema: &Schema) -> HashSet<NodeId> {
    let mut found = HashSet::new();
    let mut open: Vec<NodeId> = schema
        .nodes()
        .iter()
        .filter_map(|node| match &node.rule {
            Rule::Permission(expr) => Some(expr),
            Rule::Relation(_) => None,
        })
        .flat_map(subtracted_operands)
        .flat_map(Expr::named_nodes)
        .collect();

    while let Some(id) = open.pop() {
        if !found.insert(id) {
            continue;
        }
        match &schema.node(id).rule {
            Rule::Permission(expr) => open.extend(expr.named_nodes()),
            Rule::Relation(allowed) => open.extend(allowed.iter().filter_map(|it| match it.form {
                AllowedForm::Userset(userset) => Some(userset),
                AllowedForm::Object | AllowedForm::Wildcard => None,
            })),
        }
    }
    found
}

/// The subtracted sides of all exclusions in an expression.
fn subtracted_operands(expr: &Expr) -> Vec<&Expr> {
    let mut subtracted_operands = Vec::new();
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Nil | Expr::Itself | Expr::Node(_) | Expr::Arrow(_) => {}
            Expr::Union(operands) | Expr::Intersection(operands) => open.extend(operands),
            Expr::Exclusion(base, subtracted) => {
                open.push(base);
                subtracted_operands.push(&**subtracted);
            }
        }
    }
    subtracted_operands
}
