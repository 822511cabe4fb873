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

    /// [`Self::find`] for one relation of several resources and one subject, in the order of the ids. Readers that keep
    /// relationships in order answer it in one pass when the ids are in byte order.
    fn find_each(
        &self,
        relation: RelationKey<'_>,
        resource_ids: &[&str],
        subject: SubjectKey<'_>,
    ) -> Result<Vec<Option<Qualifiers>>, ReadError> {
        let find = |object_id: &&str| self.find(resource_key(relation, object_id), subject);
        resource_ids.iter().map(find).collect()
    }

    /// The first page of [`Self::subjects`] for one relation of several resources, in the order of the ids.
    fn subjects_of_each(
        &self,
        relation: RelationKey<'_>,
        resource_ids: &[&str],
        form: SubjectForm<'_>,
        count_max: usize,
    ) -> Result<Vec<Vec<(String, Qualifiers)>>, ReadError> {
        let page = IdPage { after: None, count_max };
        let subjects = |id: &&str| self.subjects(resource_key(relation, id), form, page);
        resource_ids.iter().map(subjects).collect()
    }

    /// A page of [`Self::resources`] for several subjects of one form, in the order of their ids. All pages begin after the
    /// same id.
    fn resources_of_each(
        &self,
        relation: RelationKey<'_>,
        form: SubjectForm<'_>,
        subject_ids: &[&str],
        page: IdPage<'_>,
    ) -> Result<Vec<Vec<(String, Qualifiers)>>, ReadError> {
        let SubjectForm { object_type, relation: userset } = form;
        let resources = |object_id: &&str| {
            let subject = SubjectKey { object_type, object_id, relation: userset };
            self.resources(relation, subject, page)
        };
        subject_ids.iter().map(resources).collect()
    }
}

fn resource_key<'k>(relation: RelationKey<'k>, object_id: &'k str) -> ResourceKey<'k> {
    let RelationKey { object_type, relation } = relation;
    ResourceKey { object_type, object_id, relation }
}
