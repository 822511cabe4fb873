//! Lints for unused relations and caveats.

use super::warnings::{LintWarning, LintWarnings, lint_nodes};
use crate::schema::model::{AllowedForm, Expr, NodeId, Rule};
use crate::schema::schema::Schema;
use std::collections::HashSet;

/// The code of the warning about a relation that nothing uses.
pub const UNUSED_RELATION: &str = "unused-relation";

pub(super) fn lint(schema: &Schema, warnings: &mut LintWarnings<'_>) {
    relations(schema, warnings);
    caveats(schema, warnings);
}

/// A definition without permissions is checked by its relations; in others, a relation that no permission and no other
/// relation names was probably left out by mistake.
fn relations(schema: &Schema, warnings: &mut LintWarnings<'_>) {
    let used = used_nodes(schema);
    let with_permissions: HashSet<_> =
        lint_nodes(schema).filter(|p| p.permission().is_some()).map(|p| p.definition.id).collect();

    for linted in lint_nodes(schema) {
        let id = linted.node.id;
        if linted.relation().is_some()
            && with_permissions.contains(&linted.definition.id)
            && !used.contains(&id)
        {
            let name = &linted.node.name;
            let message = format!(
                "relation `{name}` is used by no permission and by no other relation of the schema"
            );
            let help = "add it to a permission, or take it out";
            let (code, span) = (UNUSED_RELATION, linted.member.name().span);
            warnings.about(linted.node, LintWarning { code, span, message, help });
        }
    }
}

fn used_nodes(schema: &Schema) -> HashSet<NodeId> {
    let mut used = HashSet::new();
    for node in &schema.nodes {
        match &node.rule {
            Rule::Permission(expr) => {
                used.extend(expr.named_nodes());
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

fn caveats(schema: &Schema, warnings: &mut LintWarnings<'_>) {
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
            warnings.below(&written.comment.written, LintWarning { code, span, message, help });
        }
    }
}
