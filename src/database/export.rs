//! Whole stores, page by page.

use super::error::DatabaseError;
use super::view::{Position, ReadPage, View, require_filter};
use crate::relationship::RelationshipFilter;
use crate::store::ScanBudget;

impl View<'_> {
    /// The relationships that a filter selects, or all of them, behind `after`, at most `count_max`. They come in an order
    /// that does not depend on the store: by resource type, relation, resource id, subject type, subject relation and
    /// subject id; only what a filter finds by its subject comes in the order of [`View::read`]. `interrupted` is called
    /// now and then and says whether to give up.
    pub fn export(
        &self,
        filter: Option<&RelationshipFilter>,
        after: Option<&Position>,
        count_max: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<ReadPage, DatabaseError> {
        let everything = RelationshipFilter::default();
        if let Some(filter) = filter {
            require_filter(self.schema(), filter)?;
        }
        let filter = filter.unwrap_or(&everything);
        let after = after.map(|position| &position.0);
        let budget = ScanBudget::new(interrupted);
        Ok(self.snapshot.export(filter, after, count_max, &budget)?.into())
    }
}
