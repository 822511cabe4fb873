//! Strongly connected components of a graph in dependency order (Tarjan), without recursion.

/// A dependency of one node on another.
#[derive(Clone, Copy, Debug)]
pub struct GraphEdge {
    /// The index of the node that is depended on.
    pub to: usize,
    /// Whether the other node is subtracted.
    pub subtracted: bool,
}

/// Nodes that depend on each other, or a single node.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// Their indexes.
    pub nodes: Vec<usize>,
    /// Whether its nodes depend on each other.
    pub is_cycle: bool,
    /// Whether a node subtracts something that depends on it.
    pub subtracts_itself: bool,
}

/// All components, each after those that it depends on. `edges` is indexed by node, and leads to indexes below its length.
pub fn components(edges: &[Vec<GraphEdge>]) -> Vec<Component> {
    let mut search = Search {
        edges,
        order: vec![None; edges.len()],
        lowest: vec![0; edges.len()],
        pending: vec![false; edges.len()],
        path: Vec::new(),
        stack: Vec::new(),
        found: Vec::new(),
        visited: 0,
    };
    for node in 0..edges.len() {
        search.visit(node);
    }
    search.found
}

/// Tarjan's search, its recursion kept in `path`.
struct Search<'e> {
    edges: &'e [Vec<GraphEdge>],
    /// The order in which the nodes were discovered.
    order: Vec<Option<usize>>,
    /// The earliest pending node that is reachable from a node.
    lowest: Vec<usize>,
    /// Whether a node belongs to an incomplete component.
    pending: Vec<bool>,
    /// The path from the start node, each node with its next edge.
    path: Vec<(usize, usize)>,
    stack: Vec<usize>,
    found: Vec<Component>,
    visited: usize,
}

#[expect(clippy::indexing_slicing, reason = "every node is below the number of edge lists")]
impl Search<'_> {
    fn visit(&mut self, start: usize) {
        if self.order[start].is_some() {
            return;
        }
        self.enter(start);

        while let Some((node, edge)) = self.path.last_mut() {
            let node = *node;
            let Some(to) = self.edges[node].get(*edge).map(|edge| edge.to) else {
                self.leave(node);
                continue;
            };
            *edge += 1;
            match self.order[to] {
                None => self.enter(to),
                Some(order) if self.pending[to] => {
                    self.lowest[node] = self.lowest[node].min(order);
                }
                Some(_) => {}
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.order[node] = Some(self.visited);
        self.lowest[node] = self.visited;
        self.visited += 1;
        self.pending[node] = true;
        self.stack.push(node);
        self.path.push((node, 0));
    }

    fn leave(&mut self, node: usize) {
        self.path.pop();
        if let Some((parent, _)) = self.path.last() {
            self.lowest[*parent] = self.lowest[*parent].min(self.lowest[node]);
        }
        if Some(self.lowest[node]) != self.order[node] {
            return;
        }
        let start = self.stack.iter().rposition(|other| *other == node).unwrap_or_default();
        let nodes = self.stack.split_off(start);
        let inner = self.inner_edges(&nodes);
        let subtracts_itself = inner.iter().any(|edge| edge.subtracted);
        let is_cycle = !inner.is_empty();
        for node in &nodes {
            self.pending[*node] = false;
        }
        self.found.push(Component { nodes, is_cycle, subtracts_itself });
    }

    /// The edges within `nodes`, the component that was just completed.
    fn inner_edges(&self, nodes: &[usize]) -> Vec<GraphEdge> {
        // Pending nodes at or after the component's first are the component itself.
        let first = nodes.first().and_then(|node| self.order[*node]);
        nodes
            .iter()
            .flat_map(|node| &self.edges[*node])
            .filter(|edge| self.pending[edge.to] && self.order[edge.to] >= first)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components_of(edges: &[&[usize]]) -> Vec<Vec<usize>> {
        let edge = |to: &usize| GraphEdge { to: *to, subtracted: false };
        let edges: Vec<Vec<GraphEdge>> =
            edges.iter().map(|to| to.iter().map(edge).collect()).collect();
        components(&edges).into_iter().map(|component| component.nodes).collect()
    }

    #[test]
    fn leaves_come_first_and_cycles_stay_together() {
        assert_eq!(components_of(&[&[1], &[2], &[]]), [vec![2], vec![1], vec![0]]);
        assert_eq!(components_of(&[&[1, 3], &[2], &[1], &[]]), [vec![1, 2], vec![3], vec![0]]);
        assert_eq!(components_of(&[&[1], &[0], &[1]]), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn a_node_that_subtracts_itself_is_recognized() {
        let edges = [vec![GraphEdge { to: 0, subtracted: true }]];
        let found = components(&edges);
        assert!(found.iter().all(|component| component.is_cycle && component.subtracts_itself));
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let edges: Vec<Vec<GraphEdge>> = (1..=200_000)
            .map(|to| vec![GraphEdge { to: to % 200_000, subtracted: false }])
            .collect();
        assert_eq!(components(&edges).len(), 1);
    }
}
