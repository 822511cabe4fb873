//! Bulk writes with TOUCH, in batches.

use super::error::CliError;
use crate::client::{CallError, Connection};
use crate::relationship::{Relationship, RelationshipUpdate, UpdateOperation};
use indicatif::ProgressBar;

/// Writes all relationships, at most `batch_size` per call, and counts them on `bar`.
pub(super) fn write_all(
    connection: &Connection,
    relationships: &[Relationship],
    mut batch_size: u32,
    bar: &ProgressBar,
) -> Result<(), CliError> {
    let operation = UpdateOperation::Touch;
    let mut rest = relationships;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(rest.len().min(usize::try_from(batch_size)?));
        let updates = batch.iter().cloned();
        let updates: Vec<_> =
            updates.map(|relationship| RelationshipUpdate { operation, relationship }).collect();

        match connection.write(&updates) {
            Ok(_) => {
                rest = later;
                bar.inc(u64::try_from(batch.len()).unwrap_or_default());
            }
            Err(CallError::TooMany { max, .. }) if max < batch_size => batch_size = max,
            Err(error) => {
                let done = relationships.len() - rest.len();
                let message = format!("{error}; relationships written before that: {done}");
                return Err(CliError::new(message));
            }
        }
    }
    Ok(())
}
