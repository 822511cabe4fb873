//! Relationships that use what a new schema removes.

use crate::database::error::DatabaseError;
use crate::relationship::Relationship;
use crate::schema::removals::Removal;
use crate::store::{ScanBudget, Snapshot};

/// How many relationships are read at a time.
const ROWS_PAGE: usize = 1000;
/// Counting stops here: to know that there are many is enough.
const COUNT_MAX: u64 = 1000;

/// The relationships that use what a schema removes.
#[derive(Default)]
pub(super) struct RemovalUses {
    /// Whether the removal is forbidden whatever is stored.
    forbidden: bool,
    count: u64,
    /// Whether counting stopped at the maximum.
    more: bool,
    example: Option<Box<Relationship>>,
}

impl RemovalUses {
    /// Those of a snapshot.
    pub(super) fn stored(
        snapshot: &Snapshot<'_>,
        removal: &Removal,
        budget: &ScanBudget<'_>,
    ) -> Result<Self, DatabaseError> {
        let filters = removal.filters();
        let mut uses = Self { forbidden: removal.is_always_forbidden(), ..Self::default() };

        for (number, filter) in filters.iter().enumerate() {
            let mut after = None;
            while !uses.more {
                let page = snapshot.scan(filter, after.as_ref(), ROWS_PAGE, budget)?;
                for (relationship, _) in page.rows {
                    // A relationship that two filters match is counted once.
                    let mut seen = filters.iter().take(number);
                    if !seen.any(|filter| filter.matches(&relationship)) {
                        uses.add(removal, relationship);
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(uses)
    }

    /// Counts a relationship, if it uses what is removed.
    pub(super) fn add(&mut self, removal: &Removal, relationship: Relationship) {
        if !removal.matches(&relationship) {
            return;
        }
        if self.count == COUNT_MAX {
            self.more = true;
            return;
        }
        self.count += 1;
        self.example.get_or_insert_with(|| Box::new(relationship));
    }

    /// Requires that there are none.
    pub(super) fn require_none(self, removal: &Removal) -> Result<(), DatabaseError> {
        let Self { forbidden, count, more, example } = self;
        if !forbidden && count == 0 {
            return Ok(());
        }
        let removal = Box::new(removal.clone());
        Err(DatabaseError::SchemaRemoval { removal, count, counted_all: !more, example })
    }
}
