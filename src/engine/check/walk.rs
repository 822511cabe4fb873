//! Evaluates a check: a depth-first walk over the graph of object-and-relations, with an explicit stack on the heap.
//!
//! Every node is entered through [`CheckWalk::open`], which consults the memo. The evaluation in progress is a stack of
//! [`Frame`]s. A step either pushes a frame or completes the top one, so a chain of any length costs heap memory for its
//! frames and a constant amount of the thread's stack.

use crate::engine::check::answer_cache::SharedAnswers;
use crate::engine::check::branches::Branches;
use crate::engine::check::memo::{Closing, Memo, MemoEntry, Opening};
use crate::engine::check::node_result::{NodeResult, OpenDepth};
use crate::engine::check::reader::CountedReader;
use crate::engine::check::stack::{Frame, JoinChild, JoinFrame, SubjectPages};
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Statistics;
use crate::engine::lookup_subjects::solve::solve;
use crate::engine::object_and_relation::{CYCLE_NAMES_MAX, ObjectAndRelation, onr_name};
use crate::engine::resolve::ResolvedSubject;
use crate::engine::trace::Trace;
use crate::engine::trace::tracer::Tracer;
use crate::engine::truth::Truth;
use crate::relationship::{ObjectRef, RelationshipReader};
use crate::schema::{AllowedForm, AllowedSubject, Expr, NodeId, Quantifier, Rule};
use std::rc::Rc;

/// A memo with more nodes than this is cleared before the next query.
const KNOWN_MAX: usize = 100_000;

/// The outcome of one step of the walk.
enum WalkStep<'s> {
    /// A result is available for the top frame.
    Done(NodeResult),
    /// A join needs its next child.
    Join(JoinFrame<'s>),
    /// The expression is a reference to another node, which has to be evaluated.
    Enter(ObjectAndRelation),
}

/// The evaluation of checks for one subject. Results are memoized and reused by later checks of the same subject.
pub(in crate::engine) struct CheckWalk<'s, R> {
    eval: EvalContext<'s, R>,
    resolved: ResolvedSubject<'s>,
    reads: CountedReader<'s, R>,
    memo: Memo,
    frames: Vec<Frame<'s>>,
    tracer: Option<Tracer<'s>>,
    statistics: Statistics,
    shared: SharedAnswers<'s>,
    trace: Option<Trace>,
}

impl<'s, R: RelationshipReader> CheckWalk<'s, R> {
    pub(in crate::engine) fn new(eval: &EvalContext<'s, R>, resolved: ResolvedSubject<'s>) -> Self {
        Self {
            eval: *eval,
            resolved,
            reads: CountedReader::new(eval, resolved.context),
            memo: Memo::default(),
            frames: Vec::new(),
            tracer: None,
            statistics: Statistics::default(),
            shared: SharedAnswers::new(eval, &resolved),
            trace: None,
        }
    }

    /// Whether the memoized results are valid for this subject and context.
    pub(in crate::engine) fn is_for(&self, resolved: &ResolvedSubject<'_>) -> bool {
        self.resolved.subject == resolved.subject && self.resolved.context == resolved.context
    }

    pub(in crate::engine) fn statistics(&self) -> Statistics {
        let (reads, caveat_steps) = self.reads.counts();
        Statistics { reads, caveat_steps, ..self.statistics }
    }

    pub(in crate::engine) fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// As [`Self::run`], without storing results about the queried object in the shared cache.
    pub(in crate::engine) fn run_once(
        &mut self,
        onr: &ObjectAndRelation,
    ) -> Result<Truth, EngineError> {
        self.shared.exclude(&onr.1);
        self.run(onr)
    }

    /// Whether the subject has this relation or permission. An error clears the memo.
    pub(in crate::engine) fn run(&mut self, onr: &ObjectAndRelation) -> Result<Truth, EngineError> {
        self.statistics = Statistics::default();
        self.reads.count_on(0, 0);
        if self.memo.len() > KNOWN_MAX {
            self.memo.clear();
        }

        let stopwatch = self.eval.stopwatch;
        self.tracer = self.eval.tracing.then(|| Tracer::new(stopwatch));
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }

        let mut result = self.run_to_end(onr.clone());
        // Frames and open nodes of an aborted walk would corrupt the next one.
        if result.is_err() {
            self.memo.clear();
            self.frames.clear();
        }
        // The walk gives up at every cycle through an exclusion, even when the result does not depend on it.
        if let Err(EngineError::CyclicExclusion { .. }) = result {
            result = self.solve(onr);
        }

        debug_assert!(self.frames.is_empty(), "the evaluation stack is empty at the end");
        debug_assert_eq!(self.memo.depth(), 0, "no node is open at the end");
        debug_assert!(!self.memo.has_provisional(), "every result is final at the end");
        self.trace = self.tracer.take().and_then(|mut tracer| tracer.close().children.pop());
        result
    }

    /// Solves the query as a system of equations. The trace then has its root only.
    fn solve(&mut self, onr: &ObjectAndRelation) -> Result<Truth, EngineError> {
        let truth = solve(&self.eval, &mut self.reads, &self.resolved, onr.clone())?;

        if let Some(tracer) = &mut self.tracer {
            *tracer = Tracer::new(self.eval.stopwatch);
            tracer.open();
            tracer.open();
            tracer.cut();
            self.trace_closed(onr, &NodeResult::final_value(truth.clone()), false);
        }
        Ok(truth)
    }

    fn run_to_end(&mut self, onr: ObjectAndRelation) -> Result<Truth, EngineError> {
        let mut step = self.open(onr)?;
        loop {
            step = match step {
                WalkStep::Join(join) => self.next_child(join)?,
                WalkStep::Enter(onr) => self.open(onr)?,
                WalkStep::Done(node_result) => match self.frames.pop() {
                    Some(frame) => self.absorb(frame, node_result)?,
                    None => return Ok(node_result.truth),
                },
            };
        }
    }

    /// Enters a node: every relation or permission of an object is evaluated through this function.
    fn open(&mut self, onr: ObjectAndRelation) -> Result<WalkStep<'s>, EngineError> {
        self.eval.count_visit(&mut self.statistics.visits)?;

        // The order matters for speed: no read, then point reads that are cheaper than a memo entry, then the memo.
        if let Some(node_result) = self.decided_by_schema(&onr) {
            self.trace_node(&onr, &node_result, false);
            return Ok(WalkStep::Done(node_result));
        }
        if let Rule::Relation(subjects) = &self.eval.schema.node(onr.0).rule
            && !has_usersets(subjects)
        {
            return self.read_direct(&onr, subjects);
        }

        match self.memo.enter(&onr) {
            MemoEntry::Known(node_result) => {
                self.trace_node(&onr, &node_result, true);
                Ok(WalkStep::Done(node_result))
            }
            MemoEntry::Opened(opening) => self.enter(onr, opening),
        }
    }

    /// The results that need no read: a userset is a member of itself, and an unreachable subject has no permission.
    fn decided_by_schema(&self, onr: &ObjectAndRelation) -> Option<NodeResult> {
        let (node, object_id) = onr;
        if self.resolved.node == Some(*node) && self.resolved.subject.object_id() == &**object_id {
            return Some(NodeResult::yes());
        }
        let reachable =
            self.eval.schema.can_reach(*node, self.resolved.definition, self.resolved.node);
        (!reachable).then(NodeResult::no)
    }

    /// Evaluates a relation without usersets: the point reads cost no more than a memo entry.
    fn read_direct(
        &mut self,
        onr: &ObjectAndRelation,
        subjects: &[AllowedSubject],
    ) -> Result<WalkStep<'s>, EngineError> {
        self.require_depth(self.memo.depth() + 1)?;
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        let node_result = {
            let tracer = self.tracer.as_mut();
            self.reads.direct(&self.resolved, (onr.0, &onr.1), subjects, tracer)?
        };
        self.trace_closed(onr, &node_result, false);
        Ok(WalkStep::Done(node_result))
    }

    fn enter(
        &mut self,
        onr: ObjectAndRelation,
        opening: Opening,
    ) -> Result<WalkStep<'s>, EngineError> {
        self.require_depth(self.memo.depth())?;
        // A trace shows every step, so it must not be cut short by the cache.
        if self.tracer.is_none() && self.shared.is_used() {
            if let Some(node_result) = self.shared.find(&onr) {
                self.statistics.cache_hits += 1;
                self.memo.leave_known(onr, opening, node_result.clone());
                return Ok(WalkStep::Done(node_result));
            }
            self.statistics.cache_misses += 1;
        }
        self.evaluate(onr, opening)
    }

    fn evaluate(
        &mut self,
        onr: ObjectAndRelation,
        opening: Opening,
    ) -> Result<WalkStep<'s>, EngineError> {
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        let object_id = Rc::clone(&onr.1);
        let node = onr.0;
        self.frames.push(Frame::Node { onr, opening });
        match &self.eval.schema.node(node).rule {
            Rule::Permission(expr) => Ok(self.start(node, expr, object_id)),
            Rule::Relation(subjects) => self.start_relation(node, subjects, object_id),
        }
    }

    /// Evaluates a relation: its direct subjects first, then the usersets that it contains.
    fn start_relation(
        &mut self,
        node: NodeId,
        subjects: &'s [AllowedSubject],
        object_id: Rc<str>,
    ) -> Result<WalkStep<'s>, EngineError> {
        let direct = {
            let tracer = self.tracer.as_mut();
            self.reads.direct(&self.resolved, (node, &object_id), subjects, tracer)?
        };
        if direct.truth.is_yes() {
            return Ok(WalkStep::Done(direct));
        }

        let branches = Branches::from_usersets(subjects, |relation| self.can_reach(relation));
        let subjects = SubjectPages::new(node, object_id, branches);
        let mut join = JoinFrame::over_subjects(Quantifier::Any, subjects);
        join.found = direct;
        Ok(WalkStep::Join(join))
    }

    fn start(&mut self, node: NodeId, mut expr: &'s Expr, object_id: Rc<str>) -> WalkStep<'s> {
        // Exclusions associate to the left: a chain of them nests as deep as it is long, so it must not recurse.
        while let Expr::Exclusion(base, subtracted) = expr {
            let object_id = Rc::clone(&object_id);
            self.frames.push(Frame::Exclusion { subtracted, node, object_id, base: None });
            expr = base;
        }

        match expr {
            Expr::Nil | Expr::Exclusion(..) => WalkStep::Done(NodeResult::no()),
            Expr::Itself => WalkStep::Done(self.is_itself(node, &object_id)),
            Expr::Node(node) => WalkStep::Enter((*node, object_id)),
            Expr::Union(operands) => {
                WalkStep::Join(JoinFrame::any_operand(operands, node, object_id))
            }
            Expr::Intersection(operands) => {
                WalkStep::Join(JoinFrame::all_operands(operands, node, object_id))
            }
            Expr::Arrow(arrow) => {
                let branches = Branches::from_arrow(arrow, |target| self.can_reach(target));
                let subjects = SubjectPages::new(arrow.tupleset, object_id, branches);
                WalkStep::Join(JoinFrame::over_subjects(arrow.quantifier, subjects))
            }
        }
    }

    fn is_itself(&self, node: NodeId, object_id: &str) -> NodeResult {
        let definition = self.eval.schema.node(node).definition;
        let itself = self.resolved.node.is_none()
            && self.resolved.definition == definition
            && self.resolved.subject.object_id() == object_id;
        if itself { NodeResult::yes() } else { NodeResult::no() }
    }

    fn can_reach(&self, node: NodeId) -> bool {
        self.eval.schema.can_reach(node, self.resolved.definition, self.resolved.node)
    }

    fn next_child(&mut self, mut join: JoinFrame<'s>) -> Result<WalkStep<'s>, EngineError> {
        let Some(child) = join.children.next(&mut self.reads, self.eval.schema)? else {
            return Ok(WalkStep::Done(join.found_at_end()));
        };

        match child {
            JoinChild::Operand { node, expr, object_id } => {
                join.gate = NodeResult::yes();
                self.frames.push(Frame::Join(join));
                Ok(self.start(node, expr, object_id))
            }
            JoinChild::Subject { target, object_id, terms } => {
                join.gate = self.reads.condition(&terms, self.tracer.as_mut())?;
                let is_shut = join.gate.truth.is_no();
                self.frames.push(Frame::Join(join));
                match target {
                    // The caveat is false: the child's result cannot matter, so it is not evaluated.
                    Some(_) if is_shut => Ok(WalkStep::Done(NodeResult::yes())),
                    Some(target) => self.open((target, object_id)),
                    None => Ok(WalkStep::Done(NodeResult::no())),
                }
            }
        }
    }

    /// Passes a result to the frame that waits for it.
    fn absorb(
        &mut self,
        frame: Frame<'s>,
        node_result: NodeResult,
    ) -> Result<WalkStep<'s>, EngineError> {
        match frame {
            Frame::Node { onr, opening } => self.close(onr, opening, node_result),
            Frame::Join(mut join) => {
                join.add(node_result);
                Ok(if join.is_decided() {
                    WalkStep::Done(join.found)
                } else {
                    WalkStep::Join(join)
                })
            }
            Frame::Exclusion { base: None, subtracted, node, object_id } => {
                if node_result.truth.is_no() {
                    return Ok(WalkStep::Done(node_result));
                }

                let start = Rc::clone(&object_id);
                let base = Some(node_result);
                self.frames.push(Frame::Exclusion { subtracted, node, object_id, base });
                Ok(self.start(node, subtracted, start))
            }
            Frame::Exclusion { base: Some(base), .. } => {
                self.require_closed(&node_result)?;
                Ok(WalkStep::Done(base.and_not(node_result)))
            }
        }
    }

    fn close(
        &mut self,
        onr: ObjectAndRelation,
        opening: Opening,
        node_result: NodeResult,
    ) -> Result<WalkStep<'s>, EngineError> {
        match self.memo.leave(onr.clone(), opening, node_result) {
            Closing::Closed(node_result) => {
                self.trace_closed(&onr, &node_result, false);
                self.shared.keep(&onr, &node_result);
                Ok(WalkStep::Done(node_result))
            }
            Closing::Reopened(opening) => {
                // The steps of a round that is repeated are not part of the trace.
                self.tracer.as_mut().map(Tracer::close);
                self.evaluate(onr, opening)
            }
        }
    }

    /// Requires that the subtracted side does not depend on an open node: that node would depend on its own negation.
    fn require_closed(&self, subtracted: &NodeResult) -> Result<(), EngineError> {
        if subtracted.open_depth == OpenDepth::NONE || subtracted.truth.is_yes() {
            return Ok(());
        }
        let OpenDepth(depth) = subtracted.open_depth;
        let cycle = self
            .frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Node { onr, .. } => Some(onr),
                Frame::Join(_) | Frame::Exclusion { .. } => None,
            })
            .skip(depth)
            .take(CYCLE_NAMES_MAX)
            .map(|onr| onr_name(self.eval.schema, onr))
            .collect();
        Err(EngineError::CyclicExclusion { cycle })
    }

    fn require_depth(&mut self, depth: usize) -> Result<(), EngineError> {
        let depth = u64::try_from(depth).unwrap_or(u64::MAX);
        self.statistics.depth = self.statistics.depth.max(depth);
        match self.eval.limits.depth_max {
            Some(depth_max) if depth > u64::from(depth_max) => {
                Err(EngineError::DepthExceeded { depth_max })
            }
            _ => Ok(()),
        }
    }

    /// Adds a step to the trace for a node that was not evaluated.
    fn trace_node(&mut self, onr: &ObjectAndRelation, node_result: &NodeResult, known: bool) {
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        self.trace_closed(onr, node_result, known);
    }

    /// Closes the current step of the trace, which belongs to this node.
    fn trace_closed(
        &mut self,
        (node, object_id): &ObjectAndRelation,
        node_result: &NodeResult,
        known: bool,
    ) {
        let Some(tracer) = &mut self.tracer else { return };
        let node = self.eval.schema.node(*node);
        let definition = &self.eval.schema.definition(node.definition).name;
        let step = tracer.close();

        // Type and id come from the schema and the store, so they are well formed.
        let Ok(resource) = ObjectRef::new(definition, &**object_id) else { return };
        tracer.child(Trace {
            resource,
            permission: node.name.clone(),
            is_permission: matches!(node.rule, Rule::Permission(_)),
            subject: self.resolved.subject.clone(),
            permissionship: node_result.truth.permissionship().ok(),
            known,
            duration: step.duration,
            condition: node_result.condition.as_deref().cloned(),
            caveats: step.caveats,
            children: step.children,
            cut: step.cut,
        });
    }
}

fn has_usersets(subjects: &[AllowedSubject]) -> bool {
    subjects.iter().any(|subject| matches!(subject.form, AllowedForm::Userset(_)))
}
