//! What a write requires of the state before it: the schema's rules, preconditions and permissions.
//!
//! They are examined on a snapshot. The writer then confirms the result from the changes since: a precondition that
//! nothing may match fails only through a relationship that was added, one that something must match only when the
//! relationship that was found has gone, and a permission has to be checked again only when a relation changed that its
//! check had read.

use super::proposal::{Attempt, Examination, Rejection};
use super::read_set::{ReadSet, ReadTracker};
use crate::database::consistency::Consistency;
use crate::database::error::DatabaseError;
use crate::database::read::view::View;
use crate::database::requirement::{RequiredPermission, require_permissions};
use crate::database::schema_cache::SchemaCache;
use crate::engine::{EngineError, EvalContext, Limits};
use crate::relationship::{
    Precondition, PreconditionOperation, ReadError, Relationship, RelationshipFilter,
    RelationshipReader, Revision, Timestamp, UpdateOperation,
};
use crate::schema::Schema;
use crate::store::{ChangeLogEntry, ChangePosition, ScanBudget, Transaction};
use std::collections::HashMap;
use std::sync::Arc;

/// How many changes are read at a time.
const PAGE: usize = 1000;
/// The most changes since the snapshot that the writer looks at.
const CHANGES_MAX: usize = 10_000;
/// How often an examination looks at what changed meanwhile, before it leaves the rest to the writer.
const CATCH_UPS_MAX: usize = 16;
/// The most comparisons of a change with a precondition.
const COMPARISONS_MAX: usize = 1_000_000;
/// The most rows that the writer examines to find other matches for the preconditions of a write, all together.
const ROWS_MAX: u64 = 5_000;
/// The same for all preconditions of a write that was examined too often.
const EVALUATED_ROWS_MAX: u64 = 100_000;

/// The most reads to check permissions again, all together.
const READS_MAX: u64 = 2_000;
/// The same for a write that was examined too often.
const EVALUATED_READS_MAX: u64 = 20_000;

/// What the writer may spend on each of so many permissions.
fn within_writer(reads_max: u64, permissions: usize) -> Limits {
    let permissions = u64::try_from(permissions).unwrap_or(u64::MAX).max(1);
    let reads_max = reads_max / permissions;
    Limits {
        depth_max: None,
        visits_max: reads_max,
        reads_max,
        subjects_max: 0,
        caveat_steps_max: 100 * reads_max,
        lookup_bytes_max: 0,
        time_max: None,
    }
}

/// A write that requires something of the state before it.
pub(in crate::database) trait Prerequisites: Send + Sync + 'static {
    /// Requires what the schema has to allow.
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError>;

    /// What has to match, and what must not.
    fn preconditions(&self) -> &[Precondition];

    /// The permissions that have to be held.
    fn permissions(&self) -> &[RequiredPermission] {
        &[]
    }
}

/// What a write requires, as it was fulfilled at one revision.
pub(in crate::database) struct VerifiedPrerequisites<R> {
    required: Arc<R>,
    schemas: Arc<SchemaCache>,
    limits: Limits,
    revision: Revision,
    schema_revision: Revision,
    now: Timestamp,
    /// By precondition that something must match: a relationship that did.
    present: Vec<(Precondition, Relationship)>,
    /// The preconditions that nothing may match, each filter once.
    absent: Vec<Precondition>,
    /// What the checks of the permissions rest on.
    checked: ReadSet,
}

impl<R: Prerequisites> VerifiedPrerequisites<R> {
    /// Examines what a write requires on a snapshot. Fails when it is not fulfilled.
    pub(in crate::database) fn examine(
        required: &Arc<R>,
        examination: &Examination<'_>,
    ) -> Result<Self, DatabaseError> {
        let Examination { view, database, .. } = examination;
        required.require_allowed(view.schema())?;
        let (present, absent) = examine_preconditions(required.preconditions(), examination)?;
        let reads = ReadTracker::new(&view.snapshot);
        let scope = EvalContext {
            limits: examination.limits,
            interrupted: examination.interrupted,
            stopwatch: examination.stopwatch,
            ..EvalContext::new(view.schema(), &reads)
        };
        require_permissions(&scope, required.permissions())?;

        Ok(Self {
            required: Arc::clone(required),
            schemas: Arc::clone(&database.schemas),
            limits: database.options.limits,
            revision: view.revision(),
            schema_revision: view.schema_revision(),
            now: view.now(),
            present,
            absent,
            checked: reads.into_noted(),
        })
    }

    /// Looks at what has changed since the snapshot, when that may be much, so that little is left for the writer. What
    /// else was found on the snapshot must not be confirmed by [`Self::changes`] any more.
    pub(in crate::database) fn catch_up(
        mut self,
        examination: &Examination<'_>,
    ) -> Result<Self, DatabaseError> {
        if self.absent.is_empty() {
            return Ok(self);
        }
        for _ in 0..CATCH_UPS_MAX {
            let Examination { database, view, .. } = examination;
            let newer = database.view(Consistency::FullyConsistent, view.now())?;
            let is_known = newer.oldest_revision() <= self.revision
                && newer.schema_revision() == self.schema_revision;
            let Some(count) = self.count_unrelated(&newer, examination)?.filter(|_| is_known)
            else {
                // The writer finds out.
                return Ok(self);
            };
            self.revision = newer.revision();
            if count <= PAGE {
                break;
            }
        }
        Ok(self)
    }

    /// The number of changes up to a newer view, unless a permission may rest on one of them. Fails when a relationship
    /// came that must not be there.
    fn count_unrelated(
        &self,
        newer: &View<'_>,
        examination: &Examination<'_>,
    ) -> Result<Option<usize>, DatabaseError> {
        let (mut count, mut after) = (0, ChangePosition::after(self.revision));
        loop {
            if (examination.interrupted)() {
                return Err(EngineError::Interrupted.into());
            }
            let page = newer.snapshot.changes(after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(Some(count)) };
            after = *last;
            count += page.len();
            let is_related = |change: &ChangeLogEntry| match change {
                ChangeLogEntry::Relationship(update) => self.checked.rests_on(&update.relationship),
                ChangeLogEntry::Schema | ChangeLogEntry::Metadata(_) => false,
            };
            if page.iter().any(|(_, change)| is_related(change)) {
                return Ok(None);
            }
            for relationship in
                page.into_iter().filter_map(|(_, change)| added_relationship(change))
            {
                let mut absent = self.absent.iter();
                if let Some(absent) = absent.find(|it| it.filter.matches(&relationship))
                    && exists(&newer.snapshot, &relationship)?
                {
                    return Err(failed(absent));
                }
            }
        }
    }

    /// Requires that everything is still fulfilled when the write is made. Gives the time from which it need not be, which
    /// matters to a write that takes long.
    pub(in crate::database) fn confirm(
        &self,
        transaction: &Transaction<'_>,
        attempt: Attempt,
    ) -> Result<ValidUntil, Rejection> {
        match attempt {
            Attempt::Confirm => self.confirm_by_changes(transaction),
            Attempt::Evaluate => self.evaluate(transaction),
        }
    }

    /// The changes since the snapshot, oldest first. Too many, or no longer all known, make it outdated.
    pub(in crate::database) fn changes(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Vec<ChangeLogEntry>, Rejection> {
        if transaction.oldest_revision() > self.revision {
            return Err(Rejection::Outdated);
        }
        let mut changes = Vec::new();
        let mut after = ChangePosition::after(self.revision);
        loop {
            let page = transaction.changes(after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(changes) };
            after = *last;
            changes.extend(page.into_iter().map(|(_, change)| change));
            if changes.len() > CHANGES_MAX {
                return Err(Rejection::Outdated);
            }
        }
    }

    fn confirm_by_changes(&self, transaction: &Transaction<'_>) -> Result<ValidUntil, Rejection> {
        let is_forgotten = transaction.oldest_revision() > self.revision;
        let is_other_schema = transaction.schema_revision() != self.schema_revision;
        // What had expired by the snapshot's time may not have by an earlier one.
        if is_forgotten || is_other_schema || transaction.now() < self.now {
            return Err(Rejection::Outdated);
        }

        let mut until = ValidUntil::default();
        let budget = ScanBudget::unlimited().with_rows_max(ROWS_MAX);
        for (precondition, match_before) in &self.present {
            let key = (match_before.resource_key(), match_before.subject.key());
            match transaction.find(key.0, key.1)? {
                Some(terms) => until.limit(terms.expires_at),
                None => until.limit(require_another_match(transaction, precondition, &budget)?),
            }
        }

        let permissions = self.required.permissions();
        let mut must_check = !permissions.is_empty() && !self.checked.stands_at(transaction.now());
        if !self.absent.is_empty() || !permissions.is_empty() {
            let changes = self.changes(transaction)?;
            must_check |= !permissions.is_empty()
                && changes.iter().any(|change| match change {
                    ChangeLogEntry::Relationship(update) => {
                        self.checked.rests_on(&update.relationship)
                    }
                    ChangeLogEntry::Schema | ChangeLogEntry::Metadata(_) => false,
                });
            self.require_still_absent(transaction, changes)?;
        }
        until.limit(if must_check {
            self.check_again(transaction, READS_MAX)?
        } else {
            self.checked.until()
        });
        Ok(until)
    }

    /// Requires that no relationship came that must not be there.
    fn require_still_absent(
        &self,
        transaction: &Transaction<'_>,
        changes: Vec<ChangeLogEntry>,
    ) -> Result<(), Rejection> {
        if changes.len().saturating_mul(self.absent.len()) > COMPARISONS_MAX {
            return Err(Rejection::Outdated);
        }
        for relationship in changes.into_iter().filter_map(added_relationship) {
            let mut matching = self.absent.iter();
            let matching = matching.find(|absent| absent.filter.matches(&relationship));
            if let Some(precondition) = matching
                && exists(transaction, &relationship)?
            {
                return Err(failed(precondition).into());
            }
        }
        Ok(())
    }

    /// Checks the permissions on the newest state. Gives the first expiration that they rest on.
    fn check_again(
        &self,
        transaction: &Transaction<'_>,
        reads_max: u64,
    ) -> Result<Option<Timestamp>, Rejection> {
        let permissions = self.required.permissions();
        let schema = self.schemas.at_transaction(transaction)?;
        let limits = self.limits.and(within_writer(reads_max, permissions.len()));
        let reads = ReadTracker::new(transaction);
        let scope = EvalContext { limits, ..EvalContext::new(&schema, &reads) };
        match require_permissions(&scope, permissions) {
            Err(DatabaseError::Engine(EngineError::WorkExceeded { .. })) => {
                Err(Rejection::Outdated)
            }
            checked => {
                checked?;
                Ok(reads.into_noted().until())
            }
        }
    }

    /// Requires everything anew, on the newest state.
    fn evaluate(&self, transaction: &Transaction<'_>) -> Result<ValidUntil, Rejection> {
        let schema = self.schemas.at_transaction(transaction)?;
        self.required.require_allowed(&schema)?;
        let budget = ScanBudget::unlimited().with_rows_max(EVALUATED_ROWS_MAX);
        let mut until = ValidUntil::default();
        for precondition in self.required.preconditions() {
            let found = first_match(transaction, &precondition.filter, &budget)?;
            if let Match::Found(expires_at) = found {
                until.limit(expires_at);
            }
            let is_fulfilled = match found {
                Match::Found(_) => precondition.operation == PreconditionOperation::MustMatch,
                Match::None => precondition.operation == PreconditionOperation::MustNotMatch,
                Match::Unknown => return Err(Rejection::Outdated),
            };
            if !is_fulfilled {
                return Err(failed(precondition).into());
            }
        }
        until.limit(self.check_again(transaction, EVALUATED_READS_MAX)?);
        Ok(until)
    }
}

/// Requires that some other relationship matches than the one that was found, and has gone since. Gives
/// the time at which it expires.
fn require_another_match(
    transaction: &Transaction<'_>,
    precondition: &Precondition,
    budget: &ScanBudget<'_>,
) -> Result<Option<Timestamp>, Rejection> {
    match first_match(transaction, &precondition.filter, budget)? {
        Match::Found(expires_at) => Ok(expires_at),
        Match::None => Err(failed(precondition).into()),
        Match::Unknown => Err(Rejection::Outdated),
    }
}

/// The time from which a write's requirements need not be fulfilled any more, because something expires that they rest on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::database) struct ValidUntil(Option<Timestamp>);

impl ValidUntil {
    fn limit(&mut self, expires_at: Option<Timestamp>) {
        self.0 = self.0.into_iter().chain(expires_at).min();
    }

    /// Requires that this time has not come while the write was made.
    pub(in crate::database) fn require_not_passed(
        self,
        transaction: &Transaction<'_>,
    ) -> Result<(), Rejection> {
        match self.0 {
            Some(until) if until <= transaction.present() => Err(Rejection::Outdated),
            Some(_) | None => Ok(()),
        }
    }
}

type ExaminedPreconditions = (Vec<(Precondition, Relationship)>, Vec<Precondition>);

/// Requires that the preconditions hold on a snapshot. Each filter is looked at once.
fn examine_preconditions(
    preconditions: &[Precondition],
    examination: &Examination<'_>,
) -> Result<ExaminedPreconditions, DatabaseError> {
    let budget = examination.scan_budget();
    let snapshot = &examination.view.snapshot;
    let mut looked_at: HashMap<&RelationshipFilter, bool> = HashMap::new();
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for precondition in preconditions {
        let Precondition { operation, filter } = precondition;
        let must_match = *operation == PreconditionOperation::MustMatch;
        if let Some(matches) = looked_at.get(filter) {
            if *matches != must_match {
                return Err(failed(precondition));
            }
            continue;
        }

        let found = snapshot.scan(filter, None, 1, &budget)?.rows.into_iter().next();
        looked_at.insert(filter, found.is_some());
        match (found, must_match) {
            (Some((found, _)), true) => present.push((precondition.clone(), found)),
            (None, false) => absent.push(precondition.clone()),
            (Some(_), false) | (None, true) => return Err(failed(precondition)),
        }
    }
    Ok((present, absent))
}

fn failed(precondition: &Precondition) -> DatabaseError {
    DatabaseError::PreconditionFailed(Box::new(precondition.clone()))
}

/// Whether a filter matches.
enum Match {
    /// By a relationship that expires at this time, if ever.
    Found(Option<Timestamp>),
    None,
    /// The budget was spent before it was clear.
    Unknown,
}

fn first_match(
    transaction: &Transaction<'_>,
    filter: &RelationshipFilter,
    budget: &ScanBudget<'_>,
) -> Result<Match, ReadError> {
    let page = transaction.scan(filter, None, 1, budget)?;
    Ok(match (page.rows.first(), page.next) {
        (Some((found, _)), _) => Match::Found(found.expires_at),
        // A scan that starts with a spent budget examines nothing, and so has no position to continue from.
        (None, None) if !budget.is_spent() => Match::None,
        (None, _) => Match::Unknown,
    })
}

/// The relationship that a change added, or gave other terms.
pub(in crate::database) fn added_relationship(change: ChangeLogEntry) -> Option<Relationship> {
    match change {
        ChangeLogEntry::Relationship(update) => match update.operation {
            UpdateOperation::Create | UpdateOperation::Touch => Some(update.relationship),
            UpdateOperation::Delete => None,
        },
        ChangeLogEntry::Schema | ChangeLogEntry::Metadata(_) => None,
    }
}

/// Whether a relationship with this key is there and has not expired.
pub(in crate::database) fn exists(
    state: &impl RelationshipReader,
    relationship: &Relationship,
) -> Result<bool, ReadError> {
    let found = state.find(relationship.resource_key(), relationship.subject.key())?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreOptions};

    #[test]
    fn a_spent_budget_leaves_open_whether_anything_matches() {
        let store = Store::in_memory(&StoreOptions::default()).unwrap();
        let now = Timestamp::from_unix(1, 0).unwrap();
        let row: Relationship = "document:plan#viewer@user:ann".parse().unwrap();
        store.write(now, move |transaction| transaction.put(&row)).unwrap();

        let looked = store.write(now, |transaction| {
            let (filter, budget) = (RelationshipFilter::default(), ScanBudget::unlimited());
            let budget = budget.with_rows_max(1);
            let first = first_match(transaction, &filter, &budget)?;
            Ok::<_, ReadError>((first, first_match(transaction, &filter, &budget)?))
        });
        let (_, (first, second)) = looked.unwrap();
        assert!(matches!(first, Match::Found(None)));
        assert!(matches!(second, Match::Unknown));
    }
}
