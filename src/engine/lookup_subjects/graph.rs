//! The graph behind a list of subjects: what was found on the way from its resource, and how that is made flat.

use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::truth::Truth;
use crate::schema::NodeId;
use std::collections::{HashMap, HashSet};

/// How often a place may be walked over, on average, before it pays to work with parts.
const STEPS_PER_PLACE: usize = 16;

/// Subjects that come from one place.
#[derive(Debug)]
pub(super) enum SubjectLeaf {
    /// The single subjects that relationships name in a relation of an object.
    Rows {
        node: NodeId,
        object_id: String,
        /// Whether the relation takes single subjects at all.
        any: bool,
        /// What its wildcard says of everybody.
        rest: Truth,
    },
    /// One subject.
    One(String),
}

/// Values that are combined.
#[derive(Debug)]
pub(super) struct Combination {
    pub(super) join: Combinator,
    pub(super) operands: Vec<FlatUnion>,
}

/// How the operands of a part are combined.
#[derive(Clone, Debug)]
pub(super) enum Combinator {
    /// The only one, as far as a caveat lets it.
    Under(Truth),
    /// What is in all of them.
    All,
    /// What is in the first and not in the second.
    Without,
}

/// Leaves and parts that are united, by position.
#[derive(Debug, Default)]
pub(super) struct FlatUnion {
    pub(super) leaves: Vec<usize>,
    pub(super) parts: Vec<usize>,
}

/// What may be united, before it is flat.
#[derive(Clone, Copy, Debug)]
pub(super) enum GraphItem {
    Leaf(usize),
    /// Everything of a place.
    Place(usize),
    Part(usize),
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct SubjectGraph {
    /// The relations and permissions that were met, each with the length of the way to it.
    pub(super) places: Vec<(ObjectAndRelation, u64)>,
    positions: HashMap<ObjectAndRelation, usize>,
    /// By place, for those that were looked into.
    pub(super) items: Vec<Vec<GraphItem>>,
    pub(super) leaves: Vec<SubjectLeaf>,
    pub(super) parts: Vec<(Combinator, Vec<Vec<GraphItem>>)>,
    /// By part: the place that it belongs to.
    pub(super) homes: Vec<usize>,
}

impl SubjectGraph {
    pub(super) fn place(&mut self, place: ObjectAndRelation, depth: u64) -> GraphItem {
        let next = self.places.len();
        GraphItem::Place(*self.positions.entry(place).or_insert_with_key(|place| {
            self.places.push((place.clone(), depth));
            next
        }))
    }

    pub(super) fn leaf(&mut self, leaf: SubjectLeaf) -> GraphItem {
        self.leaves.push(leaf);
        GraphItem::Leaf(self.leaves.len() - 1)
    }

    pub(super) fn part(&mut self, join: Combinator, operands: Vec<Vec<GraphItem>>) -> GraphItem {
        // The place that is being looked into is the first without items.
        self.homes.push(self.items.len());
        self.parts.push((join, operands));
        GraphItem::Part(self.parts.len() - 1)
    }

    /// A place behind a caveat; none when that lets nobody through.
    pub(super) fn gated(
        &mut self,
        gate: Truth,
        place: ObjectAndRelation,
        depth: u64,
    ) -> Option<GraphItem> {
        if gate.is_no() {
            return None;
        }
        let place = self.place(place, depth);
        let open = gate.is_yes();
        Some(if open { place } else { self.part(Combinator::Under(gate), vec![vec![place]]) })
    }
}

/// A graph whose unions are flat.
#[derive(Debug, Default)]
pub(super) struct FlatGraph {
    pub(super) root: FlatUnion,
    pub(super) parts: Vec<Combination>,
}

impl SubjectGraph {
    /// Makes every union flat, which mostly is quick and leaves the least to combine. Where many unions have the same places
    /// below them, these become parts of their own, so that the work stays in proportion to the graph.
    pub(super) fn flat(&self) -> FlatGraph {
        let steps_max = STEPS_PER_PLACE.saturating_mul(self.places.len());
        let flat = self.flat_within(&HashMap::new(), steps_max);
        flat.or_else(|| self.flat_within(&self.hubs(), usize::MAX)).unwrap_or_default()
    }

    /// The places that are met on several ways, each with the position of the part that it becomes.
    fn hubs(&self) -> HashMap<usize, usize> {
        let operands = self.parts.iter().flat_map(|(_, operands)| operands);
        let mut met = HashSet::new();
        let mut hubs = HashMap::new();
        for item in self.items.iter().chain(operands).flatten() {
            if let GraphItem::Place(place) = item
                && !met.insert(*place)
            {
                let next = self.parts.len() + hubs.len();
                hubs.entry(*place).or_insert(next);
            }
        }
        hubs
    }

    /// `None` when it would take more steps than that.
    fn flat_within(&self, hubs: &HashMap<usize, usize>, steps_max: usize) -> Option<FlatGraph> {
        let seen = vec![0; self.places.len()];
        let mut walk = Flattening { graph: self, hubs, seen, walks: 0, steps_left: steps_max };
        let root = walk.union(&[GraphItem::Place(0)])?;
        let mut parts = Vec::with_capacity(self.parts.len() + hubs.len());
        for (join, operands) in &self.parts {
            let operands = operands.iter().map(|operand| walk.union(operand));
            parts.push(Combination {
                join: join.clone(),
                operands: operands.collect::<Option<_>>()?,
            });
        }
        let mut hubs: Vec<_> = hubs.iter().map(|(place, part)| (*part, *place)).collect();
        hubs.sort_unstable();
        for (_, place) in hubs {
            let items = self.items.get(place)?;
            parts.push(Combination { join: Combinator::All, operands: vec![walk.union(items)?] });
        }
        Some(FlatGraph { root, parts })
    }
}

/// Walks over places that are only united, each once for a union.
struct Flattening<'g> {
    graph: &'g SubjectGraph,
    /// The places that are parts.
    hubs: &'g HashMap<usize, usize>,
    /// By place: the last walk that came to it.
    seen: Vec<usize>,
    walks: usize,
    steps_left: usize,
}

impl Flattening<'_> {
    fn union(&mut self, items: &[GraphItem]) -> Option<FlatUnion> {
        self.walks += 1;
        let mut union = FlatUnion::default();
        let mut open = items.to_vec();
        while let Some(item) = open.pop() {
            match item {
                GraphItem::Leaf(leaf) => union.leaves.push(leaf),
                GraphItem::Part(part) => union.parts.push(part),
                GraphItem::Place(place) => {
                    self.steps_left = self.steps_left.checked_sub(1)?;
                    let seen = self.seen.get_mut(place)?;
                    if std::mem::replace(seen, self.walks) == self.walks {
                        continue;
                    }
                    match self.hubs.get(&place) {
                        Some(part) => union.parts.push(*part),
                        None => open.extend(self.graph.items.get(place)?),
                    }
                }
            }
        }
        Some(union)
    }
}
