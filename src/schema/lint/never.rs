//! Lint for permissions that no subject can ever have.

use super::warnings::{LintWarning, LintWarnings, lint_nodes};
use crate::schema::model::{Expr, NodeId, Rule};
use crate::schema::parse::ast::{ExprKind, MemberSyntax};
use crate::schema::schema::Schema;

pub(super) fn lint(schema: &Schema, warnings: &mut LintWarnings<'_>) {
    let possible = Possible::from_schema(schema);
    for linted in lint_nodes(schema) {
        let Some(permission) = linted.permission() else { continue };
        if !possible.node(linted.node.id) {
            let message = format!("permission `{}` can never be true", linted.node.name);
            let help = "if that is meant, write `nil`";
            let (code, span) = ("permission-never-true", permission.expr.span);
            warnings.about(linted.node, LintWarning { code, span, message, help });
        }
    }
}

/// By node: whether some relationships put some subject into it.
struct Possible(Vec<bool>);

impl Possible {
    /// The least fixpoint: each round adds the nodes that the last one made possible.
    fn from_schema(schema: &Schema) -> Self {
        let mut possible = Self(vec![false; schema.nodes.len()]);
        let users = users(schema);
        let mut open: Vec<NodeId> = schema.nodes.iter().map(|node| node.id).collect();
        while let Some(id) = open.pop() {
            if possible.node(id) || !possible.decide(schema, id) {
                continue;
            }
            if let Some(known) = possible.0.get_mut(id.index()) {
                *known = true;
            }
            open.extend(users.get(id.index()).into_iter().flatten());
        }
        possible
    }

    fn node(&self, id: NodeId) -> bool {
        self.0.get(id.index()).copied().unwrap_or(false)
    }

    fn decide(&self, schema: &Schema, id: NodeId) -> bool {
        match &schema.node(id).rule {
            Rule::Relation(_) => true,
            // Written on purpose, as a linted to fill; so whatever builds on it is on purpose too.
            Rule::Permission(Expr::Nil) => is_plain_nil(schema, id),
            Rule::Permission(expr) => self.expr(expr),
        }
    }

    fn expr(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nil => false,
            Expr::Itself => true,
            Expr::Node(id) => self.node(*id),
            // For `.all` too: there may be objects of only those types that have the target.
            Expr::Arrow(arrow) => {
                arrow.branches.iter().any(|branch| branch.target.is_some_and(|id| self.node(id)))
            }
            Expr::Union(operands) => operands.iter().any(|operand| self.expr(operand)),
            Expr::Intersection(operands) => operands.iter().all(|operand| self.expr(operand)),
            Expr::Exclusion(base, subtracted) => base != subtracted && self.expr(base),
        }
    }
}

fn is_plain_nil(schema: &Schema, id: NodeId) -> bool {
    match schema.syntax.members.get(id.index()) {
        Some(MemberSyntax::Permission(permission)) => matches!(permission.expr.kind, ExprKind::Nil),
        Some(MemberSyntax::Relation(_) | MemberSyntax::PartialReference(_)) | None => false,
    }
}

/// By node: the permissions whose expressions name it.
fn users(schema: &Schema) -> Vec<Vec<NodeId>> {
    let mut users = vec![Vec::new(); schema.nodes.len()];
    for node in &schema.nodes {
        if let Rule::Permission(expr) = &node.rule {
            for used in expr.named_nodes() {
                if let Some(users) = users.get_mut(used.index()) {
                    users.push(node.id);
                }
            }
        }
    }
    users
}
