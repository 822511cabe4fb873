//! Solves a plan: the values of its parts, computed from the leaves up.
//!
//! Parts that depend on each other have the least fixpoint as their values. Where a part subtracts something that depends
//! on it, no least fixpoint may exist. Then the subtracted sides are read from an *estimate*: an estimate that is too high
//! gives values that are too low, these as the estimate give values that are too high, and so on until both are stable
//! (the alternating fixpoint of the well-founded semantics). Where both agree, that is the value; where they do not, a
//! value depends on its own negation. So the result depends on the relationships alone, not on the order of evaluation.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_subjects::graph::{Combination, Combinator, FlatUnion, SubjectLeaf};
use crate::engine::lookup_subjects::plan::{PlanStage, SubjectKind, SubjectPlan};
use crate::engine::lookup_subjects::set::ValueSet;
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::resolve::ResolvedSubject;
use crate::engine::truth::{EvalFault, Truth};
use crate::relationship::{RelationshipReader, SubjectKey};
use std::collections::HashMap;
use std::sync::Arc;

/// The value of every subject that no relationship of the plan names.
pub(super) fn rest<R: RelationshipReader>(
    eval: &EvalContext<'_, R>,
    plan: &SubjectPlan,
) -> Result<Truth, EngineError> {
    let leaves = plan.leaves.iter().map(empty).collect();
    let budget = SubjectBudget::new(eval.limits.subjects_max);
    let check_interruption = || eval.check_interruption();
    Ok(PlanSolver::new(plan, leaves, budget, &check_interruption).root()?.rest)
}

/// The value of one subject in a relation or permission of an object, computed like a subject lookup. Unlike the walk of a
/// check, this needs no order of evaluation, so it also decides whether a cycle through an exclusion affects the result.
pub(in crate::engine) fn solve<R: RelationshipReader>(
    eval: &EvalContext<'_, R>,
    reads: &mut CountedReader<'_, R>,
    resolved: &ResolvedSubject<'_>,
    start: ObjectAndRelation,
) -> Result<Truth, EngineError> {
    let kind = SubjectKind { definition: resolved.definition, relation: resolved.node };
    let plan = SubjectPlan::new(eval, reads, kind, start)?;
    let subject = SubjectKey {
        object_type: resolved.subject.object_type(),
        object_id: resolved.subject.object_id(),
        relation: resolved.subject.relation(),
    };

    let mut leaves = Vec::with_capacity(plan.leaves.len());
    for leaf in &plan.leaves {
        let mut set = empty(leaf);
        match leaf {
            SubjectLeaf::One(id) if id == subject.object_id => set.add_named(0, Truth::Yes),
            SubjectLeaf::Rows { node, object_id, any: true, .. } => {
                if let Some(terms) = reads.find(*node, object_id, subject)? {
                    set.add_named(0, reads.condition(&terms, None)?.truth);
                }
            }
            SubjectLeaf::One(_) | SubjectLeaf::Rows { .. } => {}
        }
        leaves.push(set);
    }

    let budget = SubjectBudget::new(eval.limits.subjects_max);
    let check_interruption = || eval.check_interruption();
    Ok(PlanSolver::new(&plan, leaves, budget, &check_interruption).root()?.truth(0).clone())
}

/// The set of a leaf without named subjects.
pub(super) fn empty(leaf: &SubjectLeaf) -> ValueSet {
    match leaf {
        SubjectLeaf::Rows { rest, .. } => ValueSet::from_rest(rest.clone()),
        SubjectLeaf::One(_) => ValueSet::default(),
    }
}

/// The budget for subjects in memory.
#[derive(Debug)]
pub(super) struct SubjectBudget {
    limit: u64,
    held: u64,
}

impl SubjectBudget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, held: 0 }
    }

    fn release(&mut self, count: usize) {
        self.held = self.held.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(super) fn add(&mut self, count: usize) -> Result<(), EngineError> {
        self.held = self.held.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.held > self.limit {
            return Err(EngineError::WorkExceeded { work: WorkKind::Subjects, limit: self.limit });
        }
        Ok(())
    }
}

/// The estimated sets of parts.
type SetEstimates = HashMap<usize, ValueSet>;

/// The evaluation of a plan for the ids of one window.
pub(super) struct PlanSolver<'p> {
    plan: &'p SubjectPlan,
    /// The sets of the plan's leaves.
    leaves: Vec<ValueSet>,
    parts: Vec<ValueSet>,
    budget: SubjectBudget,
    check_interruption: &'p dyn Fn() -> Result<(), EngineError>,
}

impl<'p> PlanSolver<'p> {
    pub(super) fn new(
        plan: &'p SubjectPlan,
        leaves: Vec<ValueSet>,
        budget: SubjectBudget,
        check_interruption: &'p dyn Fn() -> Result<(), EngineError>,
    ) -> Self {
        let parts = vec![ValueSet::default(); plan.parts.len()];
        Self { plan, leaves, parts, budget, check_interruption }
    }

    /// The set of the whole plan.
    pub(super) fn root(mut self) -> Result<ValueSet, EngineError> {
        let plan = self.plan;
        for PlanStage { component, cycle } in &plan.order {
            match cycle {
                Some(fault) => self.alternate(&component.nodes, fault)?,
                None if component.is_cycle => self.finalize(&component.nodes)?,
                None => drop(self.improve(&component.nodes, None, ValueSet::is_identical)?),
            }
        }
        Ok(self.union(&plan.root, None))
    }

    /// Parts that need each other have the least values that agree. The reasons of a value that is neither *yes* nor *no*
    /// are only gathered when no value rises any more: what they came from may have become *yes*.
    fn finalize(&mut self, nodes: &[usize]) -> Result<(), EngineError> {
        while self.improve(nodes, None, ValueSet::has_values_of)? {}
        for part in nodes {
            if let Some(set) = self.parts.get_mut(*part) {
                set.clear_reasons();
            }
        }
        while self.improve(nodes, None, ValueSet::is_identical)? {}
        Ok(())
    }

    /// Solves parts of which one subtracts something that depends on it.
    fn alternate(&mut self, nodes: &[usize], fault: &Arc<EvalFault>) -> Result<(), EngineError> {
        let mut upper: SetEstimates =
            nodes.iter().map(|part| (*part, ValueSet::from_rest(Truth::Yes))).collect();
        let lower = loop {
            let lower = self.least(nodes, &upper)?;
            let next = self.least(nodes, &lower)?;
            let is_stable = upper
                .iter()
                .all(|(part, known)| next.get(part).is_some_and(|next| next.has_values_of(known)));
            self.release(&std::mem::replace(&mut upper, next));
            if is_stable {
                break lower;
            }
            self.release(&lower);
        };

        for part in nodes {
            if let (Some(set), Some(lower), Some(upper)) =
                (self.parts.get_mut(*part), lower.get(part), upper.get(part))
            {
                *set = lower.agreed(upper, fault);
            }
        }
        // The estimates have no reasons, so these are computed from the final values.
        while self.improve_non_monotone(nodes, None, ValueSet::is_identical)? {}
        Ok(())
    }

    /// The least fixpoint when subtracted sides are read from an estimate.
    fn least(
        &mut self,
        nodes: &[usize],
        estimate: &SetEstimates,
    ) -> Result<SetEstimates, EngineError> {
        for part in nodes {
            if let Some(set) = self.parts.get_mut(*part) {
                *set = ValueSet::default();
            }
        }
        while self.improve_non_monotone(nodes, Some(estimate), ValueSet::has_values_of)? {}
        let take = |part: &usize| Some((*part, std::mem::take(self.parts.get_mut(*part)?)));
        Ok(nodes.iter().filter_map(take).collect())
    }

    fn release(&mut self, estimate: &SetEstimates) {
        self.budget.release(estimate.values().map(|set| set.entries.len()).sum());
    }

    /// Recomputes the sets of these parts; returns whether any changed.
    fn improve(
        &mut self,
        nodes: &[usize],
        estimate: Option<&SetEstimates>,
        same: impl Fn(&ValueSet, &ValueSet) -> bool,
    ) -> Result<bool, EngineError> {
        self.improve_with(nodes, estimate, same, |_| ())
    }

    /// As [`Self::improve`], for parts that are not monotone in the others: no bounds follow from their operands.
    fn improve_non_monotone(
        &mut self,
        nodes: &[usize],
        estimate: Option<&SetEstimates>,
        same: impl Fn(&ValueSet, &ValueSet) -> bool,
    ) -> Result<bool, EngineError> {
        self.improve_with(nodes, estimate, same, ValueSet::assume_own_conditions)
    }

    fn improve_with(
        &mut self,
        nodes: &[usize],
        estimate: Option<&SetEstimates>,
        same: impl Fn(&ValueSet, &ValueSet) -> bool,
        finish: impl Fn(&mut ValueSet),
    ) -> Result<bool, EngineError> {
        (self.check_interruption)()?;
        let mut changed = false;
        // Parts that were reached last are needed first.
        for part in nodes.iter().rev() {
            let Some(mut found) = self.plan.parts.get(*part).map(|part| self.part(part, estimate))
            else {
                continue;
            };
            finish(&mut found);
            let Some(known) = self.parts.get_mut(*part) else { continue };
            changed |= !same(known, &found);
            self.budget.add(found.entries.len().saturating_sub(known.entries.len()))?;
            *known = found;
        }
        Ok(changed)
    }

    fn part(&self, part: &Combination, estimate: Option<&SetEstimates>) -> ValueSet {
        let subtracts = matches!(part.join, Combinator::Without);
        let mut operands = part
            .operands
            .iter()
            .enumerate()
            .map(|(at, operand)| self.union(operand, estimate.filter(|_| subtracts && at > 0)));
        let Some(first) = operands.next() else { return ValueSet::default() };
        match &part.join {
            Combinator::Under(gate) => first.under(gate),
            Combinator::All => operands.fold(first, |both, operand| both.and(&operand)),
            Combinator::Without => operands.fold(first, |base, operand| base.and_not(&operand)),
        }
    }

    fn union(
        &self,
        FlatUnion { leaves, parts }: &FlatUnion,
        estimate: Option<&SetEstimates>,
    ) -> ValueSet {
        let leaves = leaves.iter().filter_map(|leaf| self.leaves.get(*leaf));
        let supposed = |part: &usize| estimate.and_then(|estimate| estimate.get(part));
        let parts = parts.iter().filter_map(|part| supposed(part).or(self.parts.get(*part)));
        ValueSet::union(&leaves.chain(parts).collect::<Vec<_>>())
    }
}
