//! Whole stores, page by page.

use super::error::DatabaseError;
use super::view::{Position, View, require_filter};
use crate::relationship::{Relationship, RelationshipFilter};

impl View<'_> {
    /// The relationships that a filter selects, or all of them, behind `after`, at most `count_max`. They come in an order
    /// that does not depend on the store: by resource type, relation, resource id, subject type, subject relation and
    /// subject id; only what a filter finds by its subject comes in the order of [`View::read`].
    pub fn export(
        &self,
        filter: Option<&RelationshipFilter>,
        after: Option<&Position>,
        count_max: usize,
    ) -> Result<Vec<(Relationship, Position)>, DatabaseError> {
        let everything = RelationshipFilter::default();
        if let Some(filter) = filter {
            require_filter(self.schema(), filter)?;
        }
        let filter = filter.unwrap_or(&everything);
        let rows = self.snapshot.export(filter, after.map(|position| &position.0), count_max)?;
        Ok(rows.into_iter().map(|(row, position)| (row, Position(position))).collect())
    }
}
