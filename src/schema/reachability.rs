//! Which subjects could ever be in which relation or permission.

use super::compiled::{AllowedForm, DefinitionId, Expr, Node, NodeId, Rule};
use std::collections::BTreeSet;

/// For each node, the forms of subject that some relationships could put into it.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    /// By node: the types whose single objects can be in it.
    objects: Vec<BTreeSet<DefinitionId>>,
    /// By node: the nodes whose usersets can be in it, itself included.
    usersets: Vec<BTreeSet<NodeId>>,
}

impl Reachability {
    /// Works the forms out for every node. `nodes` are in id order.
    pub(super) fn of(nodes: &[Node]) -> Self {
        let direct: Vec<Direct> = nodes.iter().map(Direct::of).collect();
        let mut found = Self::default();
        for node in nodes {
            let usersets = closure(node.id, &direct);
            let objects = usersets
                .iter()
                .filter_map(|id| direct.get(id.index()))
                .flat_map(|direct| direct.objects.iter().copied())
                .collect();
            found.objects.push(objects);
            found.usersets.push(usersets);
        }
        found
    }

    pub(super) fn can_reach(
        &self,
        node: NodeId,
        subject_type: DefinitionId,
        subject_relation: Option<NodeId>,
    ) -> bool {
        match subject_relation {
            Some(relation) => {
                self.usersets.get(node.index()).is_some_and(|nodes| nodes.contains(&relation))
            }
            None => {
                self.objects.get(node.index()).is_some_and(|types| types.contains(&subject_type))
            }
        }
    }
}

/// Every node that the members of `start` can come from, `start` included.
fn closure(start: NodeId, direct: &[Direct]) -> BTreeSet<NodeId> {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for next in direct.get(node.index()).into_iter().flat_map(|direct| &direct.nodes) {
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    seen
}

/// What one node names itself.
#[derive(Default)]
struct Direct {
    objects: BTreeSet<DefinitionId>,
    nodes: BTreeSet<NodeId>,
}

impl Direct {
    fn of(node: &Node) -> Self {
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
                operands.iter().for_each(|operand| self.add(definition, operand));
            }
            // Nobody gets in through the subtracted side.
            Expr::Exclusion(base, _) => self.add(definition, base),
        }
    }
}
