//! The objects on the way: everything from which the target is reached over relationships.
//!
//! A *place*, a station on one object, is *certain* when the subject is in it, whatever else is stored, and *possible* when
//! something on the way depends on more: an intersection, an exclusion, `.all`, or a caveat that lacks context or failed.
//! Certain places only come from certain places, so they are all found first; then everything that is reached from them
//! and from possible ones over any step is possible. Either is a fixpoint over a list of work, so that circles end and
//! long chains cost no stack.

use super::ids::IdSet;
use crate::engine::error::{EngineError, Work};
use crate::engine::finding::Truth;
use crate::engine::question::Scope;
use crate::engine::reads::Reads;
use crate::engine::walk::Asked;
use crate::relationship::{Page, RelationshipReader, Terms, Timestamp};
use crate::schema::{NodeId, Routes, StartForm, Stored, Way};

/// How many resources are read at first: most subjects stand on few.
const FIRST_PAGE_COUNT: usize = 32;
/// How many resources are read at once after that.
const PAGE_COUNT_MAX: usize = 512;
/// The most places that an error about a long way names.
const WAY_NAMES_MAX: usize = 20;
/// How many new places pass between two looks at whether the caller still waits.
const PLACES_PER_INTERRUPTION: u64 = 1024;

/// A station and its objects.
#[derive(Debug)]
pub(super) struct Station {
    pub(super) node: NodeId,
    pub(super) certain: IdSet,
    /// Some of these may be certain too.
    pub(super) possible: IdSet,
    /// Where there is a limit on depth: how many certain objects there were up to each depth.
    levels: Vec<usize>,
    /// Where the way is to be told: from which place each certain object was reached first.
    parents: Vec<Option<Place>>,
}

/// A station's certain object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) number: u32,
}

/// All stations that lie between the subject and the relationships that end in the target.
#[derive(Debug)]
pub(super) struct Stations {
    pub(super) all: Vec<Station>,
    /// The first expiry among the relationships that were used: until then this stays right.
    pub(super) until: Option<Timestamp>,
    /// Whether the way to each place is known.
    traced: bool,
}

impl Station {
    pub(super) fn ids(&self, certain: bool) -> &IdSet {
        if certain { &self.certain } else { &self.possible }
    }

    /// The shortest way from the subject to a certain object, in relations and permissions. Known where it is limited.
    pub(super) fn depth(&self, number: u32) -> usize {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        1 + self.levels.partition_point(|count| *count <= number)
    }
}

impl Stations {
    pub(super) fn slot(&self, node: NodeId) -> Option<usize> {
        self.all.binary_search_by_key(&node, |station| station.node).ok()
    }

    pub(super) fn bytes(&self) -> usize {
        let bytes = |station: &Station| {
            let parents = size_of::<Option<Place>>() * station.parents.capacity();
            station.certain.bytes() + station.possible.bytes() + parents
        };
        self.all.iter().map(bytes).sum()
    }

    /// The error for what lies deeper than is allowed behind a place.
    pub(super) fn too_deep<R>(
        &self,
        scope: &Scope<'_, R>,
        place: Place,
        depth_max: u32,
    ) -> EngineError {
        if !self.traced {
            return EngineError::DepthExceeded { depth_max };
        }
        let mut way = Vec::new();
        let mut next = Some(place);
        while let Some((place, station)) =
            next.and_then(|place| Some((place, self.all.get(place.slot)?)))
            && way.len() < WAY_NAMES_MAX
        {
            let node = scope.schema.node(station.node);
            let definition = &scope.schema.definition(node.definition).name;
            let id = station.certain.get(place.number);
            way.push(format!("{definition}:{id}#{}", node.name));
            let index = usize::try_from(place.number).unwrap_or(usize::MAX);
            next = station.parents.get(index).copied().flatten();
        }
        way.reverse();
        EngineError::WayTooLong { depth_max, way }
    }
}

/// Whether relationships with these terms count, and when that ends.
pub(super) fn gate<R: RelationshipReader>(
    reads: &mut Reads<'_, R>,
    terms: &Terms,
    until: &mut Option<Timestamp>,
) -> Result<Gate, EngineError> {
    let truth = reads.condition(terms, None)?.truth;
    *until = (*until).into_iter().chain(terms.expires_at).min();
    Ok(match truth {
        Truth::No => Gate::Shut,
        Truth::Yes => Gate::Open,
        Truth::Conditional(_) | Truth::Fault(_) => Gate::Unclear,
    })
}

/// Whether a relationship counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Shut,
    Unclear,
    Open,
}

/// The steps from one station to others, those that need the same relationships together.
#[derive(Debug, Default)]
struct Onward {
    same: Vec<(usize, bool)>,
    stored: Vec<(Stored, Vec<(usize, bool)>)>,
}

/// Finds the stations' objects.
pub(super) struct Spread<'r, 's, R> {
    scope: Scope<'s, R>,
    asked: Asked<'s>,
    reads: &'r mut Reads<'s, R>,
    routes: &'s Routes,
    stations: Stations,
    onward: Vec<Onward>,
    /// The place that is being left; none while the subject itself is.
    left: Option<Place>,
    visits: u64,
}

impl<'r, 's, R: RelationshipReader> Spread<'r, 's, R> {
    pub(super) fn new(
        scope: &Scope<'s, R>,
        asked: Asked<'s>,
        reads: &'r mut Reads<'s, R>,
        routes: &'s Routes,
    ) -> Self {
        let matters = |node: &NodeId| {
            routes.end(*node).is_none()
                && scope.schema.can_reach(*node, asked.definition, asked.node)
        };
        let station = |node| Station {
            node,
            certain: IdSet::default(),
            possible: IdSet::default(),
            levels: Vec::new(),
            parents: Vec::new(),
        };
        let all = routes.stations().filter(matters).map(station).collect();
        let stations = Stations { all, until: None, traced: scope.tracing };
        let onward = onward(&stations, routes);
        Self { scope: *scope, asked, reads, routes, stations, onward, left: None, visits: 0 }
    }

    pub(super) fn run(mut self) -> Result<(Stations, u64), EngineError> {
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
            let stored = Stored {
                relation: start.to,
                subject_type: self.asked.definition,
                subject_relation: None,
            };
            match start.form {
                StartForm::Itself => self.put(slot, id, start.certain)?,
                StartForm::Object => self.follow(stored, id, &[(slot, start.certain)])?,
                StartForm::Wildcard => self.follow(stored, "*", &[(slot, start.certain)])?,
            }
        }
        Ok(())
    }

    /// Goes on from all certain places, or from all possible ones, until there is nothing new.
    fn spread(&mut self, certain: bool) -> Result<(), EngineError> {
        let mut done = vec![0; self.stations.all.len()];
        let mut depth = 0_u32;
        loop {
            let counts: Vec<usize> =
                self.stations.all.iter().map(|station| station.ids(certain).len()).collect();
            if counts == done {
                return Ok(());
            }
            depth = depth.saturating_add(1);
            if certain {
                self.note_level(depth, &counts)?;
            }
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
            let is_new = |(slot, (station, count)): (usize, (&Station, &usize))| {
                let before = station.levels.last().copied().unwrap_or(0);
                let number = u32::try_from(before).ok()?;
                (*count > before).then_some(Place { slot, number })
            };
            let mut all = self.stations.all.iter().zip(counts).enumerate();
            let place = all.find_map(is_new).unwrap_or(Place { slot: 0, number: 0 });
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
        self.left = Some(Place { slot, number });
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
        stored: Stored,
        subject_id: &str,
        ends: &[(usize, bool)],
    ) -> Result<(), EngineError> {
        let mut after: Option<String> = None;
        let mut count_max = FIRST_PAGE_COUNT;
        loop {
            let page = Page { after: after.as_deref(), count_max };
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
            return Err(EngineError::WorkExceeded { work: Work::Visits, limit });
        }
        if self.visits.is_multiple_of(PLACES_PER_INTERRUPTION) {
            self.scope.require_going_on()?;
            require_room(self.stations.bytes(), limits.lookup_bytes_max)?;
        }
        Ok(())
    }
}

/// Requires that a lookup needs no more memory than it may.
pub(super) fn require_room(bytes: usize, bytes_max: u32) -> Result<(), EngineError> {
    let limit = u64::from(bytes_max);
    if u64::try_from(bytes).unwrap_or(u64::MAX) > limit {
        return Err(EngineError::WorkExceeded { work: Work::LookupBytes, limit });
    }
    Ok(())
}

fn onward(stations: &Stations, routes: &Routes) -> Vec<Onward> {
    let of_station = |station: &Station| {
        let mut onward = Onward::default();
        for route in routes.onward(station.node) {
            let Some(slot) = stations.slot(route.to) else { continue };
            let step = (slot, route.certain);
            match route.way {
                Way::Same => onward.same.push(step),
                Way::Stored(stored) => {
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
