//! The graph of a subject lookup, explored from the resource, and its flattening into unions of leaves.

use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::truth::Truth;
use crate::schema::NodeId;
use std::collections::{HashMap, HashSet};

/// Number of steps per node that flattening may take on average; beyond that, shared nodes become parts of their own.
const STEPS_PER_NODE: usize = 16;

/// A source of subjects.
#[derive(Debug)]
pub(super) enum SubjectLeaf {
    /// The direct subjects in a relation of an object.
    Rows {
        node: NodeId,
        object_id: String,
        /// Whether the relation allows single subjects.
        any: bool,
        /// The value of the relation's wildcard, *no* without one.
        rest: Truth,
    },
    /// One subject.
    One(String),
}

/// A node at which values are combined.
#[derive(Debug)]
pub(super) struct Combination {
    pub(super) join: Combinator,
    pub(super) operands: Vec<FlatUnion>,
}

/// The operation of a [`Combination`].
#[derive(Clone, Debug)]
pub(super) enum Combinator {
    /// The only operand, restricted by the value of a caveat.
    Under(Truth),
    /// The intersection of all operands.
    All,
    /// The first operand without the second.
    Without,
}

/// A union of leaves and parts, by index.
#[derive(Debug, Default)]
pub(super) struct FlatUnion {
    pub(super) leaves: Vec<usize>,
    pub(super) parts: Vec<usize>,
}

/// An element of a union before flattening.
#[derive(Clone, Copy, Debug)]
pub(super) enum GraphItem {
    Leaf(usize),
    /// All subjects of a node.
    Node(usize),
    Part(usize),
}

/// The part of the graph that has been explored.
#[derive(Debug, Default)]
pub(super) struct SubjectGraph {
    /// The relations and permissions that were reached, each with the length of the path to it.
    pub(super) nodes: Vec<(ObjectAndRelation, u64)>,
    positions: HashMap<ObjectAndRelation, usize>,
    /// The elements of the explored nodes, by node.
    pub(super) items: Vec<Vec<GraphItem>>,
    pub(super) leaves: Vec<SubjectLeaf>,
    pub(super) parts: Vec<(Combinator, Vec<Vec<GraphItem>>)>,
    /// The node that each part belongs to.
    pub(super) owners: Vec<usize>,
}

impl SubjectGraph {
    pub(super) fn node(&mut self, onr: ObjectAndRelation, depth: u64) -> GraphItem {
        let next = self.nodes.len();
        GraphItem::Node(*self.positions.entry(onr).or_insert_with_key(|onr| {
            self.nodes.push((onr.clone(), depth));
            next
        }))
    }

    pub(super) fn leaf(&mut self, leaf: SubjectLeaf) -> GraphItem {
        self.leaves.push(leaf);
        GraphItem::Leaf(self.leaves.len() - 1)
    }

    pub(super) fn part(&mut self, join: Combinator, operands: Vec<Vec<GraphItem>>) -> GraphItem {
        // The node being explored is the first one without items.
        self.owners.push(self.items.len());
        self.parts.push((join, operands));
        GraphItem::Part(self.parts.len() - 1)
    }

    /// A node restricted by a caveat; `None` when the caveat is false.
    pub(super) fn gated(
        &mut self,
        gate: Truth,
        onr: ObjectAndRelation,
        depth: u64,
    ) -> Option<GraphItem> {
        if gate.is_no() {
            return None;
        }
        let onr = self.node(onr, depth);
        let open = gate.is_yes();
        Some(if open { onr } else { self.part(Combinator::Under(gate), vec![vec![onr]]) })
    }
}

/// A graph whose unions are flat.
#[derive(Debug, Default)]
pub(super) struct FlatGraph {
    pub(super) root: FlatUnion,
    pub(super) parts: Vec<Combination>,
}

impl SubjectGraph {
    /// Flattens every union, which usually is fast and leaves the fewest parts to combine. Where many unions share nodes,
    /// the shared nodes become parts of their own, so that the work stays proportional to the graph.
    pub(super) fn flat(&self) -> FlatGraph {
        let steps_max = STEPS_PER_NODE.saturating_mul(self.nodes.len());
        let flat = self.flat_within(&HashMap::new(), steps_max);
        flat.or_else(|| self.flat_within(&self.hubs(), usize::MAX)).unwrap_or_default()
    }

    /// The nodes that are reached on several paths, each with the index of the part that it becomes.
    fn hubs(&self) -> HashMap<usize, usize> {
        let operands = self.parts.iter().flat_map(|(_, operands)| operands);
        let mut met = HashSet::new();
        let mut hubs = HashMap::new();
        for item in self.items.iter().chain(operands).flatten() {
            if let GraphItem::Node(onr) = item
                && !met.insert(*onr)
            {
                let next = self.parts.len() + hubs.len();
                hubs.entry(*onr).or_insert(next);
            }
        }
        hubs
    }

    /// Flattens within a number of steps; `None` when they do not suffice.
    fn flat_within(&self, hubs: &HashMap<usize, usize>, steps_max: usize) -> Option<FlatGraph> {
        let seen = vec![0; self.nodes.len()];
        let mut flattening =
            Flattening { graph: self, hubs, seen, traversals: 0, steps_left: steps_max };
        let root = flattening.union(&[GraphItem::Node(0)])?;

        let mut parts = Vec::with_capacity(self.parts.len() + hubs.len());
        for (join, operands) in &self.parts {
            let operands = operands.iter().map(|operand| flattening.union(operand));
            parts.push(Combination {
                join: join.clone(),
                operands: operands.collect::<Option<_>>()?,
            });
        }

        let mut hubs: Vec<_> = hubs.iter().map(|(onr, part)| (*part, *onr)).collect();
        hubs.sort_unstable();
        for (_, onr) in hubs {
            let items = self.items.get(onr)?;
            parts.push(Combination {
                join: Combinator::All,
                operands: vec![flattening.union(items)?],
            });
        }
        Some(FlatGraph { root, parts })
    }
}

/// Traverses nodes that are only united, each once per union.
struct Flattening<'g> {
    graph: &'g SubjectGraph,
    /// The nodes that are parts.
    hubs: &'g HashMap<usize, usize>,
    /// The last traversal that reached each node.
    seen: Vec<usize>,
    traversals: usize,
    steps_left: usize,
}

impl Flattening<'_> {
    fn union(&mut self, items: &[GraphItem]) -> Option<FlatUnion> {
        self.traversals += 1;

        let mut union = FlatUnion::default();
        let mut open = items.to_vec();
        while let Some(item) = open.pop() {
            match item {
                GraphItem::Leaf(leaf) => union.leaves.push(leaf),
                GraphItem::Part(part) => union.parts.push(part),
                GraphItem::Node(onr) => {
                    self.steps_left = self.steps_left.checked_sub(1)?;
                    let seen = self.seen.get_mut(onr)?;
                    if std::mem::replace(seen, self.traversals) == self.traversals {
                        continue;
                    }
                    match self.hubs.get(&onr) {
                        Some(part) => union.parts.push(*part),
                        None => open.extend(self.graph.items.get(onr)?),
                    }
                }
            }
        }
        Some(union)
    }
}
