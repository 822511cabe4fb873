//! The parts of a compiled schema: ids, definitions, nodes, rules and expressions.

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
    /// The empty set.
    Nil,
    /// The resource itself, as a subject.
    Itself,
    /// A relation or permission of the same resource.
    Node(NodeId),
    /// A relation or permission of the objects that a relation points to.
    Arrow(Arrow),
    /// The subjects in any of these. A permission with a single operand is not a union.
    Union(Vec<Expr>),
    /// The subjects in all of these.
    Intersection(Vec<Expr>),
    /// The subjects in the first and not in the second.
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
    /// The arrow's target for each subject type that the tupleset allows (type and subject relation, each once).
    pub branches: Vec<ArrowBranch>,
}

/// Where an arrow goes for one form of its tupleset's subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrowBranch {
    /// The subjects' type.
    pub definition: DefinitionId,
    /// The subjects' relation, by which the relationships are read; it plays no part in where the arrow goes.
    pub subject_relation: Option<NodeId>,
    /// The arrow's target in that type; `None` when the type has none, so that the branch is empty.
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
    /// The leaves from left to right: everything but unions, intersections and exclusions.
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

    /// Every relation and permission that the expression names: targets of arrows included, their tuplesets not.
    pub fn named_nodes(&self) -> impl Iterator<Item = NodeId> {
        self.leaves().into_iter().flat_map(|leaf| match leaf {
            Self::Node(id) => vec![*id],
            Self::Arrow(arrow) => {
                arrow.branches.iter().filter_map(|branch| branch.target).collect()
            }
            Self::Nil
            | Self::Itself
            | Self::Union(_)
            | Self::Intersection(_)
            | Self::Exclusion(..) => Vec::new(),
        })
    }
}
