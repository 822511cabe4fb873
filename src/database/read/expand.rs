//! Relations and permissions as trees.

use crate::database::error::DatabaseError;
use crate::database::read::view::View;
use crate::engine::{self, ExpandResult};
use crate::relationship::ObjectRef;

impl View<'_> {
    /// Who relationships put into a relation or permission of an object, as the tree of its expression.
    /// `interrupted` is asked now and then whether to give up.
    pub fn expand(
        &self,
        resource: &ObjectRef,
        permission: &str,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<ExpandResult, DatabaseError> {
        Ok(engine::expand(&self.scope(false, interrupted), resource, permission)?)
    }
}
