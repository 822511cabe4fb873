//! Lints for expressions that are easily misread, and permissions that reference themselves.

use super::arrows;
use super::warnings::{LintNode, LintWarning, LintWarnings, lint_nodes};
use crate::schema::parse::ast::{ExprKind, ExprSyntax};
use crate::schema::schema::Schema;

/// The longest expression, in bytes, that a warning spells out.
const SHOWN_BYTES_MAX: usize = 120;

pub(super) fn lint(schema: &Schema, warnings: &mut LintWarnings<'_>) {
    for linted in lint_nodes(schema) {
        if let Some(permission) = linted.permission() {
            mixed(&linted, &permission.expr, warnings);
            itself(&linted, &permission.expr, warnings);
        }
    }
}

/// Warns about operators of different kinds that meet without parentheses.
fn mixed(linted: &LintNode<'_>, expr: &ExprSyntax, warnings: &mut LintWarnings<'_>) {
    let (ExprKind::Union(operands)
    | ExprKind::Intersection(operands)
    | ExprKind::Exclusion(operands)) = &expr.kind
    else {
        if let ExprKind::Group(inner) = &expr.kind {
            mixed(linted, inner, warnings);
        }
        return;
    };

    if operands.iter().any(is_chain) {
        let read = explicit(expr);
        let read =
            if read.len() > SHOWN_BYTES_MAX { String::new() } else { format!(" as `{read}`") };
        let message = format!(
            "permission `{}` mixes operators without parentheses; it is read{read}",
            linted.node.name
        );
        let help = "write the parentheses: `+` binds tighter than `&`, and `&` tighter than `-`";
        let (code, span) = ("mixed-operators-without-parentheses", expr.span);
        warnings.about(linted.node, LintWarning { code, span, message, help });
    }
    groups(operands, &mut |inner| mixed(linted, inner, warnings));
}

/// What stands in parentheses below these operands, not counting parentheses in parentheses.
fn groups<'e>(operands: &'e [ExprSyntax], visit: &mut impl FnMut(&'e ExprSyntax)) {
    for operand in operands {
        match &operand.kind {
            ExprKind::Group(inner) => visit(inner),
            ExprKind::Union(inner) | ExprKind::Intersection(inner) | ExprKind::Exclusion(inner) => {
                groups(inner, visit);
            }
            ExprKind::Nil | ExprKind::Itself | ExprKind::Name(_) | ExprKind::Arrow(_) => {}
        }
    }
}

fn is_chain(expr: &ExprSyntax) -> bool {
    matches!(expr.kind, ExprKind::Union(_) | ExprKind::Intersection(_) | ExprKind::Exclusion(_))
}

/// The expression with parentheses around every operation that is inside of another.
fn explicit(expr: &ExprSyntax) -> String {
    let join = |operator: &str, operands: &[ExprSyntax]| {
        let parts: Vec<String> = operands
            .iter()
            .map(|o| if is_chain(o) { format!("({})", explicit(o)) } else { explicit(o) })
            .collect();
        parts.join(operator)
    };
    match &expr.kind {
        ExprKind::Nil => "nil".to_owned(),
        ExprKind::Itself => "self".to_owned(),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Arrow(arrow) => arrows::shown(arrow),
        ExprKind::Group(inner) => format!("({})", explicit(inner)),
        ExprKind::Union(operands) => join(" + ", operands),
        ExprKind::Intersection(operands) => join(" & ", operands),
        ExprKind::Exclusion(operands) => join(" - ", operands),
    }
}

/// Warns about a permission that names itself.
fn itself(linted: &LintNode<'_>, expr: &ExprSyntax, warnings: &mut LintWarnings<'_>) {
    match &expr.kind {
        ExprKind::Name(name) if *name == linted.node.name => {
            let message = format!("permission `{name}` references itself");
            let help = "remove it: a permission adds no subjects to itself";
            let (code, span) = ("permission-references-itself", expr.span);
            warnings.about(linted.node, LintWarning { code, span, message, help });
        }
        ExprKind::Nil | ExprKind::Itself | ExprKind::Name(_) | ExprKind::Arrow(_) => {}
        ExprKind::Group(inner) => itself(linted, inner, warnings),
        ExprKind::Union(operands)
        | ExprKind::Intersection(operands)
        | ExprKind::Exclusion(operands) => {
            for operand in operands {
                itself(linted, operand, warnings);
            }
        }
    }
}
