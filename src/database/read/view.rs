//! Schema and relationships at one revision: what every question is asked of.

use crate::database::consistency::Consistency;
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::engine::{self, CheckQuery, CheckResult, EngineError, EvalContext, Limits, Stopwatch};
use crate::relationship::{ReadPoint, Relationship, RelationshipFilter, Revision, Timestamp};
use crate::schema::{Rule, Schema};
use crate::store::{Pin, ScanBudget, ScanPage, ScanPosition, Snapshot};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Schema and relationships at one revision. What it answers never changes, however long it is held.
pub struct View<'d> {
    pub(in crate::database) database: &'d Database,
    pub(in crate::database) snapshot: Snapshot<'d>,
    schema: Arc<Schema>,
    schema_revision: Revision,
    now: Timestamp,
    stopwatch: Option<Stopwatch<'d>>,
}

/// How far a read has come. Fits the same filter, at every revision of the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPosition(pub(in crate::database) ScanPosition);

/// Relationships that a read by filter found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadPage {
    /// The relationships, each with the position behind it.
    pub rows: Vec<(Relationship, ReadPosition)>,
    /// The position to continue from; `None` when everything has been read. A page without rows may have it: reads by
    /// filters that select little of what they examine come in pages of limited work.
    pub next: Option<ReadPosition>,
}

impl From<ScanPage> for ReadPage {
    fn from(page: ScanPage) -> Self {
        let rows = page.rows.into_iter().map(|(row, position)| (row, ReadPosition(position)));
        Self { rows: rows.collect(), next: page.next.map(ReadPosition) }
    }
}

/// How many rows one page of a read examines at most, some milliseconds of work: between pages, others use the thread.
pub(in crate::database) const ROWS_PER_PAGE: u64 = 10_000;

/// How much a question may cost that is answered at once: mostly well below a millisecond.
const AT_ONCE: Limits = Limits {
    depth_max: None,
    visits_max: 256,
    reads_max: 256,
    subjects_max: 0,
    caveat_steps_max: 4096,
    lookup_bytes_max: 0,
    time_max: Some(Duration::from_millis(1)),
};

/// As long as it lives, the read point of its view can be read, however old that grows.
#[derive(Debug)]
pub struct ViewPin {
    _revision: Pin,
    _time: Pin<Timestamp>,
}

/// Bytes that are no position of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the position is not one that a read gave")]
pub struct InvalidReadPosition;

impl ReadPosition {
    /// Whether it is a position of [`View::read`] or [`View::export`], and not of a deletion or of an earlier version's
    /// reads, which had another order.
    pub fn is_read_position(&self) -> bool {
        self.0.is_ordered()
    }

    /// The position in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Reads a position.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidReadPosition> {
        ScanPosition::from_bytes(bytes).map(Self).map_err(|_| InvalidReadPosition)
    }
}

impl<'d> View<'d> {
    pub(in crate::database) fn new(
        database: &'d Database,
        snapshot: Snapshot<'d>,
        now: Timestamp,
    ) -> Result<Self, DatabaseError> {
        let schema_revision = snapshot.schema_revision()?;
        let schema = database.schemas.get(schema_revision, || snapshot.schema())?;
        Ok(Self { database, snapshot, schema, schema_revision, now, stopwatch: None })
    }

    /// The same, with a stopwatch for the bound on a question's time and for the durations in traces.
    #[must_use]
    pub fn timed_by(self, stopwatch: Stopwatch<'d>) -> Self {
        Self { stopwatch: Some(stopwatch), ..self }
    }

    /// The newest revision, for [`Self::check_in_memory`] only; `None` when it does not serve or is not at hand.
    pub(in crate::database) fn in_memory(
        database: &'d Database,
        consistency: Consistency,
        now: Timestamp,
    ) -> Option<Self> {
        let snapshot = consistency.snapshot_cached(&database.store, now)?;
        let schema_revision = snapshot.schema_revision().ok()?;
        let schema = database.schemas.compiled(schema_revision)?;
        Some(Self { database, snapshot, schema, schema_revision, now, stopwatch: None })
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    /// The oldest revision that could be read when the view was made.
    pub fn oldest_revision(&self) -> Revision {
        self.snapshot.oldest_revision()
    }

    /// The schema in force; an empty one when none was written.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The revision that wrote the schema; 0 when none was written.
    pub(in crate::database) fn schema_revision(&self) -> Revision {
        self.schema_revision
    }

    /// The schema as it was written; `None` when none was.
    pub fn schema_text(&self) -> Option<&str> {
        (self.schema_revision > Revision::default()).then(|| self.schema.source())
    }

    /// The moment for which relationships count as expired or not.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What it shows.
    pub fn point(&self) -> ReadPoint {
        ReadPoint::new(self.revision(), self.now)
    }

    /// The consistency of the further views of a read that continues in pieces: all of them show what this one shows.
    pub fn pinned(&self) -> Consistency {
        Consistency::AsOf(self.point())
    }

    /// Protects what the view shows from garbage collection, for reads that continue in pieces: its revision, and what
    /// expires after its time.
    pub fn pin(&self) -> ViewPin {
        let store = &self.database.store;
        ViewPin { _revision: store.pin(self.revision()), _time: store.pin_expirations(self.now) }
    }

    /// Answers one question. `interrupted` is asked now and then whether to give up.
    pub fn check(
        &self,
        question: &CheckQuery<'_>,
        tracing: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<CheckResult, DatabaseError> {
        Ok(engine::check(&self.scope(tracing, interrupted), question)?)
    }

    /// Answers one question if that takes little time and no disk; `None` when it might not.
    pub(in crate::database) fn check_in_memory(
        &self,
        question: &CheckQuery<'_>,
    ) -> Option<Result<CheckResult, DatabaseError>> {
        let limits = self.database.options.limits.and(AT_ONCE);
        let scope = EvalContext { limits, ..self.scope(false, &|| false) };
        match engine::check(&scope, question) {
            Err(EngineError::WorkExceeded { .. } | EngineError::TimeExceeded { .. }) => None,
            Err(EngineError::Read(error)) if error.is_not_cached() => None,
            answer => Some(answer.map_err(DatabaseError::from)),
        }
    }

    /// Answers several questions, in order, sharing the work between them.
    pub fn check_each(
        &self,
        questions: &[CheckQuery<'_>],
        tracing: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Vec<Result<CheckResult, DatabaseError>> {
        let answers = engine::check_each(&self.scope(tracing, interrupted), questions);
        answers.into_iter().map(|answer| answer.map_err(DatabaseError::from)).collect()
    }

    /// The relationships that a filter selects, behind `after`, at most `count_max`, in a stable order. `interrupted` is
    /// called now and then and says whether to give up.
    pub fn read(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ReadPosition>,
        count_max: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<ReadPage, DatabaseError> {
        require_filter(&self.schema, filter)?;
        let after = after.map(|position| &position.0);
        let budget = ScanBudget::new(interrupted).with_rows_max(ROWS_PER_PAGE);
        Ok(self.snapshot.scan_ordered(filter, after, count_max, &budget)?.into())
    }

    pub(in crate::database) fn scope<'s>(
        &'s self,
        tracing: bool,
        interrupted: &'s dyn Fn() -> bool,
    ) -> EvalContext<'s, Snapshot<'d>> {
        let Database { cache, options, .. } = self.database;
        let scope = EvalContext::new(&self.schema, &self.snapshot);
        EvalContext {
            limits: options.limits,
            cache: Some(cache.at(self.point())),
            interrupted,
            stopwatch: self.stopwatch.unwrap_or(scope.stopwatch),
            tracing,
            ..scope
        }
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("revision", &self.revision())
            .field("schema_revision", &self.schema_revision)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Requires that a filter has a condition, names only what the schema has, and can match something: relationships exist
/// on relations, not on permissions.
pub(in crate::database) fn require_filter(
    schema: &Schema,
    filter: &RelationshipFilter,
) -> Result<(), DatabaseError> {
    if filter.is_empty() {
        return Err(DatabaseError::EmptyFilter);
    }
    schema.check_filter(filter)?;

    // The relation of the subject may be a permission: `group#can_join` is a valid subject.
    let (Some(definition), Some(relation)) = (&filter.resource_type, &filter.relation) else {
        return Ok(());
    };
    if is_permission(schema, definition, relation) {
        return Err(DatabaseError::FilterOnPermission {
            definition: definition.clone(),
            permission: relation.clone(),
        });
    }
    Ok(())
}

/// Whether the schema has a permission of this name in this definition.
pub(in crate::database) fn is_permission(schema: &Schema, definition: &str, name: &str) -> bool {
    let definition = schema.find_definition(definition);
    let node = definition.and_then(|found| schema.find_node(found.id, name));
    node.is_some_and(|node| matches!(node.rule, Rule::Permission(_)))
}
