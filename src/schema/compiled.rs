//! A schema that resolved: every name is an id, every expression a tree, nothing left to look up.
//!
//! Only [`super::compile`] and its siblings make a [`Schema`], so holding one proves that it is right.

use super::ast::{self, Span};
use super::fault::SourceFile;
use crate::caveat::Caveat;
use std::collections::HashMap;

/// A definition of one schema, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionId(pub(super) u32);

/// A relation or permission of one schema, by position: a *node* of the graph that checks walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

/// A caveat of one schema, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaveatId(pub(super) u32);

impl NodeId {
    /// The position, for tables that run parallel to the schema's nodes.
    pub fn index(self) -> usize {
        index(self.0)
    }
}

impl DefinitionId {
    /// The position, for tables that run parallel to the schema's definitions.
    pub fn index(self) -> usize {
        index(self.0)
    }
}

impl CaveatId {
    /// The position, for tables that run parallel to the schema's caveats.
    pub fn index(self) -> usize {
        index(self.0)
    }
}

#[expect(clippy::as_conversions, reason = "u32 to usize loses nothing on the targets served")]
fn index(id: u32) -> usize {
    id as usize
}

/// A resolved schema. Immutable.
#[derive(Debug, Default)]
pub struct Schema {
    pub(super) definitions: Vec<Definition>,
    pub(super) nodes: Vec<Node>,
    pub(super) caveats: Vec<Caveat>,
    pub(super) definition_ids: HashMap<String, DefinitionId>,
    pub(super) node_ids: Vec<HashMap<String, NodeId>>,
    pub(super) caveat_ids: HashMap<String, CaveatId>,
    pub(super) reachability: super::reachability::Reachability,
    pub(super) syntax: Syntax,
}

/// How a schema was written: for whoever prints it again or remarks on it.
#[derive(Debug, Default)]
pub(super) struct Syntax {
    /// The texts; the first is the root, the others are what it imports.
    pub(super) files: Vec<SourceFile>,
    /// The definitions' names, in id order.
    pub(super) definitions: Vec<ast::Name>,
    /// The relations and permissions, in id order.
    pub(super) members: Vec<ast::Member>,
    /// The caveats, in id order.
    pub(super) caveats: Vec<ast::Caveat>,
}

impl Syntax {
    /// Where the name of a relation or permission stands; the start of the first text for ids that are not of this schema.
    pub(super) fn name_span(&self, id: NodeId) -> Span {
        let nowhere = Span { file: 0, start: 0, end: 0 };
        self.members.get(id.index()).map_or(nowhere, |member| member.name().span)
    }
}

/// A type of objects.
#[derive(Debug)]
pub struct Definition {
    /// Its id.
    pub id: DefinitionId,
    /// Its name, prefixes included.
    pub name: String,
    /// The doc comment above it, without comment marks; empty when there is none.
    pub doc: String,
    /// The same comment as it is written, comment marks included.
    pub comment: String,
    /// Its relations and permissions, in written order.
    pub nodes: Vec<NodeId>,
}

/// A relation or permission.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// The definition that it belongs to.
    pub definition: DefinitionId,
    /// Its name.
    pub name: String,
    /// The doc comment above it, without comment marks; empty when there is none.
    pub doc: String,
    /// The same comment as it is written, comment marks included.
    pub comment: String,
    /// Who is in it.
    pub rule: Rule,
}

/// Who is in a relation or permission.
#[derive(Debug)]
pub enum Rule {
    /// The subjects that relationships name, of these forms.
    Relation(Vec<AllowedSubject>),
    /// The subjects that an expression computes.
    Permission(Expr),
}

/// One form of subject that a relation takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowedSubject {
    /// The subject's type.
    pub definition: DefinitionId,
    /// An object, a userset or the wildcard of that type.
    pub form: AllowedForm,
    /// The caveat that the relationship must carry; `None` when it must carry none.
    pub caveat: Option<CaveatId>,
    /// Whether the relationship must carry an expiration; when not, it must carry none.
    pub expires: bool,
}

/// Which subjects of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllowedForm {
    /// Single objects: `user`.
    Object,
    /// Usersets: `group#member`.
    Userset(NodeId),
    /// All objects at once: `user:*`.
    Wildcard,
}

/// A permission's expression. Unions and intersections have no direct child of their own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Nobody.
    Nil,
    /// The resource itself, as a subject.
    Itself,
    /// A relation or permission of the same resource.
    Node(NodeId),
    /// A relation or permission of the objects that a relation points to.
    Arrow(Arrow),
    /// Whoever is in one of these. A permission with a single operand is not a union.
    Union(Vec<Expr>),
    /// Whoever is in all of these.
    Intersection(Vec<Expr>),
    /// Whoever is in the first and not in the second.
    Exclusion(Box<Expr>, Box<Expr>),
}

/// `tupleset->target`, `tupleset.any(target)` or `tupleset.all(target)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// Whether one object's target is enough, or every one's is needed.
    pub quantifier: Quantifier,
    /// How it was written.
    pub notation: ArrowNotation,
    /// The relation whose subjects are followed; their own subject relation does not matter.
    pub tupleset: NodeId,
    /// The name that is looked for on each of them.
    pub target: String,
    /// For each form of subject that the tupleset allows (type and subject relation, each once): where to go on.
    pub branches: Vec<ArrowBranch>,
}

/// Where an arrow goes for one form of its tupleset's subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrowBranch {
    /// The subjects' type.
    pub definition: DefinitionId,
    /// The subjects' relation, by which the relationships are read; it plays no part in where the arrow goes.
    pub subject_relation: Option<NodeId>,
    /// The arrow's target in that type; `None` when the type has none, so that nobody is found there.
    pub target: Option<NodeId>,
}

/// How many of an arrow's objects have to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// One is enough.
    Any,
    /// Every one, and there has to be one.
    All,
}

/// How an arrow was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrowNotation {
    /// `a->b`.
    Arrow,
    /// `a.any(b)` or `a.all(b)`.
    Function,
}

impl Expr {
    /// What the operations join, from left to right: everything but unions, intersections and exclusions.
    pub fn leaves(&self) -> Vec<&Expr> {
        let mut leaves = Vec::new();
        let mut open = vec![self];
        while let Some(expr) = open.pop() {
            match expr {
                Self::Nil | Self::Itself | Self::Node(_) | Self::Arrow(_) => leaves.push(expr),
                Self::Union(operands) | Self::Intersection(operands) => {
                    open.extend(operands.iter().rev());
                }
                Self::Exclusion(base, subtracted) => open.extend([&**subtracted, &**base]),
            }
        }
        leaves
    }
}

impl Schema {
    /// The text that was compiled, comments and all; imported files apart.
    pub fn source(&self) -> &str {
        self.syntax.files.first().map_or("", |file| &file.text)
    }

    /// Every definition, in written order.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Every relation and permission of every definition, by id.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every caveat, in written order.
    pub fn caveats(&self) -> &[Caveat] {
        &self.caveats
    }

    /// The definition of a name.
    pub fn find_definition(&self, name: &str) -> Option<&Definition> {
        self.definition_ids.get(name).map(|id| self.definition(*id))
    }

    /// The relation or permission of a name in a definition.
    pub fn find_node(&self, definition: DefinitionId, name: &str) -> Option<&Node> {
        let id = self.node_ids.get(definition.index())?.get(name)?;
        Some(self.node(*id))
    }

    /// The caveat of a name.
    pub fn find_caveat(&self, name: &str) -> Option<CaveatId> {
        self.caveat_ids.get(name).copied()
    }

    /// The definition of an id of this schema.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub fn definition(&self, id: DefinitionId) -> &Definition {
        &self.definitions[id.index()]
    }

    /// The relation or permission of an id of this schema.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The caveat of an id of this schema.
    #[expect(clippy::indexing_slicing, reason = "ids are made with the schema they index")]
    pub fn caveat(&self, id: CaveatId) -> &Caveat {
        &self.caveats[id.index()]
    }

    /// `document#viewer`, for messages.
    pub(super) fn node_name(&self, id: NodeId) -> String {
        let node = self.node(id);
        format!("{}#{}", self.definition(node.definition).name, node.name)
    }

    /// Whether some set of relationships could put a subject of this form into the node. When not, the answer is no
    /// without a read. `subject_relation` is `None` for a single object of `subject_type`.
    pub fn can_reach(
        &self,
        node: NodeId,
        subject_type: DefinitionId,
        subject_relation: Option<NodeId>,
    ) -> bool {
        self.reachability.can_reach(node, subject_type, subject_relation)
    }

    /// The ways on which subjects come into a node. Worked out when they are first asked for.
    pub fn routes(&self, target: NodeId) -> &super::routes::Routes {
        self.reachability.routes(target, &self.nodes)
    }
}
