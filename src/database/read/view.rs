//! Views: schema and relationships at one revision, which every read goes through.

use crate::database::consistency::Consistency;
use crate::database::error::DatabaseError;
use crate::database::handle::{Database, DatabaseState};
use crate::engine::{EngineError, EvalContext, Stopwatch};
use crate::relationship::{ReadPoint, Revision, Timestamp};
use crate::schema::Schema;
use crate::store::{Pin, Snapshot};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Schema and relationships at one revision. Its results never change, however long it is kept.
pub struct View<'d> {
    pub(in crate::database) database: &'d Database,
    pub(in crate::database) snapshot: Snapshot<'d>,
    schema: Arc<Schema>,
    schema_revision: Revision,
    now: Timestamp,
    stopwatch: Option<Stopwatch<'d>>,
}

/// Protects the read point of a view from garbage collection until it is dropped.
#[derive(Debug)]
pub struct ViewPin {
    _revision: Pin,
    _time: Pin<Timestamp>,
}

impl Database {
    /// Schema and relationships at a revision that `consistency` allows, without relationships that expired by `now`.
    pub fn view(
        &self,
        consistency: Consistency,
        now: Timestamp,
    ) -> Result<View<'_>, DatabaseError> {
        let snapshot = consistency.snapshot(&self.store, now)?;
        let schema_revision = snapshot.schema_revision()?;
        debug_assert!(schema_revision <= snapshot.revision(), "a schema is not from the future");
        let schema = self.state.schemas.get(schema_revision, || snapshot.schema())?;

        let now = consistency.time(now);
        Ok(View { database: self, snapshot, schema, schema_revision, now, stopwatch: None })
    }

    /// The same from memory alone; `None` when `consistency` or the schema would need a read of the disk.
    pub(in crate::database) fn view_in_memory(
        &self,
        consistency: Consistency,
        now: Timestamp,
    ) -> Option<View<'_>> {
        let snapshot = consistency.snapshot_cached(&self.store, now)?;
        let schema_revision = snapshot.schema_revision().ok()?;
        let schema = self.state.schemas.compiled(schema_revision)?;

        Some(View { database: self, snapshot, schema, schema_revision, now, stopwatch: None })
    }

    /// The revision that was visible at a time, for [`Consistency::AsOf`].
    pub fn revision_at(&self, time: Timestamp, now: Timestamp) -> Result<Revision, DatabaseError> {
        Ok(self.store.revision_at(time, now)?)
    }
}

impl<'d> View<'d> {
    /// The same view with a stopwatch, which serves the time limit and the durations in traces.
    #[must_use]
    pub fn timed_by(self, stopwatch: Stopwatch<'d>) -> Self {
        Self { stopwatch: Some(stopwatch), ..self }
    }

    /// The same view for a caller that may stop waiting: `interrupted` is polled by everything that is evaluated on the view,
    /// which ends with [`EngineError::Interrupted`](crate::engine::EngineError::Interrupted) once it returns `true`.
    #[must_use]
    pub fn interrupted_by(self, interrupted: &'d dyn Fn() -> bool) -> Self {
        Self { snapshot: self.snapshot.interrupted_by(interrupted), ..self }
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    /// The oldest revision that was readable when the view was created.
    pub fn oldest_revision(&self) -> Revision {
        self.snapshot.oldest_revision()
    }

    /// The schema; an empty one when none was written.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The revision that wrote the schema; 0 when none was written.
    pub(in crate::database) fn schema_revision(&self) -> Revision {
        self.schema_revision
    }

    /// The schema text as written; `None` when none was.
    pub fn schema_text(&self) -> Option<&str> {
        (self.schema_revision > Revision::default()).then(|| self.schema.source())
    }

    /// The time that decides which relationships have expired.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The revision and the time of the view.
    pub fn point(&self) -> ReadPoint {
        ReadPoint::new(self.revision(), self.now)
    }

    /// The consistency with which the next pages of a paged read see what this view sees.
    pub fn pinned(&self) -> Consistency {
        Consistency::AsOf(self.point())
    }

    /// Pins the revision and the time of the view against garbage collection, for paged reads.
    pub fn pin(&self) -> ViewPin {
        let store = &self.database.store;
        ViewPin { _revision: store.pin(self.revision()), _time: store.pin_expirations(self.now) }
    }

    /// The result of a query, which is counted when it reached a limit on its work.
    pub(in crate::database) fn evaluated<T>(
        &self,
        result: Result<T, EngineError>,
    ) -> Result<T, DatabaseError> {
        result.map_err(|error| {
            if error.is_limit() {
                self.database.state.limited_queries.fetch_add(1, Ordering::Relaxed);
            }
            error.into()
        })
    }

    /// The context in which the engine evaluates queries on this view.
    pub(in crate::database) fn eval_context(&self, tracing: bool) -> EvalContext<'_, Snapshot<'d>> {
        let DatabaseState { cache, options, .. } = &self.database.state;
        let context = EvalContext::new(&self.schema, &self.snapshot);
        EvalContext {
            limits: options.limits,
            cache: Some(cache.at(self.point())),
            interrupted: self.snapshot.interrupted(),
            stopwatch: self.stopwatch.unwrap_or(context.stopwatch),
            tracing,
            ..context
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
