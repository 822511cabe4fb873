//! What permissions compute: operators, arrows, parentheses.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all rules only a few can occur at each position"
)]

use super::builder::SyntaxBuilder;
use super::grammar::Rule;
use crate::schema::parse::ast::{ArrowOperator, ArrowSyntax, ExprKind, ExprSyntax, Name};
use crate::schema::parse::syntax_error;
use pest::iterators::Pair;

impl SyntaxBuilder<'_, '_> {
    pub(super) fn exclusion(&mut self, pair: Pair<'_, Rule>) -> Option<ExprSyntax> {
        self.chain(pair, Self::intersection, ExprKind::Exclusion)
    }

    fn intersection(&mut self, pair: Pair<'_, Rule>) -> Option<ExprSyntax> {
        self.chain(pair, Self::union, ExprKind::Intersection)
    }

    fn union(&mut self, pair: Pair<'_, Rule>) -> Option<ExprSyntax> {
        self.chain(pair, Self::operand, ExprKind::Union)
    }

    /// Operands joined by one operator; a single operand stands for itself.
    fn chain(
        &mut self,
        pair: Pair<'_, Rule>,
        operand: impl Fn(&mut Self, Pair<'_, Rule>) -> Option<ExprSyntax>,
        kind: impl FnOnce(Vec<ExprSyntax>) -> ExprKind,
    ) -> Option<ExprSyntax> {
        let pairs = pair.into_inner();
        let count = pairs.len();
        let mut operands: Vec<ExprSyntax> = pairs.filter_map(|part| operand(self, part)).collect();
        if operands.len() < count {
            return None;
        }
        match (operands.first(), operands.last()) {
            (Some(first), Some(last)) if count > 1 => {
                let span = first.span.to(last.span);
                Some(ExprSyntax { kind: kind(operands), span })
            }
            _ => operands.pop(),
        }
    }

    fn operand(&mut self, pair: Pair<'_, Rule>) -> Option<ExprSyntax> {
        let span = self.span(&pair);
        let mut name = None;
        let mut arrow = None;

        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::nil => return Some(ExprSyntax { kind: ExprKind::Nil, span }),
                Rule::exclusion => {
                    let inner = Box::new(self.exclusion(part)?);
                    return Some(ExprSyntax { kind: ExprKind::Group(inner), span });
                }
                Rule::name => name = Some(part),
                Rule::arrow | Rule::function if arrow.is_some() => {
                    let fault = syntax_error::nested_arrow(self.span(&part));
                    self.faults.push(fault);
                    return None;
                }
                Rule::arrow | Rule::function => arrow = Some(self.step(part)?),
                _ => {}
            }
        }

        let name = name?;
        let kind = match arrow {
            Some((operator, right)) => {
                ExprKind::Arrow(ArrowSyntax { left: self.name(&name)?, right, operator })
            }
            None if self.flags.itself && name.as_str() == "self" => ExprKind::Itself,
            None => ExprKind::Name(self.name(&name)?.text),
        };
        Some(ExprSyntax { kind, span })
    }

    /// What follows the left side of an arrow.
    fn step(&mut self, pair: Pair<'_, Rule>) -> Option<(ArrowOperator, Name)> {
        let is_arrow = pair.as_rule() == Rule::arrow;
        let mut names = pair.into_inner().filter(|part| part.as_rule() == Rule::name);
        let first = names.next()?;
        if is_arrow {
            return Some((ArrowOperator::Arrow, self.name(&first)?));
        }
        let operator = match first.as_str() {
            "any" => ArrowOperator::Any,
            "all" => ArrowOperator::All,
            other => {
                let fault = syntax_error::unknown_function(other, self.span(&first));
                self.faults.push(fault);
                return None;
            }
        };
        Some((operator, self.name(&names.next()?)?))
    }
}
