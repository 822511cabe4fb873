//! Confirmation of prerequisites in the writer.
//!
//! The writer confirms an examination from the changes since: a `MUST_NOT_MATCH` precondition fails only through a
//! relationship that was written, a `MUST_MATCH` one only when the relationship that matched was deleted or expired, and a
//! permission is checked again only when a relation changed that its check had read.

use super::change_log::{changes_since, exists, written_relationship};
use super::prerequisites::{Prerequisites, VerifiedPrerequisites, failed};
use super::proposal::{Attempt, Rejection};
use super::read_set::ReadTracker;
use crate::database::error::DatabaseError;
use crate::database::guards::require_permissions;
use crate::engine::{EngineError, EvalContext, Limits};
use crate::relationship::{
    Precondition, PreconditionOperation, ReadError, RelationshipFilter, RelationshipReader,
    Timestamp,
};
use crate::store::{ChangeLogEntry, ScanBudget, Transaction};

/// Maximum comparisons of changes with preconditions.
const COMPARISONS_MAX: usize = 1_000_000;
/// Maximum rows that the writer examines for the preconditions of one write, to find other matches.
const ROWS_MAX: u64 = 5_000;
/// The same for a write that was outdated too often.
const EVALUATED_ROWS_MAX: u64 = 100_000;

/// Maximum reads of the writer to check the permissions of one write again.
const READS_MAX: u64 = 2_000;
/// The same for a write that was outdated too often.
const EVALUATED_READS_MAX: u64 = 20_000;

/// The writer's limits for each of so many checks.
fn writer_limits(reads_max: u64, permissions: usize) -> Limits {
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

impl<R: Prerequisites> VerifiedPrerequisites<R> {
    /// Requires that all prerequisites are still met when the write is applied. Returns how long they stay met, for writes
    /// that take long.
    pub(super) fn confirm(
        &self,
        transaction: &Transaction<'_>,
        attempt: Attempt,
    ) -> Result<ValidUntil, Rejection> {
        match attempt {
            Attempt::Confirm => self.confirm_by_changes(transaction),
            Attempt::Evaluate => self.evaluate(transaction),
        }
    }

    /// The changes since the examination, oldest first. Too many, or a collected part, make it outdated.
    pub(super) fn changes(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Vec<ChangeLogEntry>, Rejection> {
        changes_since(transaction, self.revision)
    }

    fn confirm_by_changes(&self, transaction: &Transaction<'_>) -> Result<ValidUntil, Rejection> {
        let is_collected = transaction.oldest_revision() > self.revision;
        let is_other_schema = transaction.schema_revision() != self.schema_revision;
        // A relationship that had expired at the snapshot's time may not have expired at an earlier one.
        if is_collected || is_other_schema || transaction.now() < self.now {
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

        let permissions = self.prerequisites.permissions();
        let mut must_check = !permissions.is_empty() && !self.checked.stands_at(transaction.now());
        if !self.absent.is_empty() || !permissions.is_empty() {
            let changes = self.changes(transaction)?;
            must_check |= !permissions.is_empty()
                && changes.iter().any(|change| self.may_change_permissions(change));
            self.require_still_absent(transaction, changes)?;
        }

        until.limit(if must_check {
            self.check_again(transaction, READS_MAX)?
        } else {
            self.checked.until()
        });
        Ok(until)
    }

    /// Requires that no relationship was written that a precondition forbids.
    fn require_still_absent(
        &self,
        transaction: &Transaction<'_>,
        changes: Vec<ChangeLogEntry>,
    ) -> Result<(), Rejection> {
        if changes.len().saturating_mul(self.absent.len()) > COMPARISONS_MAX {
            return Err(Rejection::Outdated);
        }
        for written in changes.into_iter().filter_map(written_relationship) {
            let matching = self.absent.iter().find(|absent| absent.filter.matches(&written));
            if let Some(precondition) = matching
                && exists(transaction, &written)?
            {
                return Err(failed(precondition).into());
            }
        }
        Ok(())
    }

    /// Checks the permissions on the newest state. Returns the first expiration that they depend on.
    fn check_again(
        &self,
        transaction: &Transaction<'_>,
        reads_max: u64,
    ) -> Result<Option<Timestamp>, Rejection> {
        let permissions = self.prerequisites.permissions();
        let schema = self.schemas.at_transaction(transaction)?;
        let limits = self.limits.and(writer_limits(reads_max, permissions.len()));
        let reads = ReadTracker::new(transaction);
        let context = EvalContext { limits, ..EvalContext::new(&schema, &reads) };

        match require_permissions(&context, permissions) {
            // Too much work for the writer, which everything else waits for: examined again outside of it.
            Err(DatabaseError::Engine(EngineError::WorkExceeded { .. })) => {
                Err(Rejection::Outdated)
            }
            checked => {
                checked?;
                Ok(reads.into_read_set().until())
            }
        }
    }

    /// Evaluates all prerequisites anew, on the newest state.
    fn evaluate(&self, transaction: &Transaction<'_>) -> Result<ValidUntil, Rejection> {
        // The order decides which error is returned: see `guards`.
        let schema = self.schemas.at_transaction(transaction)?;
        self.prerequisites.require_allowed(&schema)?;

        let budget = ScanBudget::unlimited().with_rows_max(EVALUATED_ROWS_MAX);
        let mut until = ValidUntil::default();
        for precondition in self.prerequisites.preconditions() {
            let found = first_match(transaction, &precondition.filter, &budget)?;
            if let FilterMatch::Found(expires_at) = found {
                until.limit(expires_at);
            }
            let is_met = match found {
                FilterMatch::Found(_) => precondition.operation == PreconditionOperation::MustMatch,
                FilterMatch::None => precondition.operation == PreconditionOperation::MustNotMatch,
                FilterMatch::Unknown => return Err(Rejection::Outdated),
            };
            if !is_met {
                return Err(failed(precondition).into());
            }
        }

        until.limit(self.check_again(transaction, EVALUATED_READS_MAX)?);
        Ok(until)
    }
}

/// Requires another match of a precondition, because the one of the examination was deleted or expired. Returns its
/// expiration.
fn require_another_match(
    transaction: &Transaction<'_>,
    precondition: &Precondition,
    budget: &ScanBudget<'_>,
) -> Result<Option<Timestamp>, Rejection> {
    match first_match(transaction, &precondition.filter, budget)? {
        FilterMatch::Found(expires_at) => Ok(expires_at),
        FilterMatch::None => Err(failed(precondition).into()),
        FilterMatch::Unknown => Err(Rejection::Outdated),
    }
}

/// The first expiration that the prerequisites of a write depend on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ValidUntil(Option<Timestamp>);

impl ValidUntil {
    fn limit(&mut self, expires_at: Option<Timestamp>) {
        self.0 = self.0.into_iter().chain(expires_at).min();
    }

    /// Requires that nothing has expired while the write was applied.
    pub(super) fn require_not_passed(self, transaction: &Transaction<'_>) -> Result<(), Rejection> {
        match self.0 {
            Some(until) if until <= transaction.present() => Err(Rejection::Outdated),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether a filter matches.
enum FilterMatch {
    /// A relationship with this expiration matches.
    Found(Option<Timestamp>),
    None,
    /// The budget was spent before it was clear.
    Unknown,
}

fn first_match(
    transaction: &Transaction<'_>,
    filter: &RelationshipFilter,
    budget: &ScanBudget<'_>,
) -> Result<FilterMatch, ReadError> {
    let page = transaction.scan(filter, None, 1, budget)?;
    Ok(match (page.rows.first(), page.next) {
        (Some((found, _)), _) => FilterMatch::Found(found.expires_at),
        // A scan that starts with a spent budget examines nothing, and so has no position to continue from.
        (None, None) if !budget.is_spent() => FilterMatch::None,
        (None, _) => FilterMatch::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relationship::Relationship;
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
        assert!(matches!(first, FilterMatch::Found(None)));
        assert!(matches!(second, FilterMatch::Unknown));
    }
}
