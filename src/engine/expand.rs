//! Expand: the subjects of a relation or permission, as the tree of its expression.
//!
//! Permissions are expanded down to the relations that they are computed from, through arrows too. Usersets are leaves and
//! are not expanded. Caveats are not evaluated.

use crate::engine::check::branches::{Branch, Branches};
use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Statistics;
use crate::engine::object_and_relation::{CYCLE_NAMES_MAX, ObjectAndRelation, onr_name};
use crate::engine::resolve::{require_definition, require_node};
use crate::relationship::{Context, ObjectRef, ReadError, RelationshipReader, Subject};
use crate::schema::{AllowedSubject, Arrow, Expr, Quantifier, Rule};

/// Maximum depth of a tree. The response is a nested message, which clients decode recursively.
const DEPTH_MAX: u32 = 200;
/// Maximum number of operations and subjects in a tree.
const PARTS_MAX: u64 = 100_000;

/// A relation or permission of an object, expanded.
#[derive(Clone, Debug)]
pub struct ExpandResult {
    /// The tree.
    pub tree: ExpandTree,
    /// The work that was done.
    pub statistics: Statistics,
}

/// A node of an expanded relation or permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandTree {
    /// The object.
    pub object: ObjectRef,
    /// The relation, or the permission whose expression contains this node.
    pub relation: String,
    /// The operation or the subjects.
    pub kind: ExpandTreeKind,
}

/// The content of a node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandTreeKind {
    /// The subjects that result from combining the children.
    Operation(SetOperation, Vec<ExpandTree>),
    /// These subjects: objects and wildcards first, then usersets.
    Subjects(Vec<Subject>),
}

/// A set operation over the children of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOperation {
    /// Subjects in at least one child. Any number of children.
    Union,
    /// Subjects in all children.
    Intersection,
    /// Subjects in the first child and not in the second.
    Exclusion,
}

/// Expands a relation or permission of an object.
pub fn expand<R: RelationshipReader>(
    eval: &EvalContext<'_, R>,
    resource: &ObjectRef,
    permission: &str,
) -> Result<ExpandResult, EngineError> {
    let definition = require_definition(eval.schema, resource.object_type())?;
    let node = require_node(eval.schema, definition, permission)?;
    let context = Context::default();
    let mut expansion = Expander::new(eval, CountedReader::new(eval, &context));
    expansion.tasks.push(ExpandTask {
        depth: 1,
        kind: ExpandTaskKind::Node((node, resource.object_id().into())),
    });
    expansion.run()
}

/// A pending task.
struct ExpandTask<'s> {
    /// The depth of its node in the tree.
    depth: u32,
    kind: ExpandTaskKind<'s>,
}

enum ExpandTaskKind<'s> {
    /// Expand a relation or permission of an object.
    Node(ObjectAndRelation),
    /// Expand an expression of the permission of an object.
    Part(ObjectAndRelation, &'s Expr),
    /// Combine the last trees, as many as given, into a node for this relation or permission.
    Join(ObjectAndRelation, SetOperation, usize),
    /// A leaf without subjects.
    EmptyLeaf(ObjectAndRelation),
    /// The innermost permission is completely expanded.
    Leave,
}

struct Expander<'s, 'r, R> {
    eval: EvalContext<'s, R>,
    reads: CountedReader<'r, R>,
    tasks: Vec<ExpandTask<'s>>,
    done: Vec<ExpandTree>,
    /// The permissions that enclose the current task.
    path: Vec<ObjectAndRelation>,
    parts: u64,
    visits: u64,
    depth: u64,
}

impl<'s, 'r, R: RelationshipReader> Expander<'s, 'r, R> {
    fn new(eval: &EvalContext<'s, R>, reads: CountedReader<'r, R>) -> Self {
        let (tasks, done, path) = (Vec::new(), Vec::new(), Vec::new());
        Self { eval: *eval, reads, tasks, done, path, parts: 0, visits: 0, depth: 0 }
    }

    fn run(mut self) -> Result<ExpandResult, EngineError> {
        while let Some(ExpandTask { depth, kind }) = self.tasks.pop() {
            match kind {
                ExpandTaskKind::Node(onr) => self.node(onr, depth)?,
                ExpandTaskKind::Part(onr, expr) => self.part(onr, expr, depth)?,
                ExpandTaskKind::Join(onr, operation, count) => {
                    self.join(&onr, operation, count)?;
                }
                ExpandTaskKind::EmptyLeaf(onr) => self.leaf(&onr, Vec::new())?,
                ExpandTaskKind::Leave => drop(self.path.pop()),
            }
        }
        let (reads, caveat_steps) = self.reads.counts();
        let (visits, depth) = (self.visits, self.depth);
        let statistics = Statistics { visits, reads, caveat_steps, depth, ..Statistics::default() };
        // Every task pushes exactly one tree.
        let tree = self.done.pop().ok_or(EngineError::Interrupted)?;
        Ok(ExpandResult { tree, statistics })
    }

    fn node(&mut self, onr: ObjectAndRelation, depth: u32) -> Result<(), EngineError> {
        self.eval.count_visit(&mut self.visits)?;

        match &self.eval.schema.node(onr.0).rule {
            Rule::Relation(subjects) => self.relation(&onr, subjects, depth),
            Rule::Permission(expr) => {
                if let Some(start) = self.path.iter().position(|open| *open == onr) {
                    let cycle = self.path.iter().skip(start).chain([&onr]);
                    let cycle = cycle.take(CYCLE_NAMES_MAX);
                    let cycle = cycle.map(|onr| onr_name(self.eval.schema, onr)).collect();
                    return Err(EngineError::EndlessTree { cycle });
                }
                self.path.push(onr.clone());
                self.tasks.push(ExpandTask { depth, kind: ExpandTaskKind::Leave });
                match expr {
                    Expr::Union(_) | Expr::Intersection(_) | Expr::Exclusion(..) => {
                        self.part(onr, expr, depth)
                    }
                    // SpiceDB shows a permission with a single operand as a union of one.
                    Expr::Nil | Expr::Itself | Expr::Node(_) | Expr::Arrow(_) => {
                        self.open(&onr, SetOperation::Union, 1, depth)?;
                        let part = ExpandTaskKind::Part(onr, expr);
                        self.tasks.push(ExpandTask { depth: depth + 1, kind: part });
                        Ok(())
                    }
                }
            }
        }
    }

    fn part(
        &mut self,
        onr: ObjectAndRelation,
        expr: &'s Expr,
        depth: u32,
    ) -> Result<(), EngineError> {
        match expr {
            Expr::Nil => self.leaf(&onr, Vec::new()),
            Expr::Itself => {
                let itself = Subject::Object(self.object(&onr)?);
                self.leaf(&onr, vec![itself])
            }
            Expr::Node(node) => self.node((*node, onr.1), depth),
            Expr::Arrow(arrow) => self.arrow(&onr, arrow, depth),
            Expr::Union(operands) => self.operands(&onr, SetOperation::Union, operands, depth),
            Expr::Intersection(operands) => {
                self.operands(&onr, SetOperation::Intersection, operands, depth)
            }
            Expr::Exclusion(base, subtracted) => {
                let operands = [&**base, &**subtracted];
                self.operands(&onr, SetOperation::Exclusion, operands, depth)
            }
        }
    }

    fn operands<I>(
        &mut self,
        onr: &ObjectAndRelation,
        operation: SetOperation,
        operands: I,
        depth: u32,
    ) -> Result<(), EngineError>
    where
        I: IntoIterator<Item = &'s Expr, IntoIter: ExactSizeIterator + DoubleEndedIterator>,
    {
        let operands = operands.into_iter();
        self.open(onr, operation, operands.len(), depth)?;
        let part = |expr| ExpandTaskKind::Part(onr.clone(), expr);
        // The stack pops the last task first.
        self.tasks
            .extend(operands.rev().map(|expr| ExpandTask { depth: depth + 1, kind: part(expr) }));
        Ok(())
    }

    /// Expands an arrow: one child for each object in the tupleset.
    fn arrow(
        &mut self,
        onr: &ObjectAndRelation,
        arrow: &Arrow,
        depth: u32,
    ) -> Result<(), EngineError> {
        let tupleset = (arrow.tupleset, &*onr.1);
        let limit = self.eval.limits.subjects_max;
        let mut children = Vec::new();
        for branch in &arrow.branches {
            let target = branch.target;
            let form = Branch {
                definition: branch.definition,
                subject_relation: branch.subject_relation,
                target,
            };
            self.reads.all_subjects(tupleset, form, |_, id, _| {
                let kind = match target {
                    Some(target) => ExpandTaskKind::Node((target, id.into())),
                    None => ExpandTaskKind::EmptyLeaf(onr.clone()),
                };
                children.push(ExpandTask { depth: depth + 1, kind });
                require_small(self.parts, children.len(), limit)
            })?;
        }

        let operation = match arrow.quantifier {
            Quantifier::Any => SetOperation::Union,
            Quantifier::All => SetOperation::Intersection,
        };
        self.open(onr, operation, children.len(), depth)?;
        self.tasks.extend(children.into_iter().rev());
        Ok(())
    }

    fn relation(
        &mut self,
        onr: &ObjectAndRelation,
        allowed: &[AllowedSubject],
        depth: u32,
    ) -> Result<(), EngineError> {
        self.require_depth(depth)?;
        let schema = self.eval.schema;
        let limit = self.eval.limits.subjects_max;

        let mut subjects = Vec::new();
        for branch in Branches::from_relation(allowed) {
            let object_type = &schema.definition(branch.definition).name;
            let relation = branch.target.map_or("", |node| schema.node(node).name.as_str());
            self.reads.all_subjects((onr.0, &*onr.1), branch, |_, id, _| {
                let subject = Subject::new(object_type, id, relation);
                subjects.push(subject.map_err(ReadError::new)?);
                require_small(self.parts, subjects.len(), limit)
            })?;
        }
        self.leaf(onr, subjects)
    }

    /// Pushes the task that combines the next `count` trees.
    fn open(
        &mut self,
        onr: &ObjectAndRelation,
        operation: SetOperation,
        count: usize,
        depth: u32,
    ) -> Result<(), EngineError> {
        self.require_depth(depth)?;
        let kind = ExpandTaskKind::Join(onr.clone(), operation, count);
        self.tasks.push(ExpandTask { depth, kind });
        Ok(())
    }

    fn join(
        &mut self,
        onr: &ObjectAndRelation,
        operation: SetOperation,
        count: usize,
    ) -> Result<(), EngineError> {
        let children = self.done.split_off(self.done.len().saturating_sub(count));
        self.push_tree(onr, ExpandTreeKind::Operation(operation, children), 1)
    }

    fn leaf(&mut self, onr: &ObjectAndRelation, subjects: Vec<Subject>) -> Result<(), EngineError> {
        let parts = subjects.len() + 1;
        self.push_tree(onr, ExpandTreeKind::Subjects(subjects), parts)
    }

    fn push_tree(
        &mut self,
        onr: &ObjectAndRelation,
        kind: ExpandTreeKind,
        parts: usize,
    ) -> Result<(), EngineError> {
        require_small(self.parts, parts, self.eval.limits.subjects_max)?;
        self.parts += u64::try_from(parts).unwrap_or(u64::MAX);
        let relation = self.eval.schema.node(onr.0).name.clone();
        let object = self.object(onr)?;
        self.done.push(ExpandTree { object, relation, kind });
        Ok(())
    }

    fn object(&self, (node, id): &ObjectAndRelation) -> Result<ObjectRef, EngineError> {
        let schema = self.eval.schema;
        let definition = schema.definition(schema.node(*node).definition);
        Ok(ObjectRef::new(&definition.name, &**id).map_err(ReadError::new)?)
    }

    fn require_depth(&mut self, depth: u32) -> Result<(), EngineError> {
        let limits = self.eval.limits;
        let onrs = u32::try_from(self.path.len()).unwrap_or(u32::MAX);
        self.depth = self.depth.max(onrs.into());
        match limits.depth_max {
            Some(depth_max) if onrs > depth_max => Err(EngineError::DepthExceeded { depth_max }),
            _ if depth > DEPTH_MAX => Err(EngineError::DepthExceeded { depth_max: DEPTH_MAX }),
            _ => Ok(()),
        }
    }
}

/// Requires that a tree with this many parts may grow by `more`.
fn require_small(parts: u64, more: usize, limit: u64) -> Result<(), EngineError> {
    let limit = limit.min(PARTS_MAX);
    if parts.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)) > limit {
        return Err(EngineError::WorkExceeded { work: WorkKind::Subjects, limit });
    }
    Ok(())
}
