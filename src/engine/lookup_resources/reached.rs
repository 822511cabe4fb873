//! Reached sets: for each schema node between the subject and the target, the objects that the subject reaches.
//!
//! An object is *certain* when the subject has the node's relation or permission on it, whatever else is stored. It is
//! *possible* when the path depends on more: an intersection, an exclusion, `.all`, or a caveat that lacks context or failed.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::id_set::IdSet;
use crate::engine::truth::Truth;
use crate::relationship::{Qualifiers, RelationshipReader, Timestamp};
use crate::schema::NodeId;

/// Maximum number of nodes that an error about a long path lists.
const PATH_NAMES_MAX: usize = 20;

/// A schema node and its reached objects.
#[derive(Debug)]
pub(super) struct ReachedSet {
    pub(super) node: NodeId,
    pub(super) certain: IdSet,
    /// Some of these may be certain as well.
    pub(super) possible: IdSet,
    /// With a depth limit: the number of certain objects up to each depth, from 0 on.
    pub(super) levels: Vec<usize>,
    /// With tracing: the object from which each certain object was first reached.
    pub(super) parents: Vec<Option<ReachedObject>>,
}

/// A certain object of a reached set.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReachedObject {
    pub(super) slot: usize,
    pub(super) number: u32,
}

/// The reached sets of all schema nodes between the subject and the relationships that end in the target.
#[derive(Debug)]
pub(super) struct ReachedSets {
    pub(super) all: Vec<ReachedSet>,
    /// The first expiry among the relationships that were used: the sets are valid until then.
    pub(super) until: Option<Timestamp>,
    /// Whether the path to each object is recorded.
    pub(super) traced: bool,
}

impl ReachedSet {
    pub(super) fn ids(&self, certain: bool) -> &IdSet {
        if certain { &self.certain } else { &self.possible }
    }

    /// The length of the shortest path from the subject to a certain object, in relations and permissions. Requires a depth
    /// limit.
    pub(super) fn depth(&self, number: u32) -> usize {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        self.levels.partition_point(|count| *count <= number)
    }
}

impl ReachedSets {
    pub(super) fn slot(&self, node: NodeId) -> Option<usize> {
        self.all.binary_search_by_key(&node, |reached_set| reached_set.node).ok()
    }

    pub(super) fn bytes(&self) -> usize {
        let bytes = |reached_set: &ReachedSet| {
            let parents = size_of::<Option<ReachedObject>>() * reached_set.parents.capacity();
            reached_set.certain.bytes() + reached_set.possible.bytes() + parents
        };
        self.all.iter().map(bytes).sum()
    }

    /// The error for a path that exceeds the depth limit at this object, or directly after it.
    pub(super) fn too_deep<R>(
        &self,
        eval: &EvalContext<'_, R>,
        onr: Option<ReachedObject>,
        depth_max: u32,
    ) -> EngineError {
        if !self.traced {
            return EngineError::DepthExceeded { depth_max };
        }

        let mut way = Vec::new();
        let mut next = onr;
        while let Some((onr, reached_set)) =
            next.and_then(|onr| Some((onr, self.all.get(onr.slot)?)))
            && way.len() < PATH_NAMES_MAX
        {
            let node = eval.schema.node(reached_set.node);
            let definition = &eval.schema.definition(node.definition).name;
            let id = reached_set.certain.get(onr.number);
            way.push(format!("{definition}:{id}#{}", node.name));
            let index = usize::try_from(onr.number).unwrap_or(usize::MAX);
            next = reached_set.parents.get(index).copied().flatten();
        }
        way.reverse();
        EngineError::PathTooLong { depth_max, path: way }
    }
}

/// The value of a relationship, whose expiry is added to `until`.
pub(super) fn relationship_value<R: RelationshipReader>(
    reads: &mut CountedReader<'_, R>,
    terms: &Qualifiers,
    until: &mut Option<Timestamp>,
) -> Result<Truth, EngineError> {
    *until = (*until).into_iter().chain(terms.expires_at).min();
    Ok(reads.condition(terms, None)?.truth)
}

/// Requires that a lookup stays within its own memory limit, and within the memory budget of all lookups.
pub(super) fn require_room<R>(eval: &EvalContext<'_, R>, bytes: usize) -> Result<(), EngineError> {
    let limit = u64::from(eval.limits.lookup_bytes_max);
    if u64::try_from(bytes).unwrap_or(u64::MAX) > limit {
        return Err(EngineError::WorkExceeded { work: WorkKind::LookupBytes, limit });
    }
    if (eval.room)(bytes) { Ok(()) } else { Err(EngineError::NoRoom) }
}
