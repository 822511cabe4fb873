//! Expressions that are easily misread, or that name themselves.

use super::super::ast::{Expr, ExprKind};
use super::super::compiled::Schema;
use super::{Place, Remark, Remarks, arrows, places};

/// The longest expression, in bytes, that a remark spells out.
const SHOWN_BYTES_MAX: usize = 120;

pub(super) fn lint(schema: &Schema, remarks: &mut Remarks<'_>) {
    for place in places(schema) {
        if let Some(permission) = place.permission() {
            mixed(&place, &permission.expr, remarks);
            itself(&place, &permission.expr, remarks);
        }
    }
}

/// Remarks on operators of different kinds that meet without parentheses.
fn mixed(place: &Place<'_>, expr: &Expr, remarks: &mut Remarks<'_>) {
    let (ExprKind::Union(operands)
    | ExprKind::Intersection(operands)
    | ExprKind::Exclusion(operands)) = &expr.kind
    else {
        if let ExprKind::Group(inner) = &expr.kind {
            mixed(place, inner, remarks);
        }
        return;
    };
    if operands.iter().any(is_chain) {
        let read = explicit(expr);
        let read =
            if read.len() > SHOWN_BYTES_MAX { String::new() } else { format!(" as `{read}`") };
        let message = format!(
            "permission `{}` mixes operators without parentheses; it is read{read}",
            place.node.name
        );
        let help = "write the parentheses: `+` binds tighter than `&`, and `&` tighter than `-`";
        let (code, span) = ("mixed-operators-without-parentheses", expr.span);
        remarks.about(place.node, Remark { code, span, message, help });
    }
    groups(operands, &mut |inner| mixed(place, inner, remarks));
}

/// What stands in parentheses below these operands, not counting parentheses in parentheses.
fn groups<'e>(operands: &'e [Expr], visit: &mut impl FnMut(&'e Expr)) {
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

fn is_chain(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Union(_) | ExprKind::Intersection(_) | ExprKind::Exclusion(_))
}

/// The expression with parentheses around every operation that is inside of another.
fn explicit(expr: &Expr) -> String {
    let join = |operator: &str, operands: &[Expr]| {
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

/// Remarks on a permission that names itself.
fn itself(place: &Place<'_>, expr: &Expr, remarks: &mut Remarks<'_>) {
    match &expr.kind {
        ExprKind::Name(name) if *name == place.node.name => {
            let message = format!("permission `{name}` references itself");
            let help = "nobody gets in by already being in; take it out";
            let (code, span) = ("permission-references-itself", expr.span);
            remarks.about(place.node, Remark { code, span, message, help });
        }
        ExprKind::Nil | ExprKind::Itself | ExprKind::Name(_) | ExprKind::Arrow(_) => {}
        ExprKind::Group(inner) => itself(place, inner, remarks),
        ExprKind::Union(operands)
        | ExprKind::Intersection(operands)
        | ExprKind::Exclusion(operands) => operands.iter().for_each(|o| itself(place, o, remarks)),
    }
}
