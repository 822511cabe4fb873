//! Prerequisites of a write: the schema's rules, preconditions and required permissions, examined on a snapshot.
//!
//! `confirmation` then confirms them in the writer from the changes since.

use super::change_log::{CATCH_UPS_MAX, CHANGES_PAGE, exists, written_relationship};
use super::proposal::Examination;
use super::read_set::{ReadSet, ReadTracker};
use crate::database::error::DatabaseError;
use crate::database::guards::require_permissions;
use crate::database::read::view::View;
use crate::database::requirement::RequiredPermission;
use crate::database::schema_cache::SchemaCache;
use crate::engine::{EvalContext, Limits};
use crate::relationship::{
    Precondition, PreconditionOperation, Relationship, RelationshipFilter, Revision, Timestamp,
};
use crate::schema::Schema;
use crate::store::{ChangeLogEntry, ChangePosition};
use std::collections::HashMap;
use std::sync::Arc;

/// A write with prerequisites.
pub(in crate::database) trait Prerequisites: Send + Sync + 'static {
    /// Requires that the schema allows the write.
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError>;

    /// The preconditions.
    fn preconditions(&self) -> &[Precondition];

    /// The required permissions.
    fn permissions(&self) -> &[RequiredPermission] {
        &[]
    }
}

/// Prerequisites that were met at one revision, with what that depends on.
pub(in crate::database) struct VerifiedPrerequisites<R> {
    pub(super) prerequisites: Arc<R>,
    pub(super) schemas: Arc<SchemaCache>,
    pub(super) limits: Limits,
    pub(super) revision: Revision,
    pub(super) schema_revision: Revision,
    pub(super) now: Timestamp,
    /// Each `MUST_MATCH` precondition with a relationship that matched it.
    pub(super) present: Vec<(Precondition, Relationship)>,
    /// The `MUST_NOT_MATCH` preconditions, each filter once.
    pub(super) absent: Vec<Precondition>,
    /// What the checks of the required permissions read.
    pub(super) checked: ReadSet,
}

impl<R: Prerequisites> VerifiedPrerequisites<R> {
    /// Examines the prerequisites on a snapshot. Fails when one is not met.
    pub(super) fn examine(
        prerequisites: &Arc<R>,
        examination: &Examination<'_>,
    ) -> Result<Self, DatabaseError> {
        let Examination { view, database, .. } = examination;
        // The order decides which error is returned: see `guards`.
        prerequisites.require_allowed(view.schema())?;
        let (present, absent) = examine_preconditions(prerequisites.preconditions(), examination)?;

        let reads = ReadTracker::new(&view.snapshot);
        let context = EvalContext {
            limits: examination.limits,
            interrupted: examination.interrupted(),
            stopwatch: examination.stopwatch,
            ..EvalContext::new(view.schema(), &reads)
        };
        require_permissions(&context, prerequisites.permissions())?;

        Ok(Self {
            prerequisites: Arc::clone(prerequisites),
            schemas: Arc::clone(&database.state.schemas),
            limits: database.state.options.limits,
            revision: view.revision(),
            schema_revision: view.schema_revision(),
            now: view.now(),
            present,
            absent,
            checked: reads.into_read_set(),
        })
    }

    /// Confirms the prerequisites on newer snapshots while many changes are committed, so that few are left for the writer.
    /// Results other than the prerequisites still belong to the first snapshot: [`Self::changes`] must not confirm them after
    /// this.
    pub(super) fn catch_up(mut self, examination: &Examination<'_>) -> Result<Self, DatabaseError> {
        if self.absent.is_empty() {
            return Ok(self);
        }
        for _ in 0..CATCH_UPS_MAX {
            let newer = examination.newer_view()?;
            let is_known = newer.oldest_revision() <= self.revision
                && newer.schema_revision() == self.schema_revision;
            let Some(count) = self.count_unrelated(&newer)?.filter(|_| is_known) else {
                // The writer decides.
                return Ok(self);
            };

            debug_assert!(newer.revision() >= self.revision, "revisions rise");
            self.revision = newer.revision();
            if count <= CHANGES_PAGE {
                break;
            }
        }
        Ok(self)
    }

    /// The number of changes up to a newer view; `None` when a required permission may depend on one of them. Fails when a
    /// relationship was written that a precondition forbids.
    fn count_unrelated(&self, newer: &View<'_>) -> Result<Option<usize>, DatabaseError> {
        let (mut count, mut after) = (0, ChangePosition::after(self.revision));
        loop {
            let page = newer.snapshot.changes(after, CHANGES_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(Some(count)) };
            after = *last;
            count += page.len();

            if page.iter().any(|(_, change)| self.may_change_permissions(change)) {
                return Ok(None);
            }
            for written in page.into_iter().filter_map(|(_, change)| written_relationship(change)) {
                let mut absent = self.absent.iter();
                if let Some(absent) = absent.find(|it| it.filter.matches(&written))
                    && exists(&newer.snapshot, &written)?
                {
                    return Err(failed(absent));
                }
            }
        }
    }

    /// Whether a change may change the result of a required permission.
    pub(super) fn may_change_permissions(&self, change: &ChangeLogEntry) -> bool {
        match change {
            ChangeLogEntry::Relationship(update) => self.checked.contains(&update.relationship),
            ChangeLogEntry::Schema | ChangeLogEntry::Metadata(_) | ChangeLogEntry::Writer(_) => {
                false
            }
        }
    }
}

/// The preconditions that were examined: those that must match, each with a match, and those that must not.
type ExaminedPreconditions = (Vec<(Precondition, Relationship)>, Vec<Precondition>);

/// Requires that the preconditions hold on a snapshot. Each filter is evaluated once.
fn examine_preconditions(
    preconditions: &[Precondition],
    examination: &Examination<'_>,
) -> Result<ExaminedPreconditions, DatabaseError> {
    let budget = examination.scan_budget();
    let snapshot = &examination.view.snapshot;
    let mut evaluated: HashMap<&RelationshipFilter, bool> = HashMap::new();
    let (mut present, mut absent) = (Vec::new(), Vec::new());

    for precondition in preconditions {
        let Precondition { operation, filter } = precondition;
        let must_match = *operation == PreconditionOperation::MustMatch;
        if let Some(matches) = evaluated.get(filter) {
            if *matches != must_match {
                return Err(failed(precondition));
            }
            continue;
        }

        let found = snapshot.scan(filter, None, 1, &budget)?.rows.into_iter().next();
        evaluated.insert(filter, found.is_some());
        match (found, must_match) {
            (Some((found, _)), true) => present.push((precondition.clone(), found)),
            (None, false) => absent.push(precondition.clone()),
            (Some(_), false) | (None, true) => return Err(failed(precondition)),
        }
    }
    Ok((present, absent))
}

/// The error for a precondition that does not hold.
pub(super) fn failed(precondition: &Precondition) -> DatabaseError {
    DatabaseError::PreconditionFailed(Box::new(precondition.clone()))
}
