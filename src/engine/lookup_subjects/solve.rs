//! The values of a plan's parts: what relations say, combined from the leaves up.
//!
//! Parts that need each other have the least values that agree. Where one of them subtracts what depends on it, there need
//! not be such values. Then the subtracted sides are read from an *estimate*: with one that is too high the values are too
//! low, with these as the estimate they are too high, and so on until both stand still (the alternating fixpoint of the
//! well-founded semantics). Where they agree, that is the value; where they do not, a value depends on its own opposite.
//! So whether there is a value depends on the relationships alone, not on the order in which they are looked at.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_subjects::graph::{Combination, Combinator, FlatUnion, SubjectLeaf};
use crate::engine::lookup_subjects::plan::{PlanStage, SubjectKind, SubjectPlan};
use crate::engine::lookup_subjects::set::SubjectSet;
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::resolve::ResolvedSubject;
use crate::engine::truth::{EvalFault, Truth};
use crate::relationship::{RelationshipReader, SubjectKey};
use std::collections::HashMap;
use std::sync::Arc;

/// The value of everybody whom no relationship of the plan names.
pub(super) fn rest<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    plan: &SubjectPlan,
) -> Result<Truth, EngineError> {
    let leaves = plan.leaves.iter().map(empty).collect();
    let holding = SubjectBudget::new(scope.limits.subjects_max);
    let going_on = || scope.require_going_on();
    Ok(PlanSolver::new(plan, leaves, holding, &going_on).root()?.rest)
}

/// The value of one subject in a relation or permission of an object, solved as that of a list is. Unlike a check's walk
/// this needs no order of evaluation, so that it also decides what a walk cannot: whether a cycle through an exclusion
/// matters.
pub(in crate::engine) fn solve<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    reads: &mut CountedReader<'_, R>,
    asked: &ResolvedSubject<'_>,
    start: ObjectAndRelation,
) -> Result<Truth, EngineError> {
    let kind = SubjectKind { definition: asked.definition, relation: asked.node };
    let plan = SubjectPlan::new(scope, reads, kind, start)?;
    let subject = SubjectKey {
        object_type: asked.subject.object_type(),
        object_id: asked.subject.object_id(),
        relation: asked.subject.relation(),
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

    let holding = SubjectBudget::new(scope.limits.subjects_max);
    let going_on = || scope.require_going_on();
    Ok(PlanSolver::new(&plan, leaves, holding, &going_on).root()?.truth(0).clone())
}

/// What a leaf says when nobody is named.
pub(super) fn empty(leaf: &SubjectLeaf) -> SubjectSet {
    match leaf {
        SubjectLeaf::Rows { rest, .. } => SubjectSet::of_rest(rest.clone()),
        SubjectLeaf::One(_) => SubjectSet::default(),
    }
}

/// How many subjects are in memory for a window.
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

/// Sets by part: what is supposed of them.
type SetEstimates = HashMap<usize, SubjectSet>;

/// The sets of the ids of one window.
pub(super) struct PlanSolver<'p> {
    plan: &'p SubjectPlan,
    /// By leaf and by part of the plan.
    leaves: Vec<SubjectSet>,
    parts: Vec<SubjectSet>,
    holding: SubjectBudget,
    going_on: &'p dyn Fn() -> Result<(), EngineError>,
}

impl<'p> PlanSolver<'p> {
    pub(super) fn new(
        plan: &'p SubjectPlan,
        leaves: Vec<SubjectSet>,
        holding: SubjectBudget,
        going_on: &'p dyn Fn() -> Result<(), EngineError>,
    ) -> Self {
        let parts = vec![SubjectSet::default(); plan.parts.len()];
        Self { plan, leaves, parts, holding, going_on }
    }

    /// The set of the whole plan.
    pub(super) fn root(mut self) -> Result<SubjectSet, EngineError> {
        let plan = self.plan;
        for PlanStage { component, cycle } in &plan.order {
            match cycle {
                Some(fault) => self.alternate(&component.nodes, fault)?,
                None if component.is_cycle => self.settle(&component.nodes)?,
                None => drop(self.improve(&component.nodes, None, SubjectSet::is)?),
            }
        }
        Ok(self.union(&plan.root, None))
    }

    /// Parts that need each other have the least values that agree. The reasons of a value that is neither *yes* nor *no*
    /// are only gathered when no value rises any more: what they came from may have become *yes*.
    fn settle(&mut self, nodes: &[usize]) -> Result<(), EngineError> {
        while self.improve(nodes, None, SubjectSet::has_values_of)? {}
        for part in nodes {
            if let Some(set) = self.parts.get_mut(*part) {
                set.forget_reasons();
            }
        }
        while self.improve(nodes, None, SubjectSet::is)? {}
        Ok(())
    }

    /// The values of parts of which one subtracts what depends on it.
    fn alternate(&mut self, nodes: &[usize], fault: &Arc<EvalFault>) -> Result<(), EngineError> {
        let mut upper: SetEstimates =
            nodes.iter().map(|part| (*part, SubjectSet::of_rest(Truth::Yes))).collect();
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
        // From the values to their reasons, which the estimates do not have.
        while self.improve_own(nodes, None, SubjectSet::is)? {}
        Ok(())
    }

    /// The least values that agree when subtracted sides are read from an estimate.
    fn least(
        &mut self,
        nodes: &[usize],
        estimate: &SetEstimates,
    ) -> Result<SetEstimates, EngineError> {
        for part in nodes {
            if let Some(set) = self.parts.get_mut(*part) {
                *set = SubjectSet::default();
            }
        }
        while self.improve_own(nodes, Some(estimate), SubjectSet::has_values_of)? {}
        let take = |part: &usize| Some((*part, std::mem::take(self.parts.get_mut(*part)?)));
        Ok(nodes.iter().filter_map(take).collect())
    }

    fn release(&mut self, estimate: &SetEstimates) {
        self.holding.release(estimate.values().map(|set| set.entries.len()).sum());
    }

    /// Works out the sets of these parts from what is known so far; says whether any is another one now.
    fn improve(
        &mut self,
        nodes: &[usize],
        estimate: Option<&SetEstimates>,
        same: impl Fn(&SubjectSet, &SubjectSet) -> bool,
    ) -> Result<bool, EngineError> {
        self.improve_with(nodes, estimate, same, |_| ())
    }

    /// As [`Self::improve`], for parts whose values do not only rise when those of others do: no bound follows from those.
    fn improve_own(
        &mut self,
        nodes: &[usize],
        estimate: Option<&SetEstimates>,
        same: impl Fn(&SubjectSet, &SubjectSet) -> bool,
    ) -> Result<bool, EngineError> {
        self.improve_with(nodes, estimate, same, SubjectSet::claim_conditions)
    }

    fn improve_with(
        &mut self,
        nodes: &[usize],
        estimate: Option<&SetEstimates>,
        same: impl Fn(&SubjectSet, &SubjectSet) -> bool,
        finish: impl Fn(&mut SubjectSet),
    ) -> Result<bool, EngineError> {
        (self.going_on)()?;
        let mut changed = false;
        // What was met last is needed first.
        for part in nodes.iter().rev() {
            let Some(mut found) = self.plan.parts.get(*part).map(|part| self.part(part, estimate))
            else {
                continue;
            };
            finish(&mut found);
            let Some(known) = self.parts.get_mut(*part) else { continue };
            changed |= !same(known, &found);
            self.holding.add(found.entries.len().saturating_sub(known.entries.len()))?;
            *known = found;
        }
        Ok(changed)
    }

    fn part(&self, part: &Combination, estimate: Option<&SetEstimates>) -> SubjectSet {
        let subtracts = matches!(part.join, Combinator::Without);
        let mut operands = part
            .operands
            .iter()
            .enumerate()
            .map(|(at, operand)| self.union(operand, estimate.filter(|_| subtracts && at > 0)));
        let Some(first) = operands.next() else { return SubjectSet::default() };
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
    ) -> SubjectSet {
        let leaves = leaves.iter().filter_map(|leaf| self.leaves.get(*leaf));
        let supposed = |part: &usize| estimate.and_then(|estimate| estimate.get(part));
        let parts = parts.iter().filter_map(|part| supposed(part).or(self.parts.get(*part)));
        SubjectSet::union(&leaves.chain(parts).collect::<Vec<_>>())
    }
}
