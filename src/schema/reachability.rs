//! Which subjects could ever be in which relation or permission.

use crate::schema::model::{AllowedForm, DefinitionId, Expr, Node, NodeId, Rule};
use crate::schema::routes::Routes;
use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

/// For each node, the forms of subject that some relationships could put into it.
///
/// Worked out for a node when it is first asked for: a schema may have many nodes of which few are ever asked for, and
/// what all of them reach together can be far larger than the schema.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    /// By node: what it names itself.
    direct: Vec<DirectSubjects>,
    /// By node: everything that can be in it.
    reached: Vec<OnceLock<ReachableSubjects>>,
    /// By node: the ways into it.
    routes: Vec<OnceLock<Routes>>,
}

/// What can be in one node.
#[derive(Debug)]
struct ReachableSubjects {
    /// The types whose single objects can be in it.
    objects: HashSet<DefinitionId>,
    /// The nodes whose usersets can be in it, itself included.
    usersets: HashSet<NodeId>,
}

impl Reachability {
    /// Prepares the answers. `nodes` are in id order.
    pub(super) fn from_nodes(nodes: &[Node]) -> Self {
        Self {
            direct: nodes.iter().map(DirectSubjects::from_node).collect(),
            reached: nodes.iter().map(|_| OnceLock::new()).collect(),
            routes: nodes.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The ways into a node. `nodes` are those that this was made of.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub(super) fn routes(&self, node: NodeId, nodes: &[Node]) -> &Routes {
        self.routes[node.index()].get_or_init(|| Routes::to(node, nodes))
    }

    pub(super) fn can_reach(
        &self,
        node: NodeId,
        subject_type: DefinitionId,
        subject_relation: Option<NodeId>,
    ) -> bool {
        let Some(reached) = self.reached.get(node.index()) else { return false };
        // Computed lazily: all nodes together can reach far more than the schema is large.
        let reached = reached.get_or_init(|| ReachableSubjects::by(node, &self.direct));
        match subject_relation {
            Some(relation) => reached.usersets.contains(&relation),
            None => reached.objects.contains(&subject_type),
        }
    }
}

impl ReachableSubjects {
    /// Walks over every node that the members of `start` can come from.
    fn by(start: NodeId, direct: &[DirectSubjects]) -> Self {
        let mut reached = Self { objects: HashSet::new(), usersets: HashSet::from([start]) };
        let mut open = vec![start];
        while let Some(direct) = open.pop().and_then(|node| direct.get(node.index())) {
            reached.objects.extend(&direct.objects);
            for next in &direct.nodes {
                if reached.usersets.insert(*next) {
                    open.push(*next);
                }
            }
        }
        reached
    }
}

/// What one node names itself.
#[derive(Debug, Default)]
struct DirectSubjects {
    objects: BTreeSet<DefinitionId>,
    nodes: BTreeSet<NodeId>,
}

impl DirectSubjects {
    fn from_node(node: &Node) -> Self {
        let mut direct = Self::default();
        match &node.rule {
            Rule::Relation(subjects) => {
                for subject in subjects {
                    match subject.form {
                        AllowedForm::Object | AllowedForm::Wildcard => {
                            direct.objects.insert(subject.definition);
                        }
                        AllowedForm::Userset(relation) => {
                            direct.nodes.insert(relation);
                        }
                    }
                }
            }
            Rule::Permission(expr) => direct.add(node.definition, expr),
        }
        direct
    }

    fn add(&mut self, definition: DefinitionId, expr: &Expr) {
        match expr {
            Expr::Nil => {}
            Expr::Itself => {
                self.objects.insert(definition);
            }
            Expr::Node(node) => {
                self.nodes.insert(*node);
            }
            Expr::Arrow(arrow) => {
                self.nodes.extend(arrow.branches.iter().filter_map(|branch| branch.target));
            }

            Expr::Union(operands) | Expr::Intersection(operands) => {
                for operand in operands {
                    self.add(definition, operand);
                }
            }
            // The subtracted side adds no subjects.
            Expr::Exclusion(base, _) => self.add(definition, base),
        }
    }
}
