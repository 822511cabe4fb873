//! Deletions by filter.

use super::error::DatabaseError;
use super::handle::Database;
use super::view::{Position, require_filter};
use super::write::{
    require_few_preconditions, require_known_filters, require_preconditions,
    require_small_metadata, schema_of, set_metadata,
};
use crate::relationship::{Context, Precondition, RelationshipFilter, Revision, Timestamp};
use crate::store::{ScanBudget, ScanPosition, Transaction};
use std::sync::Arc;

/// How many relationships are read at a time.
const PAGE: usize = 1000;

/// What to delete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteRequest {
    /// Which relationships.
    pub filter: RelationshipFilter,
    /// What has to be true before.
    pub preconditions: Vec<Precondition>,
    /// The most relationships to delete.
    pub limit: Option<u32>,
    /// Whether to delete as many as the limit allows when more match, and not refuse.
    pub allow_partial: bool,
    /// Where an earlier, partial deletion with this filter ended. What lies before is neither read nor deleted.
    pub after: Option<Position>,
    /// What to tell those who follow the database.
    pub metadata: Option<Context>,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The revision without them.
    pub revision: Revision,
    /// How many relationships went, those that had expired among them.
    pub count: u64,
    /// Whether none that match are left.
    pub complete: bool,
    /// Behind the last relationship that was deleted. `None` when none was.
    pub last: Option<Position>,
}

pub(super) fn delete(
    database: &Database,
    now: Timestamp,
    request: DeleteRequest,
) -> Result<Deleted, DatabaseError> {
    let options = &database.options;
    require_small_metadata(options, request.metadata.as_ref())?;
    require_few_preconditions(options, &request.preconditions)?;
    if let Some(limit) = request.limit.filter(|limit| *limit > options.delete_limit_max) {
        return Err(DatabaseError::LimitTooLarge { limit, max: options.delete_limit_max });
    }
    let schemas = Arc::clone(&database.schemas);
    let bounded = request.limit.is_some();
    let work = move |transaction: &mut Transaction<'_>| {
        let schema = schema_of(&schemas, transaction)?;
        require_filter(&schema, &request.filter)?;
        require_known_filters(&schema, &request.preconditions)?;
        require_preconditions(transaction, &request.preconditions)?;
        let complete = require_limit(transaction, &request)?;
        set_metadata(transaction, request.metadata.as_ref())?;
        let count_max = request.limit.map_or(u64::MAX, u64::from);
        let after = request.after.map(|Position(position)| position);
        let (count, last) = remove_matches(transaction, &request.filter, after, count_max)?;
        Ok::<_, DatabaseError>((count, complete, last))
    };
    let store = &database.store;
    let done = if bounded { store.write(now, work) } else { store.write_large(now, work) };
    let (revision, (count, complete, last)) = done?;
    Ok(Deleted { revision, count, complete, last: last.map(Position) })
}

/// Whether the limit allows for all that match. Refuses when it does not and that is not allowed.
fn require_limit(
    transaction: &Transaction<'_>,
    request: &DeleteRequest,
) -> Result<bool, DatabaseError> {
    let Some(limit) = request.limit else { return Ok(true) };
    let budget = ScanBudget::unlimited();
    let mut found = 0;
    let mut after = request.after.clone().map(|Position(position)| position);
    while found <= u64::from(limit) {
        let page = transaction.scan_stored(&request.filter, after.as_ref(), PAGE, &budget)?;
        found += u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if found <= u64::from(limit) {
        return Ok(true);
    }
    if request.allow_partial {
        return Ok(false);
    }
    Err(DatabaseError::TooManyToDelete { limit, filter: Box::new(request.filter.clone()) })
}

/// Removes what matches and says how many that were.
pub(super) fn remove_all(
    transaction: &mut Transaction<'_>,
    filter: &RelationshipFilter,
) -> Result<u64, DatabaseError> {
    remove_matches(transaction, filter, None, u64::MAX).map(|(count, _)| count)
}

/// Removes what matches behind `after`, up to a limit. Gives their number, and the position of the last one.
fn remove_matches(
    transaction: &mut Transaction<'_>,
    filter: &RelationshipFilter,
    mut after: Option<ScanPosition>,
    count_max: u64,
) -> Result<(u64, Option<ScanPosition>), DatabaseError> {
    let budget = ScanBudget::unlimited();
    let mut count = 0;
    let mut removed_last = None;
    while count < count_max {
        let room = usize::try_from(count_max - count).unwrap_or(PAGE).min(PAGE);
        let page = transaction.scan_stored(filter, after.as_ref(), room, &budget)?;
        if let Some((_, last)) = page.rows.last() {
            removed_last = Some(last.clone());
        }
        for (relationship, _) in &page.rows {
            transaction.remove(relationship)?;
            count += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok((count, removed_last))
}
