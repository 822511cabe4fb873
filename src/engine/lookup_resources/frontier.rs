//! Finding the objects on the way.
//!
//! Certain places only come from certain places, so they are all found first; then everything that is reached from them
//! and from possible ones over any step is possible. Either is a fixpoint over a list of work, so that circles end and
//! long chains cost no stack.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::id_set::IdSet;
use crate::engine::lookup_resources::reached::{
    Gate, ReachedObject, ReachedSet, ReachedSets, gate, require_room,
};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::{IdPage, RelationshipReader};
use crate::schema::{EntryForm, NodeId, RelationEdge, RouteStep, Routes};

/// How many resources are read at first: most subjects stand on few.
const FIRST_PAGE_COUNT: usize = 32;
/// How many resources are read at once after that.
const PAGE_COUNT_MAX: usize = 512;
/// How many new places pass between two looks at whether the caller still waits.
const PLACES_PER_INTERRUPTION: u64 = 1024;

/// The steps from one station to others, those that need the same relationships together.
#[derive(Debug, Default)]
struct OutgoingSteps {
    same: Vec<(usize, bool)>,
    stored: Vec<(RelationEdge, Vec<(usize, bool)>)>,
}

/// Finds the stations' objects.
pub(super) struct Frontier<'r, 's, R> {
    scope: EvalContext<'s, R>,
    asked: ResolvedSubject<'s>,
    reads: &'r mut CountedReader<'s, R>,
    routes: &'s Routes,
    stations: ReachedSets,
    onward: Vec<OutgoingSteps>,
    /// The place that is being left; none while the subject itself is.
    left: Option<ReachedObject>,
    visits: u64,
}

impl<'r, 's, R: RelationshipReader> Frontier<'r, 's, R> {
    pub(super) fn new(
        scope: &EvalContext<'s, R>,
        asked: ResolvedSubject<'s>,
        reads: &'r mut CountedReader<'s, R>,
        routes: &'s Routes,
    ) -> Self {
        let matters = |node: &NodeId| {
            routes.end(*node).is_none()
                && scope.schema.can_reach(*node, asked.definition, asked.node)
        };
        let station = |node| ReachedSet {
            node,
            certain: IdSet::default(),
            possible: IdSet::default(),
            levels: Vec::new(),
            parents: Vec::new(),
        };
        let all = routes.stations().filter(matters).map(station).collect();
        let stations = ReachedSets { all, until: None, traced: scope.tracing };
        let onward = onward(&stations, routes);
        Self { scope: *scope, asked, reads, routes, stations, onward, left: None, visits: 0 }
    }

    pub(super) fn run(mut self) -> Result<(ReachedSets, u64), EngineError> {
        self.start()?;
        self.spread(true)?;
        self.spread(false)?;
        Ok((self.stations, self.visits))
    }

    fn start(&mut self) -> Result<(), EngineError> {
        let id = self.asked.subject.object_id();
        if let Some(node) = self.asked.node {
            // A userset is in itself. It comes into relations as every other userset does.
            if let Some(slot) = self.stations.slot(node) {
                self.put(slot, id, true)?;
            }
            return Ok(());
        }
        let routes = self.routes;
        for start in routes.starts(self.asked.definition) {
            let Some(slot) = self.stations.slot(start.to) else { continue };
            let stored = RelationEdge {
                relation: start.to,
                subject_type: self.asked.definition,
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

    /// Goes on from all certain places, or from all possible ones, until there is nothing new.
    fn spread(&mut self, certain: bool) -> Result<(), EngineError> {
        let mut done = vec![0; self.stations.all.len()];
        let mut depth = 0;
        if certain && self.asked.node.is_none() {
            // Only a userset is in a place, itself, without a step.
            self.note_level(depth, &done)?;
            depth += 1;
        }
        loop {
            let counts: Vec<usize> =
                self.stations.all.iter().map(|station| station.ids(certain).len()).collect();
            if counts == done {
                return Ok(());
            }
            if certain {
                self.note_level(depth, &counts)?;
            }
            depth = depth.saturating_add(1);
            for (slot, (from, to)) in done.into_iter().zip(counts.iter().copied()).enumerate() {
                for number in from..to {
                    self.leave(slot, number, certain)?;
                }
            }
            done = counts;
        }
    }

    fn note_level(&mut self, depth: u32, counts: &[usize]) -> Result<(), EngineError> {
        let Some(depth_max) = self.scope.limits.depth_max else { return Ok(()) };
        if depth > depth_max {
            let is_new = |(slot, (station, count)): (usize, (&ReachedSet, &usize))| {
                let before = station.levels.last().copied().unwrap_or(0);
                let number = u32::try_from(before).ok()?;
                (*count > before).then_some(ReachedObject { slot, number })
            };
            let mut all = self.stations.all.iter().zip(counts).enumerate();
            let place = all.find_map(is_new);
            return Err(self.stations.too_deep(&self.scope, place, depth_max));
        }
        for (station, count) in self.stations.all.iter_mut().zip(counts) {
            station.levels.push(*count);
        }
        Ok(())
    }

    /// Takes every step from one place.
    fn leave(&mut self, slot: usize, number: usize, certain: bool) -> Result<(), EngineError> {
        let Some(station) = self.stations.all.get(slot) else { return Ok(()) };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let id = station.ids(certain).get(number).to_owned();
        if !certain && station.certain.contains(&id) {
            return Ok(());
        }
        self.left = Some(ReachedObject { slot, number });
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

    /// Puts every object on which a subject stands in a relation into stations.
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
                let gate = gate(self.reads, terms, &mut self.stations.until)?;
                for (slot, certain) in ends.iter().filter(|_| gate != Gate::Shut) {
                    self.put(*slot, id, *certain && gate == Gate::Open)?;
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
        let Some(station) = self.stations.all.get_mut(slot) else { return Ok(()) };
        let is_new = if certain {
            let is_new = station.certain.insert(id);
            if is_new && self.stations.traced {
                station.parents.push(self.left);
            }
            is_new
        } else {
            !station.certain.contains(id) && station.possible.insert(id)
        };
        if is_new { self.count_place() } else { Ok(()) }
    }

    fn count_place(&mut self) -> Result<(), EngineError> {
        let limits = self.scope.limits;
        self.visits += 1;
        if self.visits > limits.visits_max {
            let limit = limits.visits_max;
            return Err(EngineError::WorkExceeded { work: WorkKind::Visits, limit });
        }
        if self.visits.is_multiple_of(PLACES_PER_INTERRUPTION) {
            self.scope.require_going_on()?;
            require_room(&self.scope, self.stations.bytes())?;
        }
        Ok(())
    }
}

fn onward(stations: &ReachedSets, routes: &Routes) -> Vec<OutgoingSteps> {
    let of_station = |station: &ReachedSet| {
        let mut onward = OutgoingSteps::default();
        for route in routes.onward(station.node) {
            let Some(slot) = stations.slot(route.to) else { continue };
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
    stations.all.iter().map(of_station).collect()
}
