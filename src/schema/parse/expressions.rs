//! What permissions compute: operators, arrows, parentheses.

use super::super::ast::{Arrow, ArrowNotation, Expr, ExprKind, Name};
use super::super::syntax_error;
use super::{Builder, Rule};
use pest::iterators::Pair;

impl Builder<'_, '_> {
    pub(super) fn exclusion(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        self.chain(pair, Self::intersection, ExprKind::Exclusion)
    }

    fn intersection(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        self.chain(pair, Self::union, ExprKind::Intersection)
    }

    fn union(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        self.chain(pair, Self::operand, ExprKind::Union)
    }

    /// Operands joined by one operator; a single operand stands for itself.
    fn chain(
        &mut self,
        pair: Pair<'_, Rule>,
        operand: impl Fn(&mut Self, Pair<'_, Rule>) -> Option<Expr>,
        kind: impl FnOnce(Vec<Expr>) -> ExprKind,
    ) -> Option<Expr> {
        let pairs = pair.into_inner();
        let count = pairs.len();
        let mut operands: Vec<Expr> = pairs.filter_map(|part| operand(self, part)).collect();
        if operands.len() < count {
            return None;
        }
        match (operands.first(), operands.last()) {
            (Some(first), Some(last)) if count > 1 => {
                let span = first.span.to(last.span);
                Some(Expr { kind: kind(operands), span })
            }
            _ => operands.pop(),
        }
    }

    fn operand(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let mut name = None;
        let mut arrow = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::nil => return Some(Expr { kind: ExprKind::Nil, span }),
                Rule::exclusion => {
                    let inner = Box::new(self.exclusion(part)?);
                    return Some(Expr { kind: ExprKind::Group(inner), span });
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
            Some((notation, right)) => {
                ExprKind::Arrow(Arrow { left: self.name(&name)?, right, notation })
            }
            None if self.flags.itself && name.as_str() == "self" => ExprKind::Itself,
            None => ExprKind::Name(self.name(&name)?.text),
        };
        Some(Expr { kind, span })
    }

    /// What follows the left side of an arrow.
    fn step(&mut self, pair: Pair<'_, Rule>) -> Option<(ArrowNotation, Name)> {
        let is_arrow = pair.as_rule() == Rule::arrow;
        let mut names = pair.into_inner().filter(|part| part.as_rule() == Rule::name);
        let first = names.next()?;
        if is_arrow {
            return Some((ArrowNotation::Arrow, self.name(&first)?));
        }
        let notation = match first.as_str() {
            "any" => ArrowNotation::Any,
            "all" => ArrowNotation::All,
            other => {
                let fault = syntax_error::unknown_function(other, self.span(&first));
                self.faults.push(fault);
                return None;
            }
        };
        Some((notation, self.name(&names.next()?)?))
    }
}
