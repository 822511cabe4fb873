//! The interface between evaluation and storage.

use super::keys::{RelationKey, ResourceKey, SubjectForm, SubjectKey};
use super::read_error::ReadError;
use super::tuple::Qualifiers;

/// The part of a list of ids that a read returns.
#[derive(Clone, Copy, Debug)]
pub struct IdPage<'a> {
    /// Only ids after this one, in byte order.
    pub after: Option<&'a str>,
    /// At most so many.
    pub count_max: usize,
}

/// Relationships at one point in time, without those that had expired by then.
///
/// The cost of a call depends on what it returns, not on what is stored.
pub trait RelationshipReader {
    /// The caveat and expiration of the relationship with exactly this key, if there is one.
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError>;

    /// The ids of the subjects of one form in the relation, in byte order, each with its caveat and expiration.
    /// A wildcard is the id `*` of the form without a relation.
    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError>;

    /// The ids of the resources on which exactly this subject has the relation, in byte order, each with its caveat and
    /// expiration.
    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError>;
}
