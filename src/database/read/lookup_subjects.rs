//! Who has a permission on a resource.

use crate::database::error::DatabaseError;
use crate::database::read::view::View;
use crate::engine::{FoundSubject, LookupSubjectsQuery, SubjectLookup};

impl View<'_> {
    /// Starts a list of subjects, after the result with the id `after` or at the beginning. It goes on with
    /// [`Self::next_subjects`], at the same revision. `interrupted` is asked now and then whether to give up.
    pub fn look_up_subjects(
        &self,
        question: &LookupSubjectsQuery<'_>,
        after: Option<&str>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<SubjectLookup, DatabaseError> {
        Ok(SubjectLookup::new(&self.scope(false, interrupted), question, after)?)
    }

    /// The next subjects of a list, at most so many; fewer only at its end.
    pub fn next_subjects(
        &self,
        lookup: &mut SubjectLookup,
        count_max: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<FoundSubject>, DatabaseError> {
        Ok(lookup.next(&self.scope(false, interrupted), count_max)?)
    }
}
