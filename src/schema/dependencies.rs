//! Dependencies between relations and permissions, in both directions.

use crate::schema::admission::UnknownName;
use crate::schema::model::{AllowedForm, DefinitionId, Expr, Node, NodeId, Rule};
use crate::schema::schema::Schema;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Why the dependencies of a permission cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// There is no such permission.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// Relations store relationships, and depend on nothing.
    #[error("the relation `{name}` is not a permission")]
    NotAPermission {
        /// The relation.
        name: String,
    },
}

/// A source of subjects, from which dependents are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum SubjectSource {
    /// Single objects of a type, and its wildcard.
    Objects(DefinitionId),
    /// Usersets of a relation or permission.
    Node(NodeId),
}

impl Schema {
    /// The relations and permissions that a permission is computed from, directly or not: those that it names, the
    /// tuplesets and targets of its arrows, and the usersets that all of these allow. Without itself, by name.
    pub fn dependencies(
        &self,
        definition: &str,
        permission: &str,
    ) -> Result<Vec<&Node>, DependencyError> {
        let start = self.require(definition, permission)?;
        if matches!(start.rule, Rule::Relation(_)) {
            return Err(DependencyError::NotAPermission { name: permission.to_owned() });
        }
        let mut found = BTreeSet::new();
        let mut walked = HashSet::from([start.id]);
        let mut open = vec![start.id];

        while let Some(id) = open.pop() {
            found.insert(id);
            let node = self.node(id);
            found.extend(followed(node));
            let nodes = sources(node).into_iter().filter_map(|source| match source {
                SubjectSource::Node(node) => Some(node),
                SubjectSource::Objects(_) => None,
            });
            open.extend(nodes.filter(|next| walked.insert(*next)));
        }
        found.remove(&start.id);
        Ok(self.by_name(found))
    }

    /// The relations and permissions that usersets of a relation or permission are computed into, directly or not; without
    /// a relation, those that the objects of the definition are. Without itself, by name.
    pub fn dependents(
        &self,
        definition: &str,
        relation: Option<&str>,
    ) -> Result<Vec<&Node>, UnknownName> {
        let start = match relation {
            Some(relation) => SubjectSource::Node(self.require(definition, relation)?.id),
            None => SubjectSource::Objects(self.require_definition(definition)?),
        };
        let mut takers: HashMap<SubjectSource, Vec<NodeId>> = HashMap::new();
        for node in self.nodes() {
            for source in sources(node) {
                takers.entry(source).or_default().push(node.id);
            }
        }

        let mut found = BTreeSet::new();
        let mut open = vec![start];
        while let Some(source) = open.pop() {
            let takers = takers.get(&source).into_iter().flatten();
            open.extend(takers.filter(|id| found.insert(**id)).map(|id| SubjectSource::Node(*id)));
        }

        if let SubjectSource::Node(start) = start {
            found.remove(&start);
        }
        Ok(self.by_name(found))
    }

    fn require(&self, definition: &str, name: &str) -> Result<&Node, UnknownName> {
        self.find_node(self.require_definition(definition)?, name).ok_or_else(|| {
            UnknownName::Relation { definition: definition.to_owned(), name: name.to_owned() }
        })
    }

    fn require_definition(&self, name: &str) -> Result<DefinitionId, UnknownName> {
        let found = self.find_definition(name).map(|definition| definition.id);
        found.ok_or_else(|| UnknownName::Definition { name: name.to_owned() })
    }

    fn by_name(&self, ids: BTreeSet<NodeId>) -> Vec<&Node> {
        let mut nodes: Vec<&Node> = ids.into_iter().map(|id| self.node(id)).collect();
        nodes.sort_by_key(|node| (&self.definition(node.definition).name, &node.name));
        nodes
    }
}

/// The sources from which a node is computed, subtracted ones included.
fn sources(node: &Node) -> BTreeSet<SubjectSource> {
    match &node.rule {
        Rule::Relation(allowed) => allowed
            .iter()
            .map(|allowed| match allowed.form {
                AllowedForm::Object | AllowedForm::Wildcard => {
                    SubjectSource::Objects(allowed.definition)
                }
                AllowedForm::Userset(relation) => SubjectSource::Node(relation),
            })
            .collect(),
        Rule::Permission(expr) => {
            expr.leaves().into_iter().flat_map(|leaf| sources_of_leaf(node, leaf)).collect()
        }
    }
}

fn sources_of_leaf(node: &Node, leaf: &Expr) -> Vec<SubjectSource> {
    match leaf {
        Expr::Itself => vec![SubjectSource::Objects(node.definition)],
        Expr::Node(id) => vec![SubjectSource::Node(*id)],
        Expr::Arrow(arrow) => arrow
            .branches
            .iter()
            .filter_map(|branch| branch.target)
            .map(SubjectSource::Node)
            .collect(),
        Expr::Nil | Expr::Union(_) | Expr::Intersection(_) | Expr::Exclusion(..) => Vec::new(),
    }
}

/// The relations that a node's arrows follow, but for arrows that lead nowhere.
fn followed(node: &Node) -> Vec<NodeId> {
    let Rule::Permission(expr) = &node.rule else { return Vec::new() };
    let leaves = expr.leaves().into_iter();
    leaves
        .filter_map(|leaf| match leaf {
            Expr::Arrow(arrow) => Some(arrow),
            Expr::Nil
            | Expr::Itself
            | Expr::Node(_)
            | Expr::Union(_)
            | Expr::Intersection(_)
            | Expr::Exclusion(..) => None,
        })
        .filter(|arrow| arrow.branches.iter().any(|branch| branch.target.is_some()))
        .map(|arrow| arrow.tupleset)
        .collect()
}
