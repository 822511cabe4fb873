//! The walk that answers a question: depth first, with its stack on the heap.
//!
//! There is one door, [`Walk::open`], through which every relation or permission of an object is entered, and in it
//! stands the memo. What is under way is a stack of [`Frame`]s; a step either pushes a frame or finishes the top one, so
//! that a chain of any length needs memory for its frames and no more of the thread's stack than one step.

use super::error::EngineError;
use super::finding::{Finding, Leaning, Truth};
use super::frames::{Branches, Child, Frame, Join, Subjects};
use super::memo::{Entry, Left, Memo, Opening, Place};
use super::question::{EvalContext, Statistics};
use super::reads::Reads;
use super::shared::Shared;
use super::subject_values::solve;
use super::trace::{Trace, Tracer, permissionship};
use crate::relationship::{Context, ObjectRef, RelationshipReader, Subject};
use crate::schema::{
    AllowedForm, AllowedSubject, DefinitionId, Expr, NodeId, Quantifier, Rule, Schema,
};
use std::rc::Rc;

/// The most places that an error about a cycle names.
pub(super) const CYCLE_NAMES_MAX: usize = 20;
/// A walk that knows more places than that when a question ends forgets them before the next one.
const KNOWN_MAX: usize = 100_000;

/// Who is looked for, in which context.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'q> {
    pub(super) subject: &'q Subject,
    pub(super) definition: DefinitionId,
    /// The relation of a userset.
    pub(super) node: Option<NodeId>,
    pub(super) context: &'q Context,
}

/// Where a step ended.
enum Step<'s> {
    /// Something was found, for the top frame.
    Found(Finding),
    /// A join wants its next child.
    Joining(Join<'s>),
    /// A permission is what another place is.
    Coming(Place),
}

/// One subject's search through the graph. Keeps what it found for further places.
pub(super) struct Walk<'s, R> {
    scope: EvalContext<'s, R>,
    asked: Asked<'s>,
    reads: Reads<'s, R>,
    memo: Memo,
    frames: Vec<Frame<'s>>,
    tracer: Option<Tracer<'s>>,
    statistics: Statistics,
    shared: Shared<'s>,
    trace: Option<Trace>,
}

impl<'s, R: RelationshipReader> Walk<'s, R> {
    pub(super) fn new(scope: &EvalContext<'s, R>, asked: Asked<'s>) -> Self {
        Self {
            scope: *scope,
            asked,
            reads: Reads::new(scope, asked.context),
            memo: Memo::default(),
            frames: Vec::new(),
            tracer: None,
            statistics: Statistics::default(),
            shared: Shared::new(scope, &asked),
            trace: None,
        }
    }

    /// Whether this walk's findings hold for such a question too.
    pub(super) fn asks_for(&self, asked: &Asked<'_>) -> bool {
        self.asked.subject == asked.subject && self.asked.context == asked.context
    }

    pub(super) fn statistics(&self) -> Statistics {
        let (reads, caveat_steps) = self.reads.counts();
        Statistics { reads, caveat_steps, ..self.statistics }
    }

    pub(super) fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// Whether the subject is in the place, as [`Self::run`]; what is found about its object goes into no cache.
    pub(super) fn run_once(&mut self, place: &Place) -> Result<Truth, EngineError> {
        self.shared.withhold(&place.1);
        self.run(place)
    }

    /// Whether the subject is in the place. After an error the walk has forgotten what it knew.
    pub(super) fn run(&mut self, place: &Place) -> Result<Truth, EngineError> {
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
    fn solve(&mut self, place: &Place) -> Result<Truth, EngineError> {
        let truth = solve(&self.scope, &mut self.reads, &self.asked, place.clone())?;

        if let Some(tracer) = &mut self.tracer {
            *tracer = Tracer::new(self.scope.stopwatch);
            tracer.open();
            tracer.open();
            tracer.cut();
            self.tell_closed(place, &Finding::settled(truth.clone()), false);
        }
        Ok(truth)
    }

    fn run_to_end(&mut self, place: Place) -> Result<Truth, EngineError> {
        let mut step = self.open(place)?;
        loop {
            step = match step {
                Step::Joining(join) => self.next_child(join)?,
                Step::Coming(place) => self.open(place)?,
                Step::Found(finding) => match self.frames.pop() {
                    Some(frame) => self.absorb(frame, finding)?,
                    None => return Ok(finding.truth),
                },
            };
        }
    }

    /// The door: comes to a relation or permission of an object.
    fn open(&mut self, place: Place) -> Result<Step<'s>, EngineError> {
        self.scope.count_visit(&mut self.statistics.visits)?;
        if let Some(finding) = self.decided_by_schema(&place) {
            self.tell(&place, &finding, false);
            return Ok(Step::Found(finding));
        }
        if let Rule::Relation(subjects) = &self.scope.schema.node(place.0).rule
            && !has_usersets(subjects)
        {
            return self.look_up(&place, subjects);
        }
        match self.memo.enter(&place) {
            Entry::Known(finding) => {
                self.tell(&place, &finding, true);
                Ok(Step::Found(finding))
            }
            Entry::Opened(opening) => self.enter(place, opening),
        }
    }

    /// The answers that need no relationship: a userset is in itself, and what cannot be reached is not there.
    fn decided_by_schema(&self, place: &Place) -> Option<Finding> {
        let (node, object_id) = place;
        if self.asked.node == Some(*node) && self.asked.subject.object_id() == &**object_id {
            return Some(Finding::yes());
        }
        let reachable = self.scope.schema.can_reach(*node, self.asked.definition, self.asked.node);
        (!reachable).then(Finding::no)
    }

    /// A relation that names no usersets costs no more to read than to remember.
    fn look_up(
        &mut self,
        place: &Place,
        subjects: &[AllowedSubject],
    ) -> Result<Step<'s>, EngineError> {
        self.require_depth(self.memo.depth() + 1)?;
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        let finding = {
            let tracer = self.tracer.as_mut();
            self.reads.direct(&self.asked, (place.0, &place.1), subjects, tracer)?
        };
        self.tell_closed(place, &finding, false);
        Ok(Step::Found(finding))
    }

    fn enter(&mut self, place: Place, opening: Opening) -> Result<Step<'s>, EngineError> {
        self.require_depth(self.memo.depth())?;
        // A trace tells the whole way.
        if self.tracer.is_none()
            && let Some(finding) = self.shared.find(&place)
        {
            self.statistics.cache_hits += 1;
            self.memo.leave_known(place, opening, finding.clone());
            return Ok(Step::Found(finding));
        }
        self.look_into(place, opening)
    }

    fn look_into(&mut self, place: Place, opening: Opening) -> Result<Step<'s>, EngineError> {
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
    ) -> Result<Step<'s>, EngineError> {
        let direct = {
            let tracer = self.tracer.as_mut();
            self.reads.direct(&self.asked, (node, &object_id), subjects, tracer)?
        };
        if direct.truth.is_yes() {
            return Ok(Step::Found(direct));
        }
        let branches = Branches::of_usersets(subjects, |relation| self.can_reach(relation));
        let subjects = Subjects::new(node, object_id, branches);
        let mut join = Join::over_subjects(Quantifier::Any, subjects);
        join.found = direct;
        Ok(Step::Joining(join))
    }

    fn start(&mut self, node: NodeId, mut expr: &'s Expr, object_id: Rc<str>) -> Step<'s> {
        // A chain of exclusions leans to the left, as deep as it is long.
        while let Expr::Exclusion(base, subtracted) = expr {
            let object_id = Rc::clone(&object_id);
            self.frames.push(Frame::Exclusion { subtracted, node, object_id, base: None });
            expr = base;
        }
        match expr {
            Expr::Nil | Expr::Exclusion(..) => Step::Found(Finding::no()),
            Expr::Itself => Step::Found(self.is_itself(node, &object_id)),
            Expr::Node(node) => Step::Coming((*node, object_id)),
            Expr::Union(operands) => Step::Joining(Join::any_operand(operands, node, object_id)),
            Expr::Intersection(operands) => {
                Step::Joining(Join::all_operands(operands, node, object_id))
            }
            Expr::Arrow(arrow) => {
                let branches = Branches::of_arrow(arrow, |target| self.can_reach(target));
                let subjects = Subjects::new(arrow.tupleset, object_id, branches);
                Step::Joining(Join::over_subjects(arrow.quantifier, subjects))
            }
        }
    }

    fn is_itself(&self, node: NodeId, object_id: &str) -> Finding {
        let definition = self.scope.schema.node(node).definition;
        let itself = self.asked.node.is_none()
            && self.asked.definition == definition
            && self.asked.subject.object_id() == object_id;
        if itself { Finding::yes() } else { Finding::no() }
    }

    fn can_reach(&self, node: NodeId) -> bool {
        self.scope.schema.can_reach(node, self.asked.definition, self.asked.node)
    }

    fn next_child(&mut self, mut join: Join<'s>) -> Result<Step<'s>, EngineError> {
        let Some(child) = join.children.next(&mut self.reads, self.scope.schema)? else {
            return Ok(Step::Found(join.found_at_end()));
        };
        match child {
            Child::Operand { node, expr, object_id } => {
                join.gate = Finding::yes();
                self.frames.push(Frame::Join(join));
                Ok(self.start(node, expr, object_id))
            }
            Child::Subject { target, object_id, terms } => {
                join.gate = self.reads.condition(&terms, self.tracer.as_mut())?;
                let is_shut = join.gate.truth.is_no();
                self.frames.push(Frame::Join(join));
                match target {
                    // Whatever comes behind it.
                    Some(_) if is_shut => Ok(Step::Found(Finding::yes())),
                    Some(target) => self.open((target, object_id)),
                    None => Ok(Step::Found(Finding::no())),
                }
            }
        }
    }

    /// Gives a finding to the frame that waited for it.
    fn absorb(&mut self, frame: Frame<'s>, finding: Finding) -> Result<Step<'s>, EngineError> {
        match frame {
            Frame::Door { place, opening } => self.close(place, opening, finding),
            Frame::Join(mut join) => {
                join.add(finding);
                Ok(if join.is_decided() { Step::Found(join.found) } else { Step::Joining(join) })
            }
            Frame::Exclusion { base: None, subtracted, node, object_id } => {
                if finding.truth.is_no() {
                    return Ok(Step::Found(finding));
                }
                let start = Rc::clone(&object_id);
                let base = Some(finding);
                self.frames.push(Frame::Exclusion { subtracted, node, object_id, base });
                Ok(self.start(node, subtracted, start))
            }
            Frame::Exclusion { base: Some(base), .. } => {
                self.require_meaning(&finding)?;
                Ok(Step::Found(base.and_not(finding)))
            }
        }
    }

    fn close(
        &mut self,
        place: Place,
        opening: Opening,
        finding: Finding,
    ) -> Result<Step<'s>, EngineError> {
        match self.memo.leave(place.clone(), opening, finding) {
            Left::Closed(finding) => {
                self.tell_closed(&place, &finding, false);
                self.shared.keep(&place, &finding);
                Ok(Step::Found(finding))
            }
            Left::Reopened(opening) => {
                // What led to nothing certain is not told.
                self.tracer.as_mut().map(Tracer::close);
                self.look_into(place, opening)
            }
        }
    }

    /// What is subtracted must not rest on a node that is still open: the node would rest on its own opposite.
    fn require_meaning(&self, subtracted: &Finding) -> Result<(), EngineError> {
        if subtracted.leaning == Leaning::NONE || subtracted.truth.is_yes() {
            return Ok(());
        }
        let Leaning(depth) = subtracted.leaning;
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
    fn tell(&mut self, place: &Place, finding: &Finding, known: bool) {
        if let Some(tracer) = &mut self.tracer {
            tracer.open();
        }
        self.tell_closed(place, finding, known);
    }

    /// Ends the trace's current step, which is about the place.
    fn tell_closed(&mut self, (node, object_id): &Place, finding: &Finding, known: bool) {
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
            permissionship: permissionship(&finding.truth),
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

/// `document:plan#view`.
pub(super) fn place_name(schema: &Schema, (node, object_id): &Place) -> String {
    let node = schema.node(*node);
    format!("{}:{object_id}#{}", schema.definition(node.definition).name, node.name)
}
