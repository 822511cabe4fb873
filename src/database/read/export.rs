//! Whole stores, page by page.

use crate::database::error::DatabaseError;
use crate::database::read::view::{ROWS_PER_PAGE, ReadPage, ReadPosition, View, require_filter};
use crate::relationship::RelationshipFilter;
use crate::store::ScanBudget;

impl View<'_> {
    /// The relationships that a filter selects, or all of them, behind `after`, at most `count_max`, in the order of
    /// [`View::read`], which does not depend on the store. `interrupted` is called now and then and says whether to give
    /// up.
    pub fn export(
        &self,
        filter: Option<&RelationshipFilter>,
        after: Option<&ReadPosition>,
        count_max: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<ReadPage, DatabaseError> {
        let everything = RelationshipFilter::default();
        if let Some(filter) = filter {
            require_filter(self.schema(), filter)?;
        }
        let filter = filter.unwrap_or(&everything);
        let after = after.map(|position| &position.0);
        let budget = ScanBudget::new(interrupted).with_rows_max(ROWS_PER_PAGE);
        Ok(self.snapshot.scan_ordered(filter, after, count_max, &budget)?.into())
    }
}
