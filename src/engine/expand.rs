//! Expand: who relationships put into a relation or permission, as the tree of its expression.
//!
//! Permissions are written out down to the relations that they rest on, through arrows too; usersets are told, not
//! looked into. Caveats and expressions of context play no part.

use crate::engine::check::branches::{Branch, Branches};
use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Statistics;
use crate::engine::object_and_relation::{CYCLE_NAMES_MAX, ObjectAndRelation, place_name};
use crate::engine::resolve::{require_definition, require_node};
use crate::relationship::{Context, ObjectRef, ReadError, RelationshipReader, Subject};
use crate::schema::{AllowedSubject, Arrow, Expr, Quantifier, Rule};

/// How deep a tree may be. It is a message of messages, and whoever reads one does so on its stack.
const DEPTH_MAX: u32 = 200;
/// The most operations and subjects of a tree.
const PARTS_MAX: u64 = 100_000;

/// A relation or permission of an object, expanded.
#[derive(Clone, Debug)]
pub struct ExpandResult {
    /// The tree.
    pub tree: ExpandTree,
    /// What it cost.
    pub statistics: Statistics,
}

/// A part of a relation or permission of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandTree {
    /// The object.
    pub object: ObjectRef,
    /// The relation, or the permission whose expression holds the part.
    pub relation: String,
    /// What stands there.
    pub kind: ExpandTreeKind,
}

/// What stands at a place of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandTreeKind {
    /// Whoever the operation leaves of its children.
    Operation(SetOperation, Vec<ExpandTree>),
    /// These subjects: objects and wildcards first, then usersets.
    Subjects(Vec<Subject>),
}

/// How the children of a tree are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOperation {
    /// Whoever is in one of them. May have any number of children.
    Union,
    /// Whoever is in all of them.
    Intersection,
    /// Whoever is in the first and not in the second.
    Exclusion,
}

/// Expands a relation or permission of an object.
pub fn expand<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    resource: &ObjectRef,
    permission: &str,
) -> Result<ExpandResult, EngineError> {
    let definition = require_definition(scope.schema, resource.object_type())?;
    let node = require_node(scope.schema, definition, permission)?;
    let context = Context::default();
    let mut expansion = Expander::new(scope, CountedReader::new(scope, &context));
    expansion.tasks.push(ExpandTask {
        depth: 1,
        kind: ExpandTaskKind::Place((node, resource.object_id().into())),
    });
    expansion.run()
}

/// What is still to be done.
struct ExpandTask<'s> {
    /// How deep its part of the tree lies.
    depth: u32,
    kind: ExpandTaskKind<'s>,
}

enum ExpandTaskKind<'s> {
    /// Expand a relation or permission of an object.
    Place(ObjectAndRelation),
    /// Expand an expression of the permission of an object.
    Part(ObjectAndRelation, &'s Expr),
    /// Join the last so many trees, which are the operands of an expression of that place.
    Join(ObjectAndRelation, SetOperation, usize),
    /// Nobody, in the expression of that place.
    Nobody(ObjectAndRelation),
    /// Everything of the innermost permission is expanded.
    Leave,
}

struct Expander<'s, 'r, R> {
    scope: EvalContext<'s, R>,
    reads: CountedReader<'r, R>,
    tasks: Vec<ExpandTask<'s>>,
    done: Vec<ExpandTree>,
    /// The permissions around the task that is under way.
    path: Vec<ObjectAndRelation>,
    parts: u64,
    visits: u64,
    depth: u64,
}

impl<'s, 'r, R: RelationshipReader> Expander<'s, 'r, R> {
    fn new(scope: &EvalContext<'s, R>, reads: CountedReader<'r, R>) -> Self {
        let (tasks, done, path) = (Vec::new(), Vec::new(), Vec::new());
        Self { scope: *scope, reads, tasks, done, path, parts: 0, visits: 0, depth: 0 }
    }

    fn run(mut self) -> Result<ExpandResult, EngineError> {
        while let Some(ExpandTask { depth, kind }) = self.tasks.pop() {
            match kind {
                ExpandTaskKind::Place(place) => self.place(place, depth)?,
                ExpandTaskKind::Part(place, expr) => self.part(place, expr, depth)?,
                ExpandTaskKind::Join(place, operation, count) => {
                    self.join(&place, operation, count)?;
                }
                ExpandTaskKind::Nobody(place) => self.leaf(&place, Vec::new())?,
                ExpandTaskKind::Leave => drop(self.path.pop()),
            }
        }
        let (reads, caveat_steps) = self.reads.counts();
        let (visits, depth) = (self.visits, self.depth);
        let statistics = Statistics { visits, reads, caveat_steps, cache_hits: 0, depth };
        // Every task leaves one tree.
        let tree = self.done.pop().ok_or(EngineError::Interrupted)?;
        Ok(ExpandResult { tree, statistics })
    }

    fn place(&mut self, place: ObjectAndRelation, depth: u32) -> Result<(), EngineError> {
        self.scope.count_visit(&mut self.visits)?;
        match &self.scope.schema.node(place.0).rule {
            Rule::Relation(subjects) => self.relation(&place, subjects, depth),
            Rule::Permission(expr) => {
                if let Some(start) = self.path.iter().position(|open| *open == place) {
                    let cycle = self.path.iter().skip(start).chain([&place]);
                    let cycle = cycle.take(CYCLE_NAMES_MAX);
                    let cycle = cycle.map(|place| place_name(self.scope.schema, place)).collect();
                    return Err(EngineError::EndlessTree { cycle });
                }
                self.path.push(place.clone());
                self.tasks.push(ExpandTask { depth, kind: ExpandTaskKind::Leave });
                match expr {
                    Expr::Union(_) | Expr::Intersection(_) | Expr::Exclusion(..) => {
                        self.part(place, expr, depth)
                    }
                    // What stands alone is told as a union of one.
                    Expr::Nil | Expr::Itself | Expr::Node(_) | Expr::Arrow(_) => {
                        self.open(&place, SetOperation::Union, 1, depth)?;
                        let part = ExpandTaskKind::Part(place, expr);
                        self.tasks.push(ExpandTask { depth: depth + 1, kind: part });
                        Ok(())
                    }
                }
            }
        }
    }

    fn part(
        &mut self,
        place: ObjectAndRelation,
        expr: &'s Expr,
        depth: u32,
    ) -> Result<(), EngineError> {
        match expr {
            Expr::Nil => self.leaf(&place, Vec::new()),
            Expr::Itself => {
                let itself = Subject::Object(self.object(&place)?);
                self.leaf(&place, vec![itself])
            }
            Expr::Node(node) => self.place((*node, place.1), depth),
            Expr::Arrow(arrow) => self.arrow(&place, arrow, depth),
            Expr::Union(operands) => self.operands(&place, SetOperation::Union, operands, depth),
            Expr::Intersection(operands) => {
                self.operands(&place, SetOperation::Intersection, operands, depth)
            }
            Expr::Exclusion(base, subtracted) => {
                let operands = [&**base, &**subtracted];
                self.operands(&place, SetOperation::Exclusion, operands, depth)
            }
        }
    }

    fn operands<I>(
        &mut self,
        place: &ObjectAndRelation,
        operation: SetOperation,
        operands: I,
        depth: u32,
    ) -> Result<(), EngineError>
    where
        I: IntoIterator<Item = &'s Expr, IntoIter: ExactSizeIterator + DoubleEndedIterator>,
    {
        let operands = operands.into_iter();
        self.open(place, operation, operands.len(), depth)?;
        let part = |expr| ExpandTaskKind::Part(place.clone(), expr);
        // The last task pushed is done first.
        self.tasks
            .extend(operands.rev().map(|expr| ExpandTask { depth: depth + 1, kind: part(expr) }));
        Ok(())
    }

    /// One child for each object that the tupleset names.
    fn arrow(
        &mut self,
        place: &ObjectAndRelation,
        arrow: &Arrow,
        depth: u32,
    ) -> Result<(), EngineError> {
        let tupleset = (arrow.tupleset, &*place.1);
        let limit = self.scope.limits.subjects_max;
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
                    Some(target) => ExpandTaskKind::Place((target, id.into())),
                    None => ExpandTaskKind::Nobody(place.clone()),
                };
                children.push(ExpandTask { depth: depth + 1, kind });
                require_small(self.parts, children.len(), limit)
            })?;
        }
        let operation = match arrow.quantifier {
            Quantifier::Any => SetOperation::Union,
            Quantifier::All => SetOperation::Intersection,
        };
        self.open(place, operation, children.len(), depth)?;
        self.tasks.extend(children.into_iter().rev());
        Ok(())
    }

    fn relation(
        &mut self,
        place: &ObjectAndRelation,
        allowed: &[AllowedSubject],
        depth: u32,
    ) -> Result<(), EngineError> {
        self.require_depth(depth)?;
        let schema = self.scope.schema;
        let limit = self.scope.limits.subjects_max;
        let mut subjects = Vec::new();
        for branch in Branches::of_relation(allowed) {
            let object_type = &schema.definition(branch.definition).name;
            let relation = branch.target.map_or("", |node| schema.node(node).name.as_str());
            self.reads.all_subjects((place.0, &*place.1), branch, |_, id, _| {
                let subject = Subject::new(object_type, id, relation);
                subjects.push(subject.map_err(ReadError::new)?);
                require_small(self.parts, subjects.len(), limit)
            })?;
        }
        self.leaf(place, subjects)
    }

    /// Announces that the next so many trees belong together.
    fn open(
        &mut self,
        place: &ObjectAndRelation,
        operation: SetOperation,
        count: usize,
        depth: u32,
    ) -> Result<(), EngineError> {
        self.require_depth(depth)?;
        let kind = ExpandTaskKind::Join(place.clone(), operation, count);
        self.tasks.push(ExpandTask { depth, kind });
        Ok(())
    }

    fn join(
        &mut self,
        place: &ObjectAndRelation,
        operation: SetOperation,
        count: usize,
    ) -> Result<(), EngineError> {
        let children = self.done.split_off(self.done.len().saturating_sub(count));
        self.tell(place, ExpandTreeKind::Operation(operation, children), 1)
    }

    fn leaf(
        &mut self,
        place: &ObjectAndRelation,
        subjects: Vec<Subject>,
    ) -> Result<(), EngineError> {
        let parts = subjects.len() + 1;
        self.tell(place, ExpandTreeKind::Subjects(subjects), parts)
    }

    fn tell(
        &mut self,
        place: &ObjectAndRelation,
        kind: ExpandTreeKind,
        parts: usize,
    ) -> Result<(), EngineError> {
        require_small(self.parts, parts, self.scope.limits.subjects_max)?;
        self.parts += u64::try_from(parts).unwrap_or(u64::MAX);
        let relation = self.scope.schema.node(place.0).name.clone();
        let object = self.object(place)?;
        self.done.push(ExpandTree { object, relation, kind });
        Ok(())
    }

    fn object(&self, (node, id): &ObjectAndRelation) -> Result<ObjectRef, EngineError> {
        let schema = self.scope.schema;
        let definition = schema.definition(schema.node(*node).definition);
        Ok(ObjectRef::new(&definition.name, &**id).map_err(ReadError::new)?)
    }

    fn require_depth(&mut self, depth: u32) -> Result<(), EngineError> {
        let limits = self.scope.limits;
        let places = u32::try_from(self.path.len()).unwrap_or(u32::MAX);
        self.depth = self.depth.max(places.into());
        match limits.depth_max {
            Some(depth_max) if places > depth_max => Err(EngineError::DepthExceeded { depth_max }),
            _ if depth > DEPTH_MAX => Err(EngineError::DepthExceeded { depth_max: DEPTH_MAX }),
            _ => Ok(()),
        }
    }
}

/// Requires that a tree of so many parts has room for more.
fn require_small(parts: u64, more: usize, limit: u64) -> Result<(), EngineError> {
    let limit = limit.min(PARTS_MAX);
    if parts.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)) > limit {
        return Err(EngineError::WorkExceeded { work: WorkKind::Subjects, limit });
    }
    Ok(())
}
