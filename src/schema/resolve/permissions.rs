//! Permissions: resolves the names of their expressions.

use super::unknown::unknown_node;
use super::wildcards::Wildcards;
use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::diagnostics::position::Span;
use crate::schema::model::{
    AllowedForm, Arrow, ArrowBranch, ArrowNotation, DefinitionId, Expr, NodeId, Quantifier, Rule,
};
use crate::schema::parse::ast::{self, ArrowOperator, ExprKind, MemberSyntax};
use crate::schema::schema::Schema;
use std::collections::HashSet;
use std::sync::Arc;

/// How deep operations may nest in one permission. A chain of `-` nests one level for each further operand.
const DEPTH_MAX: usize = 100;
/// How many ways all arrows together may lead on, counted once for each form of subject of the relation they follow.
const BRANCHES_MAX: usize = 1_000_000;

/// Resolves the expression of every permission.
pub(super) fn resolve(schema: &mut Schema, wildcards: &Wildcards, faults: &mut Faults) {
    let mut branches_left = BRANCHES_MAX;
    for position in 0..schema.nodes.len() {
        let Some(MemberSyntax::Permission(written)) = schema.syntax.members.get(position) else {
            continue;
        };
        let written = Arc::clone(written);
        let Some(node) = schema.nodes.get(position) else { continue };
        let definition = node.definition;
        let name = written.name.text.as_str();
        let mut resolving =
            PermissionResolver { schema, wildcards, faults, definition, name, branches_left };
        let expr = resolving.expr(&written.expr, 0);
        branches_left = resolving.branches_left;
        if let Some(node) = schema.nodes.get_mut(position) {
            node.rule = Rule::Permission(expr.unwrap_or(Expr::Nil));
        }
    }
}

struct PermissionResolver<'s> {
    schema: &'s Schema,
    wildcards: &'s Wildcards,
    faults: &'s mut Faults,
    /// Where the permission is.
    definition: DefinitionId,
    /// Its name.
    name: &'s str,
    branches_left: usize,
}

/// `None` means that a fault was reported.
impl PermissionResolver<'_> {
    fn expr(&mut self, written: &ast::ExprSyntax, depth: usize) -> Option<Expr> {
        if depth > DEPTH_MAX {
            self.too_deep(written.span);
            return None;
        }

        Some(match &written.kind {
            ExprKind::Nil => Expr::Nil,
            ExprKind::Itself => Expr::Itself,
            ExprKind::Name(name) => Expr::Node(self.node(name, written.span)?),
            ExprKind::Arrow(arrow) => Expr::Arrow(self.arrow(arrow)?),
            ExprKind::Group(inner) => return self.expr(inner, depth),
            ExprKind::Union(operands) => {
                let operands = self.operands(operands, depth)?;
                Expr::Union(operands.into_iter().flat_map(union_operands).collect())
            }
            ExprKind::Intersection(operands) => {
                let operands = self.operands(operands, depth)?;
                Expr::Intersection(operands.into_iter().flat_map(intersection_operands).collect())
            }
            ExprKind::Exclusion(operands) => {
                if depth + operands.len() > DEPTH_MAX {
                    self.too_deep(written.span);
                    return None;
                }
                let operands = self.operands(operands, depth + operands.len() - 2)?;
                return operands
                    .into_iter()
                    .reduce(|base, out| Expr::Exclusion(Box::new(base), Box::new(out)));
            }
        })
    }

    /// Every operand, so that each one's faults are reported.
    fn operands(&mut self, written: &[ast::ExprSyntax], depth: usize) -> Option<Vec<Expr>> {
        let resolved: Vec<Option<Expr>> =
            written.iter().map(|operand| self.expr(operand, depth + 1)).collect();
        resolved.into_iter().collect()
    }

    fn node(&mut self, name: &str, span: Span) -> Option<NodeId> {
        let found = self.schema.find_node(self.definition, name).map(|node| node.id);
        if found.is_none() && !self.faults.is_full() {
            self.faults.extend(unknown_node(self.schema, self.definition, name, span));
        }
        found
    }

    fn arrow(&mut self, written: &ast::ArrowSyntax) -> Option<Arrow> {
        let tupleset = self.node(&written.left.text, written.left.span)?;
        self.check_tupleset(tupleset, written.left.span)?;
        let branches = self.branches(tupleset, &written.right.text, written.left.span)?;
        let (quantifier, notation) = match written.operator {
            ArrowOperator::Arrow => (Quantifier::Any, ArrowNotation::Arrow),
            ArrowOperator::Any => (Quantifier::Any, ArrowNotation::Function),
            ArrowOperator::All => (Quantifier::All, ArrowNotation::Function),
        };
        let target = written.right.text.clone();
        Some(Arrow { quantifier, notation, tupleset, target, branches })
    }

    /// Only relations can be followed, and only those whose subjects can be counted.
    fn check_tupleset(&mut self, tupleset: NodeId, span: Span) -> Option<()> {
        let schema = self.schema;
        let definition = ("definition_name", schema.definition(self.definition).name.as_str());
        let permission = ("permission_name", self.name);

        let fault = if let Rule::Permission(_) = schema.node(tupleset).rule {
            let message = format!(
                "under permission `{}` under definition `{}`: permissions cannot be used on the left hand side of an \
                 arrow (found `{}`)",
                self.name,
                schema.definition(self.definition).name,
                schema.node(tupleset).name
            );
            let used = ("used_permission_name", schema.node(tupleset).name.as_str());
            SchemaFault::typed("arrow-over-permission", span, message)
                .about([definition, permission, used])
        } else if let Some(wildcard) = self.wildcards.get(tupleset.index()).copied().flatten() {
            let message = format!(
                "for arrow under permission `{}`: relation `{}` includes wildcard type `{}` via relation `{}`: \
                 wildcard relations cannot be used on the left side of arrows",
                self.name,
                schema.node_name(tupleset),
                schema.definition(wildcard.definition).name,
                schema.node_name(wildcard.via),
            );
            let relation = ("accessed_relation_name", schema.node(tupleset).name.as_str());
            SchemaFault::typed("arrow-over-wildcard", span, message)
                .about([definition, permission, relation])
        } else {
            return Some(());
        };
        self.faults.push(fault);
        None
    }

    /// The arrow's targets, for each subject type that the tupleset allows.
    fn branches(&mut self, tupleset: NodeId, target: &str, span: Span) -> Option<Vec<ArrowBranch>> {
        let Rule::Relation(allowed) = &self.schema.node(tupleset).rule else { return None };
        let mut seen = HashSet::new();
        let mut branches = Vec::new();
        for allowed in allowed {
            let subject_relation = match allowed.form {
                AllowedForm::Object | AllowedForm::Wildcard => None,
                AllowedForm::Userset(node) => Some(node),
            };
            if seen.insert((allowed.definition, subject_relation)) {
                let definition = allowed.definition;
                let target = self.schema.find_node(definition, target).map(|node| node.id);
                branches.push(ArrowBranch { definition, subject_relation, target });
            }
        }

        let Some(left) = self.branches_left.checked_sub(branches.len()) else {
            let message = format!(
                "the schema's arrows lead to more than {BRANCHES_MAX} relations and permissions"
            );
            self.faults.push(SchemaFault::typed("too-many-branches", span, message));
            return None;
        };
        self.branches_left = left;
        Some(branches)
    }

    fn too_deep(&mut self, span: Span) {
        let message =
            format!("permission `{}` nests more than {DEPTH_MAX} operations deep", self.name);
        let fault = SchemaFault::parse("nested-too-deep", span, message);
        self.faults.push(fault.help("move a part of the expression into a permission of its own"));
    }
}

/// The operands of a union; anything else is an operand itself.
fn union_operands(expr: Expr) -> Vec<Expr> {
    if let Expr::Union(operands) = expr { operands } else { vec![expr] }
}

/// The operands of an intersection; anything else is an operand itself.
fn intersection_operands(expr: Expr) -> Vec<Expr> {
    if let Expr::Intersection(operands) = expr { operands } else { vec![expr] }
}
