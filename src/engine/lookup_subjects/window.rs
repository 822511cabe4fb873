//! A list of subjects, piece by piece.
//!
//! All that a plan combines is combined id by id, so it can be done for the ids of a *window* alone: from where the last
//! one ended up to an id up to which every relation has been read. However many subjects there are, only those of one
//! window are in memory.

use crate::engine::check::branches::Branch;
use crate::engine::check::reader::CountedReader;
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_subjects::graph::SubjectLeaf;
use crate::engine::lookup_subjects::plan::{SubjectKind, SubjectPlan};
use crate::engine::lookup_subjects::set::SubjectSet;
use crate::engine::lookup_subjects::solve::{PlanSolver, SubjectBudget, empty};
use crate::engine::truth::Truth;
use crate::relationship::{IdPage, RelationshipReader};
use std::collections::VecDeque;

/// How many subjects of a relation are read at once.
const PAGE_COUNT_MAX: u64 = 512;
/// Stands before every other id, and is none: the wildcard's row.
const WILDCARD_ID: &str = "*";

/// The ids of a window, in order, and the set that the list holds of them.
#[derive(Debug)]
pub(super) struct SubjectWindow {
    pub(super) ids: Vec<String>,
    pub(super) set: SubjectSet,
}

/// How far the relations of a plan have been read.
#[derive(Debug)]
pub(super) struct SubjectWindows {
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

impl SubjectWindows {
    /// Windows over the ids after this one.
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
        // Half of the room: leaves may hold more than what is taken of them for a window.
        let spread = u64::try_from(plan.spread.max(1)).unwrap_or(u64::MAX);
        let page_count = (subjects_max / 2 / spread).clamp(1, PAGE_COUNT_MAX);
        Self { read: plan.leaves.iter().map(start).collect(), page_count, ended: false }
    }

    /// The next window; it may be empty. `None` after the last one.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        scope: &EvalContext<'_, R>,
        reads: &mut CountedReader<'_, R>,
        kind: SubjectKind,
        plan: &SubjectPlan,
    ) -> Result<Option<SubjectWindow>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        scope.require_going_on()?;
        let mut holding = SubjectBudget::new(scope.limits.subjects_max);
        for (read, leaf) in self.read.iter_mut().zip(&plan.leaves) {
            read.fill(reads, scope, (kind, leaf), self.page_count)?;
            holding.add(read.rows.len())?;
        }
        let ends = self.read.iter().filter_map(|read| read.more_after.as_ref());
        let end = ends.min().cloned();
        self.ended = end.is_none();
        let (ids, leaves) = self.take(plan, end.as_deref());
        let going_on = || scope.require_going_on();
        let set = PlanSolver::new(plan, leaves, holding, &going_on).root()?;
        Ok(Some(SubjectWindow { ids, set }))
    }

    /// Takes what has been read up to `end`: the ids, and what each leaf says of them.
    fn take(&mut self, plan: &SubjectPlan, end: Option<&str>) -> (Vec<String>, Vec<SubjectSet>) {
        let mut sets: Vec<SubjectSet> = plan.leaves.iter().map(empty).collect();
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
    /// Reads on when everything has been given out.
    fn fill<R: RelationshipReader>(
        &mut self,
        reads: &mut CountedReader<'_, R>,
        scope: &EvalContext<'_, R>,
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
