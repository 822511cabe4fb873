//! The walk that answers a question: depth first, with its stack on the heap.
//!
//! There is one door, [`CheckWalk::open`], through which every relation or permission of an object is entered, and in it
//! stands the memo. What is under way is a stack of [`Frame`]s; a step either pushes a frame or finishes the top one, so
//! that a chain of any length needs memory for its frames and no more of the thread's stack than one step.

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
use crate::engine::object_and_relation::{CYCLE_NAMES_MAX, ObjectAndRelation, place_name};
use crate::engine::resolve::ResolvedSubject;
use crate::engine::trace::Trace;
use crate::engine::trace::tracer::Tracer;
use crate::engine::truth::Truth;
use crate::relationship::{ObjectRef, RelationshipReader};
use crate::schema::{AllowedForm, AllowedSubject, Expr, NodeId, Quantifier, Rule};
use std::rc::Rc;

/// A walk that knows more places than that when a question ends forgets them before the next one.
const KNOWN_MAX: usize = 100_000;

/// Where a step ended.
enum WalkStep<'s> {
    /// Something was found, for the top frame.
    Found(NodeResult),
    /// A join wants its next child.
    Joining(JoinFrame<'s>),
    /// A permission is what another place is.
    Coming(ObjectAndRelation),
}

/// One subject's search through the graph. Keeps what it found for further places.
pub(in crate::engine) struct CheckWalk<'s, R> {
    scope: EvalContext<'s, R>,
    asked: ResolvedSubject<'s>,
    reads: CountedReader<'s, R>,
    memo: Memo,
    frames: Vec<Frame<'s>>,
    tracer: Option<Tracer<'s>>,
    statistics: Statistics,
    shared: SharedAnswers<'s>,
    trace: Option<Trace>,
}

impl<'s, R: RelationshipReader> CheckWalk<'s, R> {
    pub(in crate::engine) fn new(scope: &EvalContext<'s, R>, asked: ResolvedSubject<'s>) -> Self {
        Self {
            scope: *scope,
            asked,
            reads: CountedReader::new(scope, asked.context),
            memo: Memo::default(),
            frames: Vec::new(),
            tracer: None,
            statistics: Statistics::default(),
            shared: SharedAnswers::new(scope, &asked),
            trace: None,
        }
    }

    /// Whether this walk's findings hold for such a question too.
    pub(in crate::engine) fn asks_for(&self, asked: &ResolvedSubject<'_>) -> bool {
        self.asked.subject == asked.subject && self.asked.context == asked.context
    }

    pub(in crate::engine) fn statistics(&self) -> Statistics {
        let (reads, caveat_steps) = self.reads.counts();
        Statistics { reads, caveat_steps, ..self.statistics }
    }

    pub(in crate::engine) fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// Whether the subject is in the place, as [`Self::run`]; what is found about its object goes into no cache.
    pub(in crate::engine) fn run_once(
        &mut self,
        place: &ObjectAndRelation,
    ) -> Result<Truth, EngineError> {
        self.shared.withhold(&place.1);
        self.run(place)
    }

    /// Whether the subject is in the place. After an error the walk has forgotten what it knew.
    pub(in crate::engine) fn run(
        &mut self,
        place: &ObjectAndRelation,
    ) -> Result<Truth, EngineError> {
        self.statistics = Statistics::default();
        self.reads.count_on(0, 0);
        if self.memo.len() > KNOWN_MAX {
            self.memo.clear();
        }
        let stopwatch = self.scope.stopwatch;
        self.tracer = self.scope.tracing.then(|| Tracer::new(stopwatch));
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        let mut result = self.run_to_end(place.clone());
        if result.is_err() {
            self.memo.clear();
            self.frames.clear();
        }
        // The walk stops at a cycle that it comes across, also at one on which the answer does not hinge.
        if let Err(EngineError::CyclicExclusion { .. }) = result {
            result = self.solve(place);
        }
        debug_assert!(self.frames.is_empty() && self.memo.depth() == 0);
        self.trace = self.tracer.take().and_then(|mut tracer| tracer.close().children.pop());
        result
    }

    /// Decides without a walk, and so without the way in the trace.
    fn solve(&mut self, place: &ObjectAndRelation) -> Result<Truth, EngineError> {
        let truth = solve(&self.scope, &mut self.reads, &self.asked, place.clone())?;

        if let Some(tracer) = &mut self.tracer {
            *tracer = Tracer::new(self.scope.stopwatch);
            tracer.open();
            tracer.open();
            tracer.cut();
            self.tell_closed(place, &NodeResult::settled(truth.clone()), false);
        }
        Ok(truth)
    }

    fn run_to_end(&mut self, place: ObjectAndRelation) -> Result<Truth, EngineError> {
        let mut step = self.open(place)?;
        loop {
            step = match step {
                WalkStep::Joining(join) => self.next_child(join)?,
                WalkStep::Coming(place) => self.open(place)?,
                WalkStep::Found(finding) => match self.frames.pop() {
                    Some(frame) => self.absorb(frame, finding)?,
                    None => return Ok(finding.truth),
                },
            };
        }
    }

    /// The door: comes to a relation or permission of an object.
    fn open(&mut self, place: ObjectAndRelation) -> Result<WalkStep<'s>, EngineError> {
        self.scope.count_visit(&mut self.statistics.visits)?;
        if let Some(finding) = self.decided_by_schema(&place) {
            self.tell(&place, &finding, false);
            return Ok(WalkStep::Found(finding));
        }
        if let Rule::Relation(subjects) = &self.scope.schema.node(place.0).rule
            && !has_usersets(subjects)
        {
            return self.look_up(&place, subjects);
        }
        match self.memo.enter(&place) {
            MemoEntry::Known(finding) => {
                self.tell(&place, &finding, true);
                Ok(WalkStep::Found(finding))
            }
            MemoEntry::Opened(opening) => self.enter(place, opening),
        }
    }

    /// The answers that need no relationship: a userset is in itself, and what cannot be reached is not there.
    fn decided_by_schema(&self, place: &ObjectAndRelation) -> Option<NodeResult> {
        let (node, object_id) = place;
        if self.asked.node == Some(*node) && self.asked.subject.object_id() == &**object_id {
            return Some(NodeResult::yes());
        }
        let reachable = self.scope.schema.can_reach(*node, self.asked.definition, self.asked.node);
        (!reachable).then(NodeResult::no)
    }

    /// A relation that names no usersets costs no more to read than to remember.
    fn look_up(
        &mut self,
        place: &ObjectAndRelation,
        subjects: &[AllowedSubject],
    ) -> Result<WalkStep<'s>, EngineError> {
        self.require_depth(self.memo.depth() + 1)?;
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        let finding = {
            let tracer = self.tracer.as_mut();
            self.reads.direct(&self.asked, (place.0, &place.1), subjects, tracer)?
        };
        self.tell_closed(place, &finding, false);
        Ok(WalkStep::Found(finding))
    }

    fn enter(
        &mut self,
        place: ObjectAndRelation,
        opening: Opening,
    ) -> Result<WalkStep<'s>, EngineError> {
        self.require_depth(self.memo.depth())?;
        // A trace tells the whole way.
        if self.tracer.is_none()
            && let Some(finding) = self.shared.find(&place)
        {
            self.statistics.cache_hits += 1;
            self.memo.leave_known(place, opening, finding.clone());
            return Ok(WalkStep::Found(finding));
        }
        self.look_into(place, opening)
    }

    fn look_into(
        &mut self,
        place: ObjectAndRelation,
        opening: Opening,
    ) -> Result<WalkStep<'s>, EngineError> {
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        let object_id = Rc::clone(&place.1);
        let node = place.0;
        self.frames.push(Frame::Door { place, opening });
        match &self.scope.schema.node(node).rule {
            Rule::Permission(expr) => Ok(self.start(node, expr, object_id)),
            Rule::Relation(subjects) => self.start_relation(node, subjects, object_id),
        }
    }

    /// The members that relationships name, then those of the usersets that they name.
    fn start_relation(
        &mut self,
        node: NodeId,
        subjects: &'s [AllowedSubject],
        object_id: Rc<str>,
    ) -> Result<WalkStep<'s>, EngineError> {
        let direct = {
            let tracer = self.tracer.as_mut();
            self.reads.direct(&self.asked, (node, &object_id), subjects, tracer)?
        };
        if direct.truth.is_yes() {
            return Ok(WalkStep::Found(direct));
        }
        let branches = Branches::of_usersets(subjects, |relation| self.can_reach(relation));
        let subjects = SubjectPages::new(node, object_id, branches);
        let mut join = JoinFrame::over_subjects(Quantifier::Any, subjects);
        join.found = direct;
        Ok(WalkStep::Joining(join))
    }

    fn start(&mut self, node: NodeId, mut expr: &'s Expr, object_id: Rc<str>) -> WalkStep<'s> {
        // A chain of exclusions leans to the left, as deep as it is long.
        while let Expr::Exclusion(base, subtracted) = expr {
            let object_id = Rc::clone(&object_id);
            self.frames.push(Frame::Exclusion { subtracted, node, object_id, base: None });
            expr = base;
        }
        match expr {
            Expr::Nil | Expr::Exclusion(..) => WalkStep::Found(NodeResult::no()),
            Expr::Itself => WalkStep::Found(self.is_itself(node, &object_id)),
            Expr::Node(node) => WalkStep::Coming((*node, object_id)),
            Expr::Union(operands) => {
                WalkStep::Joining(JoinFrame::any_operand(operands, node, object_id))
            }
            Expr::Intersection(operands) => {
                WalkStep::Joining(JoinFrame::all_operands(operands, node, object_id))
            }
            Expr::Arrow(arrow) => {
                let branches = Branches::of_arrow(arrow, |target| self.can_reach(target));
                let subjects = SubjectPages::new(arrow.tupleset, object_id, branches);
                WalkStep::Joining(JoinFrame::over_subjects(arrow.quantifier, subjects))
            }
        }
    }

    fn is_itself(&self, node: NodeId, object_id: &str) -> NodeResult {
        let definition = self.scope.schema.node(node).definition;
        let itself = self.asked.node.is_none()
            && self.asked.definition == definition
            && self.asked.subject.object_id() == object_id;
        if itself { NodeResult::yes() } else { NodeResult::no() }
    }

    fn can_reach(&self, node: NodeId) -> bool {
        self.scope.schema.can_reach(node, self.asked.definition, self.asked.node)
    }

    fn next_child(&mut self, mut join: JoinFrame<'s>) -> Result<WalkStep<'s>, EngineError> {
        let Some(child) = join.children.next(&mut self.reads, self.scope.schema)? else {
            return Ok(WalkStep::Found(join.found_at_end()));
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
                    // Whatever comes behind it.
                    Some(_) if is_shut => Ok(WalkStep::Found(NodeResult::yes())),
                    Some(target) => self.open((target, object_id)),
                    None => Ok(WalkStep::Found(NodeResult::no())),
                }
            }
        }
    }

    /// Gives a finding to the frame that waited for it.
    fn absorb(
        &mut self,
        frame: Frame<'s>,
        finding: NodeResult,
    ) -> Result<WalkStep<'s>, EngineError> {
        match frame {
            Frame::Door { place, opening } => self.close(place, opening, finding),
            Frame::Join(mut join) => {
                join.add(finding);
                Ok(if join.is_decided() {
                    WalkStep::Found(join.found)
                } else {
                    WalkStep::Joining(join)
                })
            }
            Frame::Exclusion { base: None, subtracted, node, object_id } => {
                if finding.truth.is_no() {
                    return Ok(WalkStep::Found(finding));
                }
                let start = Rc::clone(&object_id);
                let base = Some(finding);
                self.frames.push(Frame::Exclusion { subtracted, node, object_id, base });
                Ok(self.start(node, subtracted, start))
            }
            Frame::Exclusion { base: Some(base), .. } => {
                self.require_meaning(&finding)?;
                Ok(WalkStep::Found(base.and_not(finding)))
            }
        }
    }

    fn close(
        &mut self,
        place: ObjectAndRelation,
        opening: Opening,
        finding: NodeResult,
    ) -> Result<WalkStep<'s>, EngineError> {
        match self.memo.leave(place.clone(), opening, finding) {
            Closing::Closed(finding) => {
                self.tell_closed(&place, &finding, false);
                self.shared.keep(&place, &finding);
                Ok(WalkStep::Found(finding))
            }
            Closing::Reopened(opening) => {
                // What led to nothing certain is not told.
                self.tracer.as_mut().map(Tracer::close);
                self.look_into(place, opening)
            }
        }
    }

    /// What is subtracted must not rest on a node that is still open: the node would rest on its own opposite.
    fn require_meaning(&self, subtracted: &NodeResult) -> Result<(), EngineError> {
        if subtracted.leaning == OpenDepth::NONE || subtracted.truth.is_yes() {
            return Ok(());
        }
        let OpenDepth(depth) = subtracted.leaning;
        let cycle = self
            .frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Door { place, .. } => Some(place),
                Frame::Join(_) | Frame::Exclusion { .. } => None,
            })
            .skip(depth)
            .take(CYCLE_NAMES_MAX)
            .map(|place| place_name(self.scope.schema, place))
            .collect();
        Err(EngineError::CyclicExclusion { cycle })
    }

    fn require_depth(&mut self, depth: usize) -> Result<(), EngineError> {
        let depth = u64::try_from(depth).unwrap_or(u64::MAX);
        self.statistics.depth = self.statistics.depth.max(depth);
        match self.scope.limits.depth_max {
            Some(depth_max) if depth > u64::from(depth_max) => {
                Err(EngineError::DepthExceeded { depth_max })
            }
            _ => Ok(()),
        }
    }

    /// Tells the trace of a place that was answered without looking into it.
    fn tell(&mut self, place: &ObjectAndRelation, finding: &NodeResult, known: bool) {
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        self.tell_closed(place, finding, known);
    }

    /// Ends the trace's current step, which is about the place.
    fn tell_closed(
        &mut self,
        (node, object_id): &ObjectAndRelation,
        finding: &NodeResult,
        known: bool,
    ) {
        let Some(tracer) = &mut self.tracer else { return };
        let node = self.scope.schema.node(*node);
        let definition = &self.scope.schema.definition(node.definition).name;
        let step = tracer.close();
        // The parts come from the schema and the store, so they are well formed.
        let Ok(resource) = ObjectRef::new(definition, &**object_id) else { return };
        tracer.child(Trace {
            resource,
            permission: node.name.clone(),
            is_permission: matches!(node.rule, Rule::Permission(_)),
            subject: self.asked.subject.clone(),
            permissionship: finding.truth.permissionship().ok(),
            known,
            duration: step.duration,
            condition: finding.condition.as_deref().cloned(),
            caveats: step.caveats,
            children: step.children,
            cut: step.cut,
        });
    }
}

fn has_usersets(subjects: &[AllowedSubject]) -> bool {
    subjects.iter().any(|subject| matches!(subject.form, AllowedForm::Userset(_)))
}
