//! Windowed evaluation of a subject lookup.
//!
//! A plan combines values id by id, so it can be evaluated for one *window* of ids: from the end of the last window up to
//! an id up to which every relation has been read. Regardless of the number of subjects, only those of one window are in
//! memory.

use crate::engine::check::branches::Branch;
use crate::engine::check::reader::{CountedReader, PAGE_COUNT_MAX};
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_subjects::graph::SubjectLeaf;
use crate::engine::lookup_subjects::plan::{SubjectKind, SubjectPlan};
use crate::engine::lookup_subjects::set::ValueSet;
use crate::engine::lookup_subjects::solve::{PlanSolver, SubjectBudget, empty};
use crate::engine::truth::Truth;
use crate::relationship::{IdPage, RelationshipReader, WILDCARD_ID};
use std::collections::VecDeque;

/// The ids of a window in order, and their values.
#[derive(Debug)]
pub(super) struct SubjectWindow {
    pub(super) ids: Vec<String>,
    pub(super) set: ValueSet,
}

/// The read positions in the relations of a plan.
#[derive(Debug)]
pub(super) struct SubjectWindows {
    /// The positions by leaf.
    read: Vec<LeafRead>,
    page_count: u64,
    ended: bool,
}

#[derive(Debug)]
struct LeafRead {
    /// Rows that were read and not yet returned.
    rows: VecDeque<(String, Truth)>,
    /// The last id that was read, when more may follow.
    more_after: Option<String>,
}

impl SubjectWindows {
    /// The windows over the ids after this one.
    pub(super) fn new(plan: &SubjectPlan, after: Option<&str>, subjects_max: u64) -> Self {
        let start = |leaf: &SubjectLeaf| {
            let mut read = LeafRead { rows: VecDeque::new(), more_after: None };
            match leaf {
                SubjectLeaf::One(id) if after.is_none_or(|after| after < id.as_str()) => {
                    read.rows.push_back((id.clone(), Truth::Yes));
                }
                SubjectLeaf::Rows { any: true, .. } => {
                    read.more_after = Some(after.unwrap_or(WILDCARD_ID).to_owned());
                }
                SubjectLeaf::One(_) | SubjectLeaf::Rows { .. } => {}
            }
            read
        };

        // Half of the budget: leaves may hold more rows than a window uses.
        let sets = u64::try_from(plan.sets_per_subject_max.max(1)).unwrap_or(u64::MAX);
        let page_count =
            (subjects_max / 2 / sets).clamp(1, u64::try_from(PAGE_COUNT_MAX).unwrap_or(u64::MAX));
        Self { read: plan.leaves.iter().map(start).collect(), page_count, ended: false }
    }

    /// The next window, possibly empty; `None` after the last one.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        eval: &EvalContext<'_, R>,
        reads: &mut CountedReader<'_, R>,
        kind: SubjectKind,
        plan: &SubjectPlan,
    ) -> Result<Option<SubjectWindow>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        eval.check_interruption()?;
        let mut budget = SubjectBudget::new(eval.limits.subjects_max);
        for (read, leaf) in self.read.iter_mut().zip(&plan.leaves) {
            read.fill(reads, eval, (kind, leaf), self.page_count)?;
            budget.add(read.rows.len())?;
        }

        let ends = self.read.iter().filter_map(|read| read.more_after.as_ref());
        let end = ends.min().cloned();
        self.ended = end.is_none();
        let (ids, leaves) = self.take_rows(plan, end.as_deref());
        let check_interruption = || eval.check_interruption();
        let set = PlanSolver::new(plan, leaves, budget, &check_interruption).root()?;
        Ok(Some(SubjectWindow { ids, set }))
    }

    /// Removes the rows up to `end`: the ids, and the set of each leaf.
    fn take_rows(&mut self, plan: &SubjectPlan, end: Option<&str>) -> (Vec<String>, Vec<ValueSet>) {
        let mut sets: Vec<ValueSet> = plan.leaves.iter().map(empty).collect();
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
                set.add_named(ids.len() - 1, truth);
            }
        }
        (ids, sets)
    }
}

impl LeafRead {
    /// Reads the next page when all rows have been returned.
    fn fill<R: RelationshipReader>(
        &mut self,
        reads: &mut CountedReader<'_, R>,
        eval: &EvalContext<'_, R>,
        (kind, leaf): (SubjectKind, &SubjectLeaf),
        page_count: u64,
    ) -> Result<(), EngineError> {
        let SubjectLeaf::Rows { node, object_id, .. } = leaf else { return Ok(()) };
        if !self.rows.is_empty() {
            return Ok(());
        }
        let Some(after) = self.more_after.take() else { return Ok(()) };
        let form = Branch { definition: kind.definition, subject_relation: None, target: None };
        let count_max = usize::try_from(page_count).unwrap_or(usize::MAX);
        let page = IdPage { after: Some(&after), count_max };
        let read = reads.page(eval.schema, (*node, object_id), form, page)?;
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
