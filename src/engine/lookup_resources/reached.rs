//! The objects on the way: everything from which the target is reached over relationships.
//!
//! A *place*, a station on one object, is *certain* when the subject is in it, whatever else is stored, and *possible* when
//! something on the way depends on more: an intersection, an exclusion, `.all`, or a caveat that lacks context or failed.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::id_set::IdSet;
use crate::engine::truth::Truth;
use crate::relationship::{Qualifiers, RelationshipReader, Timestamp};
use crate::schema::NodeId;

/// The most places that an error about a long way names.
const WAY_NAMES_MAX: usize = 20;

/// A station and its objects.
#[derive(Debug)]
pub(super) struct ReachedSet {
    pub(super) node: NodeId,
    pub(super) certain: IdSet,
    /// Some of these may be certain too.
    pub(super) possible: IdSet,
    /// Where there is a limit on depth: how many certain objects there were up to each depth, from 0 on.
    pub(super) levels: Vec<usize>,
    /// Where the way is to be told: from which place each certain object was reached first.
    pub(super) parents: Vec<Option<ReachedObject>>,
}

/// A station's certain object.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReachedObject {
    pub(super) slot: usize,
    pub(super) number: u32,
}

/// All stations that lie between the subject and the relationships that end in the target.
#[derive(Debug)]
pub(super) struct ReachedSets {
    pub(super) all: Vec<ReachedSet>,
    /// The first expiry among the relationships that were used: until then this stays right.
    pub(super) until: Option<Timestamp>,
    /// Whether the way to each place is known.
    pub(super) traced: bool,
}

impl ReachedSet {
    pub(super) fn ids(&self, certain: bool) -> &IdSet {
        if certain { &self.certain } else { &self.possible }
    }

    /// The shortest way from the subject to a certain object, in relations and permissions. Known where it is limited.
    pub(super) fn depth(&self, number: u32) -> usize {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        self.levels.partition_point(|count| *count <= number)
    }
}

impl ReachedSets {
    pub(super) fn slot(&self, node: NodeId) -> Option<usize> {
        self.all.binary_search_by_key(&node, |station| station.node).ok()
    }

    pub(super) fn bytes(&self) -> usize {
        let bytes = |station: &ReachedSet| {
            let parents = size_of::<Option<ReachedObject>>() * station.parents.capacity();
            station.certain.bytes() + station.possible.bytes() + parents
        };
        self.all.iter().map(bytes).sum()
    }

    /// The error for what lies deeper than is allowed: at a place, or right behind it.
    pub(super) fn too_deep<R>(
        &self,
        scope: &EvalContext<'_, R>,
        place: Option<ReachedObject>,
        depth_max: u32,
    ) -> EngineError {
        if !self.traced {
            return EngineError::DepthExceeded { depth_max };
        }
        let mut way = Vec::new();
        let mut next = place;
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
    reads: &mut CountedReader<'_, R>,
    terms: &Qualifiers,
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

/// Requires that a lookup needs no more memory than it may, and that there is so much beside other lookups.
pub(super) fn require_room<R>(scope: &EvalContext<'_, R>, bytes: usize) -> Result<(), EngineError> {
    let limit = u64::from(scope.limits.lookup_bytes_max);
    if u64::try_from(bytes).unwrap_or(u64::MAX) > limit {
        return Err(EngineError::WorkExceeded { work: WorkKind::LookupBytes, limit });
    }
    if (scope.room)(bytes) { Ok(()) } else { Err(EngineError::NoRoom) }
}
