//! Reads of relationships, counted against the limits, and the evaluation of their caveats.

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
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Size of the first page of a read: most relations and subjects have few relationships.
pub(in crate::engine) const FIRST_PAGE_COUNT: usize = 32;
/// Size of the following pages.
pub(in crate::engine) const PAGE_COUNT_MAX: usize = 512;
/// Number of reads between two checks for interruption and timeout.
const READS_PER_INTERRUPTION: u64 = 128;
/// Number of rows that pages have brought between two checks for interruption and timeout.
const ROWS_PER_INTERRUPTION: u64 = 1_024;
/// Number of caveat steps between two checks for interruption and timeout.
const CAVEAT_STEPS_PER_INTERRUPTION: u64 = 10_000;

/// A page of subjects.
pub(in crate::engine) struct SubjectsRead {
    pub(in crate::engine) subjects: Vec<(String, Qualifiers)>,
    /// The last id of the page, when more subjects may follow.
    pub(in crate::engine) more_after: Option<String>,
}

pub(in crate::engine) struct CountedReader<'s, R> {
    eval: EvalContext<'s, R>,
    /// The request's context for caveats.
    context: &'s Context,
    count: u64,
    rows: u64,
    caveat_steps: u64,
    /// The values of caveats without stored context, which are the same for every relationship.
    without_stored: HashMap<CaveatId, Truth>,
}

impl<'s, R: RelationshipReader> CountedReader<'s, R> {
    pub(in crate::engine) fn new(eval: &EvalContext<'s, R>, context: &'s Context) -> Self {
        Self {
            eval: *eval,
            context,
            count: 0,
            rows: 0,
            caveat_steps: 0,
            without_stored: HashMap::new(),
        }
    }

    /// The number of reads and of caveat steps since the counters were set.
    pub(in crate::engine) fn counts(&self) -> (u64, u64) {
        (self.count, self.caveat_steps)
    }

    /// Sets the counters.
    pub(in crate::engine) fn count_on(&mut self, reads: u64, caveat_steps: u64) {
        self.count = reads;
        self.caveat_steps = caveat_steps;
    }

    /// Whether a relation of an object contains the subject directly, or through the wildcard of its type.
    pub(in crate::engine) fn direct(
        &mut self,
        resolved: &ResolvedSubject<'_>,
        (node, object_id): (NodeId, &str),
        subjects: &[AllowedSubject],
        mut tracer: Option<&mut Tracer<'_>>,
    ) -> Result<NodeResult, EngineError> {
        let mut found = NodeResult::no();
        for key in direct_keys(resolved, subjects).into_iter().flatten() {
            if let Some(terms) = self.find(node, object_id, key)? {
                found = found.or(self.condition(&terms, tracer.as_deref_mut())?);
            }
            if found.truth.is_yes() {
                break;
            }
        }
        Ok(found)
    }

    /// The caveat and expiration of the relationship with exactly this subject, if it exists.
    pub(in crate::engine) fn find(
        &mut self,
        node: NodeId,
        object_id: &str,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, EngineError> {
        self.count_read()?;
        let resource = resource_key(self.eval.schema, node, object_id);
        Ok(self.eval.reader.find(resource, subject)?)
    }

    /// The next page of a relation's subjects of one form: a small page first, then full pages.
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

    /// A page of a relation's subjects of one form.
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
        let subjects = self.eval.reader.subjects(resource, form, page)?;
        self.count_rows(subjects.len())?;
        let last = subjects.last().filter(|_| subjects.len() >= page.count_max);
        let more_after = last.map(|(id, _)| id.clone());
        Ok(SubjectsRead { subjects, more_after })
    }

    /// Passes every subject of one form in a relation to `take`.
    pub(in crate::engine) fn all_subjects(
        &mut self,
        onr: (NodeId, &str),
        branch: Branch,
        mut take: impl FnMut(&mut Self, String, Qualifiers) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut after = Some(String::new());
        while let Some(id) = after {
            let read = self.subjects(self.eval.schema, onr, branch, &id)?;
            for (id, terms) in read.subjects {
                take(self, id, terms)?;
            }
            after = read.more_after;
        }
        Ok(())
    }

    /// A page of the resources that have the subject in a relation.
    pub(in crate::engine) fn resources(
        &mut self,
        stored: RelationEdge,
        subject_id: &str,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, EngineError> {
        self.count_read()?;
        let schema = self.eval.schema;
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
        let resources = self.eval.reader.resources(relation, subject, page)?;
        self.count_rows(resources.len())?;
        Ok(resources)
    }

    /// The value of a relationship: *yes*, or that of its caveat.
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
        let schema = self.eval.schema;
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
        Ok(NodeResult { plain: false, condition, ..NodeResult::final_value(truth) })
    }

    /// Evaluates a caveat, within the remaining steps of the query.
    fn evaluate(&mut self, caveat: &Caveat, stored: &Context) -> Result<Truth, EngineError> {
        let limit = self.eval.limits.caveat_steps_max;
        let left = usize::try_from(limit - self.caveat_steps).unwrap_or(usize::MAX);
        let (eval, ended) = (self.eval, Cell::new(None));
        let interrupted = || {
            let looked = eval.check_interruption();
            let is_ended = looked.is_err();
            ended.set(looked.err());
            is_ended
        };

        let steps = Steps::at_most(left).interrupted_by(&interrupted);
        let result = caveat.evaluate(stored, self.context, &steps);
        if let Some(error) = ended.take() {
            return Err(error);
        }
        self.count_caveat_steps(u64::try_from(steps.taken()).unwrap_or(u64::MAX))?;
        Ok(match result {
            Ok(result) => result.into(),
            // The limit of the query was reached, not that of a single caveat.
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
            self.eval.check_interruption()?;
        }
        Ok(())
    }

    fn count_rows(&mut self, count: usize) -> Result<(), EngineError> {
        let before = self.rows / ROWS_PER_INTERRUPTION;
        self.rows += u64::try_from(count).unwrap_or(u64::MAX);
        if self.rows / ROWS_PER_INTERRUPTION > before {
            self.eval.check_interruption()?;
        }
        Ok(())
    }

    fn count_read(&mut self) -> Result<(), EngineError> {
        let limit = self.eval.limits.reads_max;
        if self.count >= limit {
            return Err(EngineError::WorkExceeded { work: WorkKind::Reads, limit });
        }
        if self.count % READS_PER_INTERRUPTION == READS_PER_INTERRUPTION - 1 {
            self.eval.check_interruption()?;
        }
        self.count += 1;
        Ok(())
    }
}

/// The keys under which a relation may contain the subject, as far as the schema allows them: the subject itself, and for
/// an object the wildcard of its type.
fn direct_keys<'q>(
    resolved: &ResolvedSubject<'q>,
    subjects: &[AllowedSubject],
) -> [Option<SubjectKey<'q>>; 2] {
    let allows =
        |form| subjects.iter().any(|it| it.definition == resolved.definition && it.form == form);
    let key = resolved.subject.key();
    match resolved.node {
        Some(relation) => [allows(AllowedForm::Userset(relation)).then_some(key), None],
        None => [
            allows(AllowedForm::Object).then_some(key),
            allows(AllowedForm::Wildcard).then_some(SubjectKey { object_id: "*", ..key }),
        ],
    }
}

/// The context that a caveat is evaluated with: the values of its parameters, stored values over those of the request.
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
