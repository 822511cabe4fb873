//! A list of subjects, piece by piece.
//!
//! All that a plan combines is combined id by id, so it can be done for the ids of a *window* alone: from where the last
//! one ended up to an id up to which every relation has been read. However many subjects there are, only those of one
//! window are in memory.

use super::components::Component;
use super::error::{EngineError, Work};
use super::finding::Truth;
use super::frames::Branch;
use super::question::Scope;
use super::reads::Reads;
use super::subject_graph::{Join, Leaf, Part, Union};
use super::subject_plan::{Kind, Plan};
use super::subject_set::Set;
use crate::relationship::{Page, RelationshipReader};
use std::collections::VecDeque;

/// How many subjects of a relation are read at once.
const PAGE_COUNT_MAX: u64 = 512;
/// Stands before every other id, and is none: the wildcard's row.
const WILDCARD_ID: &str = "*";

/// The ids of a window, in order, and the set that the list holds of them.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) ids: Vec<String>,
    pub(super) set: Set,
}

/// How far the relations of a plan have been read.
#[derive(Debug)]
pub(super) struct Windows {
    /// By leaf of the plan.
    read: Vec<LeafRead>,
    page_count: u64,
    ended: bool,
}

#[derive(Debug)]
struct LeafRead {
    /// What has been read and not been given out.
    rows: VecDeque<(String, Truth)>,
    /// The last id that was read, when there may be more.
    more_after: Option<String>,
}

impl Windows {
    /// Windows over the ids after this one.
    pub(super) fn new(plan: &Plan, after: Option<&str>, subjects_max: u64) -> Self {
        let start = |leaf: &Leaf| {
            let mut read = LeafRead { rows: VecDeque::new(), more_after: None };
            match leaf {
                Leaf::One(id) if after.is_none_or(|after| after < id.as_str()) => {
                    read.rows.push_back((id.clone(), Truth::Yes));
                }
                Leaf::Rows { any: true, .. } => {
                    read.more_after = Some(after.unwrap_or(WILDCARD_ID).to_owned());
                }
                Leaf::One(_) | Leaf::Rows { .. } => {}
            }
            read
        };
        // Half of the room: leaves may hold more than what is taken of them for a window.
        let spread = u64::try_from(plan.spread.max(1)).unwrap_or(u64::MAX);
        let page_count = (subjects_max / 2 / spread).clamp(1, PAGE_COUNT_MAX);
        Self { read: plan.leaves.iter().map(start).collect(), page_count, ended: false }
    }

    /// The next window; it may be empty. `None` after the last one.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        scope: &Scope<'_, R>,
        reads: &mut Reads<'_, R>,
        kind: Kind,
        plan: &Plan,
    ) -> Result<Option<Window>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        scope.require_going_on()?;
        let mut holding = Holding { limit: scope.limits.subjects_max, held: 0 };
        for (read, leaf) in self.read.iter_mut().zip(&plan.leaves) {
            read.fill(reads, scope, (kind, leaf), self.page_count)?;
            holding.add(read.rows.len())?;
        }
        let ends = self.read.iter().filter_map(|read| read.more_after.as_ref());
        let end = ends.min().cloned();
        self.ended = end.is_none();
        let (ids, leaves) = self.take(plan, end.as_deref());
        let set = Combining::new(plan, leaves, holding).root()?;
        Ok(Some(Window { ids, set }))
    }

    /// Takes what has been read up to `end`: the ids, and what each leaf says of them.
    fn take(&mut self, plan: &Plan, end: Option<&str>) -> (Vec<String>, Vec<Set>) {
        let mut sets: Vec<Set> = plan.leaves.iter().map(empty).collect();
        let mut rows = Vec::new();
        for (leaf, read) in self.read.iter_mut().enumerate() {
            let is_in = |(id, _): &(String, Truth)| end.is_none_or(|end| id.as_str() <= end);
            let count = read.rows.iter().take_while(|row| is_in(row)).count();
            rows.extend(read.rows.drain(..count).map(|(id, truth)| (id, leaf, truth)));
        }
        rows.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        let mut ids: Vec<String> = Vec::new();
        for (id, leaf, truth) in rows {
            if ids.last() != Some(&id) {
                ids.push(id);
            }
            if let Some(set) = sets.get_mut(leaf) {
                let truth = truth.or(set.rest.clone());
                set.add(ids.len() - 1, truth, true);
            }
        }
        (ids, sets)
    }
}

/// The value of everybody whom no relationship of the plan names.
pub(super) fn rest(plan: &Plan, subjects_max: u64) -> Result<Truth, EngineError> {
    let holding = Holding { limit: subjects_max, held: 0 };
    let leaves = plan.leaves.iter().map(empty).collect();
    Ok(Combining::new(plan, leaves, holding).root()?.rest)
}

/// What a leaf says when nobody is named.
fn empty(leaf: &Leaf) -> Set {
    match leaf {
        Leaf::Rows { rest, .. } => Set { rest: rest.clone(), entries: Vec::new() },
        Leaf::One(_) => Set::default(),
    }
}

impl LeafRead {
    /// Reads on when everything has been given out.
    fn fill<R: RelationshipReader>(
        &mut self,
        reads: &mut Reads<'_, R>,
        scope: &Scope<'_, R>,
        (kind, leaf): (Kind, &Leaf),
        page_count: u64,
    ) -> Result<(), EngineError> {
        let Leaf::Rows { node, object_id, .. } = leaf else { return Ok(()) };
        if !self.rows.is_empty() {
            return Ok(());
        }
        let Some(after) = self.more_after.take() else { return Ok(()) };
        let form = Branch { definition: kind.definition, subject_relation: None, target: None };
        let count_max = usize::try_from(page_count).unwrap_or(usize::MAX);
        let page = Page { after: Some(&after), count_max };
        let read = reads.page(scope.schema, (*node, object_id), form, page)?;
        self.more_after = read.more_after;
        for (id, terms) in read.subjects {
            let truth = reads.condition(&terms, None)?.truth;
            if !truth.is_no() {
                self.rows.push_back((id, truth));
            }
        }
        Ok(())
    }
}

/// How many subjects are in memory for a window.
#[derive(Debug)]
struct Holding {
    limit: u64,
    held: u64,
}

impl Holding {
    fn add(&mut self, count: usize) -> Result<(), EngineError> {
        self.held = self.held.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.held > self.limit {
            return Err(EngineError::WorkExceeded { work: Work::Subjects, limit: self.limit });
        }
        Ok(())
    }
}

/// The sets of one window.
struct Combining<'p> {
    plan: &'p Plan,
    /// By leaf and by part of the plan.
    leaves: Vec<Set>,
    parts: Vec<Set>,
    holding: Holding,
}

impl<'p> Combining<'p> {
    fn new(plan: &'p Plan, leaves: Vec<Set>, holding: Holding) -> Self {
        Self { plan, leaves, parts: vec![Set::default(); plan.parts.len()], holding }
    }

    fn root(mut self) -> Result<Set, EngineError> {
        for component in &self.plan.order {
            if component.is_cycle {
                self.settle(component)?;
            } else {
                self.improve(component, Set::is)?;
            }
        }
        Ok(self.union(&self.plan.root))
    }

    /// Parts that need each other have the least values that agree. The reasons of a value that is neither *yes* nor *no*
    /// are only gathered when no value rises any more: what they came from may have become *yes*.
    fn settle(&mut self, component: &Component) -> Result<(), EngineError> {
        while self.improve(component, Set::has_values_of)? {}
        for part in &component.nodes {
            if let Some(set) = self.parts.get_mut(*part) {
                set.forget_reasons();
            }
        }
        while self.improve(component, Set::is)? {}
        Ok(())
    }

    /// Works out the sets of these parts from what is known so far; says whether any is another one now.
    fn improve(
        &mut self,
        component: &Component,
        same: impl Fn(&Set, &Set) -> bool,
    ) -> Result<bool, EngineError> {
        let mut changed = false;
        // What was met last is needed first.
        for part in component.nodes.iter().rev() {
            let Some(found) = self.plan.parts.get(*part).map(|part| self.part(part)) else {
                continue;
            };
            let Some(known) = self.parts.get_mut(*part) else { continue };
            changed |= !same(known, &found);
            self.holding.add(found.entries.len().saturating_sub(known.entries.len()))?;
            *known = found;
        }
        Ok(changed)
    }

    fn part(&self, part: &Part) -> Set {
        let mut operands = part.operands.iter().map(|operand| self.union(operand));
        let Some(first) = operands.next() else { return Set::default() };
        match &part.join {
            Join::Under(gate) => first.under(gate),
            Join::All => operands.fold(first, |both, operand| both.and(&operand)),
            Join::Without => operands.fold(first, |base, operand| base.and_not(&operand)),
        }
    }

    fn union(&self, Union { leaves, parts }: &Union) -> Set {
        let leaves = leaves.iter().filter_map(|leaf| self.leaves.get(*leaf));
        let parts = parts.iter().filter_map(|part| self.parts.get(*part));
        Set::union(&leaves.chain(parts).collect::<Vec<_>>())
    }
}
