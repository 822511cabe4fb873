//! Lints for arrows without a target, or with an unexpected one.

use super::warnings::{LintNode, LintWarning, LintWarnings, lint_nodes};
use crate::schema::diagnostics::position::Span;
use crate::schema::model::{self, AllowedForm, DefinitionId, Rule};
use crate::schema::parse::ast::{ArrowOperator, ArrowSyntax, ExprKind, ExprSyntax};
use crate::schema::schema::Schema;

pub(super) fn lint(schema: &Schema, warnings: &mut LintWarnings<'_>) {
    for linted in lint_nodes(schema) {
        let Some(permission) = linted.permission() else { continue };
        let mut linter = ArrowLinter { schema, linted: &linted, warnings };
        linter.expr(&permission.expr);
    }
}

struct ArrowLinter<'l, 's> {
    schema: &'l Schema,
    linted: &'l LintNode<'l>,
    warnings: &'l mut LintWarnings<'s>,
}

impl ArrowLinter<'_, '_> {
    fn expr(&mut self, expr: &ExprSyntax) {
        match &expr.kind {
            ExprKind::Nil | ExprKind::Itself | ExprKind::Name(_) => {}
            ExprKind::Arrow(arrow) => self.arrow(arrow, expr.span),
            ExprKind::Group(inner) => self.expr(inner),
            ExprKind::Union(operands)
            | ExprKind::Intersection(operands)
            | ExprKind::Exclusion(operands) => operands.iter().for_each(|o| self.expr(o)),
        }
    }

    fn arrow(&mut self, arrow: &ArrowSyntax, span: Span) {
        let types = self.types(&arrow.left.text);
        let (having, lacking): (Vec<DefinitionId>, Vec<DefinitionId>) = types
            .into_iter()
            .partition(|id| self.schema.find_node(*id, &arrow.right.text).is_some());
        if having.is_empty() {
            self.unreachable(arrow, span);
        } else if let Some(skipped) = lacking.into_iter().find(|id| self.is_skipped(arrow, *id)) {
            self.skips(arrow, skipped, span);
        }
        self.walks_usersets(arrow, span);
        self.targets_relation(arrow, &having, span);
    }

    /// The types that the left side of an arrow points to, each once.
    fn types(&self, left: &str) -> Vec<DefinitionId> {
        let tupleset = self.linted.sibling(self.schema, left).map(|id| &self.schema.node(id).rule);
        let Some(Rule::Relation(allowed)) = tupleset else { return Vec::new() };
        let mut types: Vec<DefinitionId> = allowed.iter().map(|a| a.definition).collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// Whether objects of a type that lacks an arrow's target contribute nothing. Often another arrow of the permission
    /// covers them, or the relation itself is in the permission, so that they count themselves.
    fn is_skipped(&self, arrow: &ArrowSyntax, lacking: DefinitionId) -> bool {
        let Rule::Permission(expr) = &self.linted.node.rule else { return false };
        let tupleset = self.linted.sibling(self.schema, &arrow.left.text);
        let serves = |leaf: &model::Expr| match leaf {
            model::Expr::Node(id) => tupleset == Some(*id),
            model::Expr::Arrow(other) => {
                tupleset == Some(other.tupleset)
                    && other.branches.iter().any(|b| b.definition == lacking && b.target.is_some())
            }
            model::Expr::Nil
            | model::Expr::Itself
            | model::Expr::Union(_)
            | model::Expr::Intersection(_)
            | model::Expr::Exclusion(..) => false,
        };
        arrow.operator == ArrowOperator::All || !expr.leaves().into_iter().any(serves)
    }

    fn unreachable(&mut self, arrow: &ArrowSyntax, span: Span) {
        let (text, right, left) = (shown(arrow), &arrow.right.text, &arrow.left.text);
        let message = format!(
            "arrow `{text}` under permission `{}` references relation/permission `{right}` that does not exist on any \
             subject types of relation `{left}`",
            self.linted.node.name
        );
        let help = "the arrow never finds a subject: check the name";
        let code = "arrow-references-unreachable-relation";
        self.warnings.about(self.linted.node, LintWarning { code, span, message, help });
    }

    fn skips(&mut self, arrow: &ArrowSyntax, lacking: DefinitionId, span: Span) {
        let lacking = &self.schema.definition(lacking).name;
        let (text, right) = (shown(arrow), &arrow.right.text);
        let (effect, help) = match arrow.operator {
            ArrowOperator::All => (
                "one such object denies the permission to every subject",
                "give every type of the relation that name",
            ),
            ArrowOperator::Arrow | ArrowOperator::Any => (
                "no subject is found through such objects",
                "add the name to that type, or silence this warning if that is intended",
            ),
        };

        let message = format!(
            "arrow `{text}` under permission `{}` meets objects of type `{lacking}`, which has no `{right}`: {effect}",
            self.linted.node.name
        );
        let code = "arrow-skips-type";
        self.warnings.about(self.linted.node, LintWarning { code, span, message, help });
    }

    fn walks_usersets(&mut self, arrow: &ArrowSyntax, span: Span) {
        let Some(tupleset) = self.linted.sibling(self.schema, &arrow.left.text) else { return };
        let Rule::Relation(allowed) = &self.schema.node(tupleset).rule else { return };
        let Some(userset) = allowed.iter().find(|a| matches!(a.form, AllowedForm::Userset(_)))
        else {
            return;
        };
        let message = format!(
            "arrow `{}` under permission `{}` walks relation `{}` that has subject type `{}`: the subject's relation is \
             ignored",
            shown(arrow),
            self.linted.node.name,
            arrow.left.text,
            self.schema.allowed_text(userset)
        );
        let help = "let the relation take the objects themselves, without `#…`";
        let code = "arrow-walks-subject-relation";
        self.warnings.about(self.linted.node, LintWarning { code, span, message, help });
    }

    fn targets_relation(&mut self, arrow: &ArrowSyntax, having: &[DefinitionId], span: Span) {
        // Within one definition, relations and permissions change together.
        let others = having.iter().filter(|id| **id != self.linted.definition.id);
        let relation = others.copied().find(|id| {
            let node = self.schema.find_node(*id, &arrow.right.text);
            node.is_some_and(|node| matches!(node.rule, Rule::Relation(_)))
        });
        let Some(definition) = relation else { return };
        let message = format!(
            "arrow `{}` under permission `{}` references relation `{}` on definition `{}`",
            shown(arrow),
            self.linted.node.name,
            arrow.right.text,
            self.schema.definition(definition).name
        );
        let help = "point it to a permission, so that it need not change when that definition does";
        let code = "arrow-references-relation";
        self.warnings.about(self.linted.node, LintWarning { code, span, message, help });
    }
}

/// An arrow as it is written.
pub(super) fn shown(arrow: &ArrowSyntax) -> String {
    let (left, right) = (&arrow.left.text, &arrow.right.text);
    match arrow.operator {
        ArrowOperator::Arrow => format!("{left}->{right}"),
        ArrowOperator::Any => format!("{left}.any({right})"),
        ArrowOperator::All => format!("{left}.all({right})"),
    }
}
