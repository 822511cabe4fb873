//! Permissions that nobody can ever have.

use super::super::ast::ExprKind;
use super::super::compiled::{Expr, NodeId, Quantifier, Rule, Schema};
use super::{Remarks, places};

pub(super) fn lint(schema: &Schema, remarks: &mut Remarks<'_>) {
    let possible = Possible::of(schema);
    for place in places(schema) {
        let Some(permission) = place.permission() else { continue };
        if !possible.node(place.node.id) {
            let message = format!("permission `{}` can never be true", place.node.name);
            let help = "if that is meant, write `nil`";
            remarks.about(place.node, "permission-never-true", permission.expr.span, message, help);
        }
    }
}

/// By node: whether some relationships put some subject into it.
struct Possible(Vec<bool>);

impl Possible {
    /// The least solution: each round adds what the last one made possible.
    fn of(schema: &Schema) -> Self {
        let mut possible = Self(vec![false; schema.nodes.len()]);
        let users = users(schema);
        let mut open: Vec<NodeId> = schema.nodes.iter().map(|node| node.id).collect();
        while let Some(id) = open.pop() {
            if possible.node(id) || !possible.decide(schema, id) {
                continue;
            }
            possible.0.get_mut(id.index()).into_iter().for_each(|known| *known = true);
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
            // Written on purpose, as a place to fill; so whatever builds on it is on purpose too.
            Rule::Permission(Expr::Nil) => is_plain_nil(schema, id),
            Rule::Permission(expr) => self.expr(expr),
        }
    }

    fn expr(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nil => false,
            Expr::Itself => true,
            Expr::Node(id) => self.node(*id),
            Expr::Arrow(arrow) => {
                let mut targets = arrow.branches.iter().filter_map(|branch| branch.target);
                match arrow.quantifier {
                    Quantifier::Any | Quantifier::All => targets.any(|id| self.node(id)),
                }
            }
            Expr::Union(operands) => operands.iter().any(|operand| self.expr(operand)),
            Expr::Intersection(operands) => operands.iter().all(|operand| self.expr(operand)),
            Expr::Exclusion(base, subtracted) => base != subtracted && self.expr(base),
        }
    }
}

fn is_plain_nil(schema: &Schema, id: NodeId) -> bool {
    let written = schema.syntax.members.get(id.index());
    written.is_some_and(|member| match member {
        super::super::ast::Member::Permission(permission) => {
            matches!(permission.expr.kind, ExprKind::Nil)
        }
        super::super::ast::Member::Relation(_) | super::super::ast::Member::PartialReference(_) => {
            false
        }
    })
}

/// By node: the permissions whose expressions name it.
fn users(schema: &Schema) -> Vec<Vec<NodeId>> {
    let mut users = vec![Vec::new(); schema.nodes.len()];
    for node in &schema.nodes {
        if let Rule::Permission(expr) = &node.rule {
            visit_nodes(expr, &mut |used| {
                users.get_mut(used.index()).into_iter().for_each(|users: &mut Vec<NodeId>| {
                    users.push(node.id);
                });
            });
        }
    }
    users
}

/// Visits every relation and permission that an expression names, arrows' targets included, their tuplesets not.
pub(super) fn visit_nodes(expr: &Expr, visit: &mut impl FnMut(NodeId)) {
    match expr {
        Expr::Nil | Expr::Itself => {}
        Expr::Node(id) => visit(*id),
        Expr::Arrow(arrow) => arrow.branches.iter().filter_map(|b| b.target).for_each(visit),
        Expr::Union(operands) | Expr::Intersection(operands) => {
            operands.iter().for_each(|operand| visit_nodes(operand, visit));
        }
        Expr::Exclusion(base, subtracted) => {
            visit_nodes(base, visit);
            visit_nodes(subtracted, visit);
        }
    }
}
