//! A walk's reads of relationships, counted, and the conditions on what they return.

use crate::caveat::{Caveat, CaveatError, Steps};
use crate::engine::check::branches::Branch;
use crate::engine::check::node_result::NodeResult;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::resolve::ResolvedSubject;
use crate::engine::trace::CaveatTrace;
use crate::engine::trace::condition::Condition;
use crate::engine::trace::tracer::Tracer;
use crate::engine::truth::{EvalFault, Truth};
use crate::relationship::{
    Context, ContextualizedCaveat, IdPage, Qualifiers, RelationKey, RelationshipReader,
    ResourceKey, SubjectForm, SubjectKey,
};
use crate::schema::{AllowedForm, AllowedSubject, CaveatId, NodeId, RelationEdge, Schema};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// How many subjects are read at first: most relations that are walked name few.
const FIRST_PAGE_COUNT: usize = 32;
/// How many subjects are read at once after that.
const PAGE_COUNT_MAX: usize = 512;
/// How many reads pass between two looks at whether the caller still waits.
const READS_PER_INTERRUPTION: u64 = 128;
/// How many steps of caveats do.
const CAVEAT_STEPS_PER_INTERRUPTION: u64 = 10_000;

/// A page of subjects.
pub(in crate::engine) struct SubjectsRead {
    pub(in crate::engine) subjects: Vec<(String, Qualifiers)>,
    /// The last id, when more may follow it.
    pub(in crate::engine) more_after: Option<String>,
}

pub(in crate::engine) struct CountedReader<'s, R> {
    scope: EvalContext<'s, R>,
    /// What the question gives to caveats.
    context: &'s Context,
    count: u64,
    caveat_steps: u64,
    /// By caveat: its value without stored context, once known.
    without_stored: HashMap<CaveatId, Truth>,
}

impl<'s, R: RelationshipReader> CountedReader<'s, R> {
    pub(in crate::engine) fn new(scope: &EvalContext<'s, R>, context: &'s Context) -> Self {
        Self { scope: *scope, context, count: 0, caveat_steps: 0, without_stored: HashMap::new() }
    }

    /// The calls to the reader and the steps of caveats since the counts were started.
    pub(in crate::engine) fn counts(&self) -> (u64, u64) {
        (self.count, self.caveat_steps)
    }

    /// Counts on from what was counted before.
    pub(in crate::engine) fn count_on(&mut self, reads: u64, caveat_steps: u64) {
        self.count = reads;
        self.caveat_steps = caveat_steps;
    }

    /// Whether relationships name the subject itself in a relation of an object, or everything of its type.
    pub(in crate::engine) fn direct(
        &mut self,
        asked: &ResolvedSubject<'_>,
        (node, object_id): (NodeId, &str),
        subjects: &[AllowedSubject],
        mut tracer: Option<&mut Tracer<'_>>,
    ) -> Result<NodeResult, EngineError> {
        let mut found = NodeResult::no();
        for key in direct_keys(asked, subjects).into_iter().flatten() {
            if let Some(terms) = self.find(node, object_id, key)? {
                found = found.or(self.condition(&terms, tracer.as_deref_mut())?);
            }
            if found.truth.is_yes() {
                break;
            }
        }
        Ok(found)
    }

    /// The terms of the relationship of exactly this subject, when there is one.
    pub(in crate::engine) fn find(
        &mut self,
        node: NodeId,
        object_id: &str,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, EngineError> {
        self.count_read()?;
        let resource = resource_key(self.scope.schema, node, object_id);
        Ok(self.scope.reader.find(resource, subject)?)
    }

    /// The next page of a relation's subjects of one form, and where to go on after it.
    pub(in crate::engine) fn subjects(
        &mut self,
        schema: &Schema,
        (node, object_id): (NodeId, &str),
        branch: Branch,
        after: &str,
    ) -> Result<SubjectsRead, EngineError> {
        let count_max = if after.is_empty() { FIRST_PAGE_COUNT } else { PAGE_COUNT_MAX };
        let page = IdPage { after: Some(after).filter(|id| !id.is_empty()), count_max };
        self.page(schema, (node, object_id), branch, page)
    }

    /// A page of a relation's subjects of one form, and where to go on after it.
    pub(in crate::engine) fn page(
        &mut self,
        schema: &Schema,
        (node, object_id): (NodeId, &str),
        branch: Branch,
        page: IdPage<'_>,
    ) -> Result<SubjectsRead, EngineError> {
        self.count_read()?;
        let form = SubjectForm {
            object_type: &schema.definition(branch.definition).name,
            relation: branch.subject_relation.map(|relation| schema.node(relation).name.as_str()),
        };
        let resource = resource_key(schema, node, object_id);
        let subjects = self.scope.reader.subjects(resource, form, page)?;
        let last = subjects.last().filter(|_| subjects.len() >= page.count_max);
        let more_after = last.map(|(id, _)| id.clone());
        Ok(SubjectsRead { subjects, more_after })
    }

    /// Every subject of one form in a relation.
    pub(in crate::engine) fn all_subjects(
        &mut self,
        place: (NodeId, &str),
        branch: Branch,
        mut take: impl FnMut(&mut Self, String, Qualifiers) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut after = Some(String::new());
        while let Some(id) = after {
            let read = self.subjects(self.scope.schema, place, branch, &id)?;
            for (id, terms) in read.subjects {
                take(self, id, terms)?;
            }
            after = read.more_after;
        }
        Ok(())
    }

    /// A page of the resources on which a subject stands in a relation.
    pub(in crate::engine) fn resources(
        &mut self,
        stored: RelationEdge,
        subject_id: &str,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, EngineError> {
        self.count_read()?;
        let schema = self.scope.schema;
        let relation = schema.node(stored.relation);
        let relation = RelationKey {
            object_type: &schema.definition(relation.definition).name,
            relation: &relation.name,
        };
        let subject = SubjectKey {
            object_type: &schema.definition(stored.subject_type).name,
            object_id: subject_id,
            relation: stored.subject_relation.map(|relation| schema.node(relation).name.as_str()),
        };
        Ok(self.scope.reader.resources(relation, subject, page)?)
    }

    /// Whether a relationship with these terms counts.
    pub(in crate::engine) fn condition(
        &mut self,
        terms: &Qualifiers,
        tracer: Option<&mut Tracer<'_>>,
    ) -> Result<NodeResult, EngineError> {
        let found = match &terms.caveat {
            None => NodeResult::yes(),
            Some(caveat) => self.caveat(caveat, tracer)?,
        };
        Ok(NodeResult { until: terms.expires_at, ..found })
    }

    fn caveat(
        &mut self,
        named: &ContextualizedCaveat,
        tracer: Option<&mut Tracer<'_>>,
    ) -> Result<NodeResult, EngineError> {
        let schema = self.scope.schema;
        let Some(id) = schema.find_caveat(&named.name) else {
            return Err(EngineError::UnknownCaveat { name: named.name.clone() });
        };
        let caveat = schema.caveat(id);
        let truth = if !named.context.is_empty() {
            self.evaluate(caveat, &named.context)?
        } else if let Some(known) = self.without_stored.get(&id) {
            known.clone()
        } else {
            let truth = self.evaluate(caveat, &named.context)?;
            self.without_stored.insert(id, truth.clone());
            truth
        };
        let condition = tracer.map(|tracer| {
            let evaluated = CaveatTrace {
                name: named.name.clone(),
                expression: caveat.canonical_body(),
                context: overlaid(self.context, &named.context, caveat),
                result: truth.caveat_result(),
            };
            let condition = Condition {
                caveat: Some(evaluated.name.clone()),
                expression: evaluated.expression.clone(),
                context: evaluated.context.clone(),
            };
            tracer.caveat(evaluated);
            Rc::new(condition)
        });
        Ok(NodeResult { plain: false, condition, ..NodeResult::settled(truth) })
    }

    /// What the caveat says, at the expense of the question's steps.
    fn evaluate(&mut self, caveat: &Caveat, stored: &Context) -> Result<Truth, EngineError> {
        let limit = self.scope.limits.caveat_steps_max;
        let left = usize::try_from(limit - self.caveat_steps).unwrap_or(usize::MAX);
        let steps = Steps::at_most(left);
        let result = caveat.evaluate(stored, self.context, &steps);
        self.count_caveat_steps(u64::try_from(steps.taken()).unwrap_or(u64::MAX))?;
        Ok(match result {
            Ok(result) => result.into(),
            // It is the question that has no more steps, not the caveat that takes too many.
            Err(CaveatError::Exhausted { steps_max, .. }) if steps_max == left => {
                return Err(EngineError::WorkExceeded { work: WorkKind::CaveatSteps, limit });
            }
            Err(error) => Truth::Fault(Arc::new(EvalFault::Caveat(error))),
        })
    }

    fn count_caveat_steps(&mut self, taken: u64) -> Result<(), EngineError> {
        let before = self.caveat_steps / CAVEAT_STEPS_PER_INTERRUPTION;
        self.caveat_steps += taken;
        if self.caveat_steps / CAVEAT_STEPS_PER_INTERRUPTION > before {
            self.scope.require_going_on()?;
        }
        Ok(())
    }

    fn count_read(&mut self) -> Result<(), EngineError> {
        let limit = self.scope.limits.reads_max;
        if self.count >= limit {
            return Err(EngineError::WorkExceeded { work: WorkKind::Reads, limit });
        }
        if self.count % READS_PER_INTERRUPTION == READS_PER_INTERRUPTION - 1 {
            self.scope.require_going_on()?;
        }
        self.count += 1;
        Ok(())
    }
}

/// The subjects that relationships would have to name, as far as the relation allows them: the one asked about, and for
/// a single object the wildcard of its type.
fn direct_keys<'q>(
    asked: &ResolvedSubject<'q>,
    subjects: &[AllowedSubject],
) -> [Option<SubjectKey<'q>>; 2] {
    let allows =
        |form| subjects.iter().any(|it| it.definition == asked.definition && it.form == form);
    let key = asked.subject.key();
    match asked.node {
        Some(relation) => [allows(AllowedForm::Userset(relation)).then_some(key), None],
        None => [
            allows(AllowedForm::Object).then_some(key),
            allows(AllowedForm::Wildcard).then_some(SubjectKey { object_id: "*", ..key }),
        ],
    }
}

/// The values that a caveat sees: those of its parameters, stored ones first.
fn overlaid(request: &Context, stored: &Context, caveat: &Caveat) -> Context {
    let value = |name: &str| stored.get(name).or_else(|| request.get(name)).cloned();
    let parameters = caveat.parameters().iter();
    let values = parameters.filter_map(|it| Some((it.name.clone(), value(&it.name)?)));
    Context::from_map(values.collect())
}

fn resource_key<'a>(schema: &'a Schema, node: NodeId, object_id: &'a str) -> ResourceKey<'a> {
    let node = schema.node(node);
    let object_type = &schema.definition(node.definition).name;
    ResourceKey { object_type, object_id, relation: &node.name }
}
