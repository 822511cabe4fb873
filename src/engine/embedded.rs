//! An engine for programs that keep schema and relationships in memory.

use crate::engine::check;
use crate::engine::check::query::{CheckQuery, CheckResult};
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Limits;
use crate::relationship::{RelationshipSet, Timestamp};
use crate::schema::Schema;

/// A schema and its relationships in memory, with the options of their queries.
///
/// ```
/// use kilwa::engine::{CheckQuery, Engine, Limits};
/// use kilwa::relationship::{RelationshipSet, Timestamp};
/// use kilwa::schema;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let schema = schema::compile("definition user {} definition document { relation reader: user }")?;
/// let limits = Limits { visits_max: 1_000, ..Limits::default() };
/// let mut engine = Engine::new(schema, RelationshipSet::default()).with_limits(limits);
/// engine.relationships_mut().insert("document:plan#reader@user:ann".parse()?);
///
/// let (plan, ann) = ("document:plan".parse()?, "user:ann".parse()?);
/// let now = Timestamp::parse("2026-11-28T12:00:00Z")?;
/// let result = engine.check(&CheckQuery::new(&plan, "reader", &ann), now)?;
/// assert!(result.permissionship.is_granted());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Engine {
    schema: Schema,
    relationships: RelationshipSet,
    limits: Limits,
    tracing: bool,
}

impl Engine {
    /// An engine with the default limits and without traces.
    pub fn new(schema: Schema, relationships: RelationshipSet) -> Self {
        Self { schema, relationships, limits: Limits::default(), tracing: false }
    }

    /// The same engine with other limits of each query.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same engine, which records a trace of each check if `tracing`.
    #[must_use]
    pub fn with_tracing(self, tracing: bool) -> Self {
        Self { tracing, ..self }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The relationships.
    pub fn relationships(&self) -> &RelationshipSet {
        &self.relationships
    }

    /// The relationships, to add some and to remove some. Those that the schema does not allow grant nothing.
    pub fn relationships_mut(&mut self) -> &mut RelationshipSet {
        &mut self.relationships
    }

    /// Checks a permission. Relationships that expire at `now` or earlier do not count; the engine itself reads no clock.
    ///
    /// # Errors
    ///
    /// A name that the schema does not define, a caveat that cannot be evaluated, and a limit that is exceeded.
    pub fn check(
        &self,
        query: &CheckQuery<'_>,
        now: Timestamp,
    ) -> Result<CheckResult, EngineError> {
        let visible = self.relationships.visible_at(now);
        let mut context = EvalContext::new(&self.schema, &visible);
        context.limits = self.limits;
        context.tracing = self.tracing;
        check::check(&context, query)
    }
}
