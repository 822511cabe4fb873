//! Frontier expansion: reverse traversal from the subject to the objects between it and the results.
//!
//! Certain objects are only reached from certain objects, so all of them are found first. Then everything that is reached
//! from certain or possible objects over any step is possible. Both phases are fixpoints over a work list, so cycles
//! terminate and long chains need no stack.

use crate::engine::check::reader::{CountedReader, FIRST_PAGE_COUNT, PAGE_COUNT_MAX};
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::id_set::IdSet;
use crate::engine::lookup_resources::reached::{
    ReachedObject, ReachedSet, ReachedSets, relationship_value, require_room,
};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::{IdPage, RelationshipReader};
use crate::schema::{EntryForm, NodeId, RelationEdge, RouteStep, Routes};

/// Number of reached objects between two checks for interruption, timeout and memory.
const OBJECTS_PER_INTERRUPTION: u64 = 1024;

/// The steps from one reached set to others, grouped by the relationships that they read.
#[derive(Debug, Default)]
struct OutgoingSteps {
    same: Vec<(usize, bool)>,
    stored: Vec<(RelationEdge, Vec<(usize, bool)>)>,
}

/// The traversal that fills the reached sets.
pub(super) struct Frontier<'r, 's, R> {
    eval: EvalContext<'s, R>,
    resolved: ResolvedSubject<'s>,
    reads: &'r mut CountedReader<'s, R>,
    routes: &'s Routes,
    reached: ReachedSets,
    onward: Vec<OutgoingSteps>,
    /// The object whose steps are being followed; `None` for the subject itself.
    current: Option<ReachedObject>,
    visits: u64,
}

impl<'r, 's, R: RelationshipReader> Frontier<'r, 's, R> {
    pub(super) fn new(
        eval: &EvalContext<'s, R>,
        resolved: ResolvedSubject<'s>,
        reads: &'r mut CountedReader<'s, R>,
        routes: &'s Routes,
    ) -> Self {
        let matters = |node: &NodeId| {
            routes.end(*node).is_none()
                && eval.schema.can_reach(*node, resolved.definition, resolved.node)
        };
        let reached_set = |node| ReachedSet {
            node,
            certain: IdSet::default(),
            possible: IdSet::default(),
            levels: Vec::new(),
            parents: Vec::new(),
        };
        let all = routes.stations().filter(matters).map(reached_set).collect();
        let reached = ReachedSets { all, until: None, traced: eval.tracing };
        let onward = onward(&reached, routes);
        Self { eval: *eval, resolved, reads, routes, reached, onward, current: None, visits: 0 }
    }

    pub(super) fn run(mut self) -> Result<(ReachedSets, u64), EngineError> {
        self.start()?;
        self.expand(true)?;
        self.expand(false)?;
        Ok((self.reached, self.visits))
    }

    fn start(&mut self) -> Result<(), EngineError> {
        let id = self.resolved.subject.object_id();
        if let Some(node) = self.resolved.node {
            // A userset is a member of itself, and enters relations like every other userset.
            if let Some(slot) = self.reached.slot(node) {
                self.put(slot, id, true)?;
            }
            return Ok(());
        }

        let routes = self.routes;
        for start in routes.starts(self.resolved.definition) {
            let Some(slot) = self.reached.slot(start.to) else { continue };
            let stored = RelationEdge {
                relation: start.to,
                subject_type: self.resolved.definition,
                subject_relation: None,
            };
            match start.form {
                EntryForm::Itself => self.put(slot, id, start.certain)?,
                EntryForm::Object => self.follow(stored, id, &[(slot, start.certain)])?,
                EntryForm::Wildcard => self.follow(stored, "*", &[(slot, start.certain)])?,
            }
        }
        Ok(())
    }

    /// Follows the steps from all certain objects, or from all possible ones, until no new object is reached.
    fn expand(&mut self, certain: bool) -> Result<(), EngineError> {
        let mut done = vec![0; self.reached.all.len()];
        let mut depth = 0;
        if certain && self.resolved.node.is_none() {
            // Depth 0 is the subject itself, which is an object of a reached set only when it is a userset.
            self.record_level(depth, &done)?;
            depth += 1;
        }

        loop {
            let counts: Vec<usize> =
                self.reached.all.iter().map(|reached_set| reached_set.ids(certain).len()).collect();
            if counts == done {
                return Ok(());
            }

            if certain {
                self.record_level(depth, &counts)?;
            }
            depth = depth.saturating_add(1);

            for (slot, (from, to)) in done.into_iter().zip(counts.iter().copied()).enumerate() {
                for number in from..to {
                    self.follow_steps(slot, number, certain)?;
                }
            }
            done = counts;
        }
    }

    fn record_level(&mut self, depth: u32, counts: &[usize]) -> Result<(), EngineError> {
        let Some(depth_max) = self.eval.limits.depth_max else { return Ok(()) };
        if depth > depth_max {
            let is_new = |(slot, (reached_set, count)): (usize, (&ReachedSet, &usize))| {
                let before = reached_set.levels.last().copied().unwrap_or(0);
                let number = u32::try_from(before).ok()?;
                (*count > before).then_some(ReachedObject { slot, number })
            };
            let mut all = self.reached.all.iter().zip(counts).enumerate();
            let onr = all.find_map(is_new);
            return Err(self.reached.too_deep(&self.eval, onr, depth_max));
        }
        for (reached_set, count) in self.reached.all.iter_mut().zip(counts) {
            reached_set.levels.push(*count);
        }
        Ok(())
    }

    /// Follows every step from one object.
    fn follow_steps(
        &mut self,
        slot: usize,
        number: usize,
        certain: bool,
    ) -> Result<(), EngineError> {
        let Some(reached_set) = self.reached.all.get(slot) else { return Ok(()) };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let id = reached_set.ids(certain).get(number).to_owned();
        if !certain && reached_set.certain.contains(&id) {
            return Ok(());
        }
        self.current = Some(ReachedObject { slot, number });
        let Some(onward) = self.onward.get_mut(slot).map(std::mem::take) else { return Ok(()) };

        for (to, route_certain) in &onward.same {
            self.put(*to, &id, certain && *route_certain)?;
        }
        for (stored, ends) in &onward.stored {
            if certain {
                self.follow(*stored, &id, ends)?;
            } else {
                let ends: Vec<_> = ends.iter().map(|(to, _)| (*to, false)).collect();
                self.follow(*stored, &id, &ends)?;
            }
        }

        if let Some(taken) = self.onward.get_mut(slot) {
            *taken = onward;
        }
        Ok(())
    }

    /// Adds every object that has the subject in a relation to the reached sets that follow.
    fn follow(
        &mut self,
        stored: RelationEdge,
        subject_id: &str,
        ends: &[(usize, bool)],
    ) -> Result<(), EngineError> {
        let mut after: Option<String> = None;
        let mut count_max = FIRST_PAGE_COUNT;
        loop {
            let page = IdPage { after: after.as_deref(), count_max };
            let rows = self.reads.resources(stored, subject_id, page)?;
            let is_last = rows.len() < count_max;
            for (id, terms) in &rows {
                let value = relationship_value(self.reads, terms, &mut self.reached.until)?;
                for (slot, certain) in ends.iter().filter(|_| !value.is_no()) {
                    self.put(*slot, id, *certain && value.is_yes())?;
                }
            }

            after = rows.into_iter().next_back().map(|(id, _)| id);
            count_max = PAGE_COUNT_MAX;
            if is_last {
                return Ok(());
            }
        }
    }

    fn put(&mut self, slot: usize, id: &str, certain: bool) -> Result<(), EngineError> {
        let Some(reached_set) = self.reached.all.get_mut(slot) else { return Ok(()) };
        let is_new = if certain {
            let is_new = reached_set.certain.insert(id);
            if is_new && self.reached.traced {
                reached_set.parents.push(self.current);
            }
            is_new
        } else {
            !reached_set.certain.contains(id) && reached_set.possible.insert(id)
        };
        if is_new { self.count_reached() } else { Ok(()) }
    }

    fn count_reached(&mut self) -> Result<(), EngineError> {
        let limits = self.eval.limits;
        self.visits += 1;
        if self.visits > limits.visits_max {
            let limit = limits.visits_max;
            return Err(EngineError::WorkExceeded { work: WorkKind::Visits, limit });
        }
        if self.visits.is_multiple_of(OBJECTS_PER_INTERRUPTION) {
            self.eval.check_interruption()?;
            require_room(&self.eval, self.reached.bytes())?;
        }
        Ok(())
    }
}

fn onward(reached: &ReachedSets, routes: &Routes) -> Vec<OutgoingSteps> {
    let of_station = |reached_set: &ReachedSet| {
        let mut onward = OutgoingSteps::default();
        for route in routes.onward(reached_set.node) {
            let Some(slot) = reached.slot(route.to) else { continue };
            let step = (slot, route.certain);
            match route.way {
                RouteStep::SameObject => onward.same.push(step),
                RouteStep::Related(stored) => {
                    match onward.stored.iter_mut().find(|(known, _)| *known == stored) {
                        Some((_, steps)) => steps.push(step),
                        None => onward.stored.push((stored, vec![step])),
                    }
                }
            }
        }
        onward
    };

    reached.all.iter().map(of_station).collect()
}
