//! The read set of a check: what its result depends on, so that the writer can determine whether the result still holds.

use crate::relationship::{
    IdPage, Qualifiers, ReadError, RelationKey, Relationship, RelationshipReader, ResourceKey,
    SubjectForm, SubjectKey, Timestamp,
};
use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Maximum relations of single resources in a read set; with more, the result depends on everything.
const RELATIONS_MAX: usize = 100_000;

/// A reader that records what is read through it.
pub(super) struct ReadTracker<'r, R> {
    reader: &'r R,
    read_set: RefCell<ReadSet>,
}

/// The relations and expirations that a check read.
#[derive(Debug, Default)]
pub(in crate::database) struct ReadSet {
    /// Hashes of the relations of resources whose relationships were read. A collision only costs a needless check.
    relations: HashSet<u64>,
    /// Whether more was read than the hashes say.
    everything: bool,
    /// The first expiration among the relationships that were read.
    until: Option<Timestamp>,
}

impl ReadSet {
    /// Whether nothing that was read has expired by a time.
    pub(super) fn stands_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The first expiration among the relationships that were read.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether a change of this relationship may change the result.
    pub(super) fn contains(&self, relationship: &Relationship) -> bool {
        self.everything || self.relations.contains(&hash(relationship.resource_key()))
    }

    fn record(&mut self, relation: ResourceKey<'_>) {
        if self.relations.len() < RELATIONS_MAX {
            self.relations.insert(hash(relation));
        } else {
            self.everything = true;
        }
    }

    fn record_terms<'t>(&mut self, terms: impl IntoIterator<Item = &'t Qualifiers>) {
        let expirations = terms.into_iter().filter_map(|terms| terms.expires_at);
        self.until = self.until.into_iter().chain(expirations).min();
    }
}

fn hash(relation: ResourceKey<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    relation.hash(&mut hasher);
    hasher.finish()
}

impl<'r, R> ReadTracker<'r, R> {
    pub(super) fn new(reader: &'r R) -> Self {
        Self { reader, read_set: RefCell::default() }
    }

    pub(super) fn into_read_set(self) -> ReadSet {
        self.read_set.into_inner()
    }
}

impl<R: RelationshipReader> RelationshipReader for ReadTracker<'_, R> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        let found = self.reader.find(resource, subject)?;
        let mut read_set = self.read_set.borrow_mut();
        read_set.record(resource);
        read_set.record_terms(&found);
        Ok(found)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let found = self.reader.subjects(resource, form, page)?;
        let mut read_set = self.read_set.borrow_mut();
        read_set.record(resource);
        read_set.record_terms(found.iter().map(|(_, terms)| terms));
        Ok(found)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let found = self.reader.resources(relation, subject, page)?;
        let mut read_set = self.read_set.borrow_mut();
        // Resources that are added later cannot be named now.
        read_set.everything = true;
        read_set.record_terms(found.iter().map(|(_, terms)| terms));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relationship::RelationshipSet;

    #[test]
    fn an_answer_contains_what_was_read_and_until_its_first_expiration() {
        let text = "document:plan#viewer@user:ann[expiration:2030-01-01T00:00:00Z]";
        let stored: Relationship = text.parse().unwrap();
        let other: Relationship = "document:other#viewer@user:ann".parse().unwrap();
        let now = Timestamp::parse("2029-01-01T00:00:00Z").unwrap();
        let mut set = RelationshipSet::default();
        set.insert(stored.clone());
        let visible = set.visible_at(now);

        let reads = ReadTracker::new(&visible);
        assert!(reads.find(stored.resource_key(), stored.subject.key()).unwrap().is_some());
        let read_set = reads.into_read_set();
        assert!(read_set.contains(&stored) && !read_set.contains(&other));
        assert!(read_set.stands_at(now));
        assert!(!read_set.stands_at(Timestamp::parse("2030-01-01T00:00:00Z").unwrap()));

        let reads = ReadTracker::new(&visible);
        let relation = RelationKey { object_type: "document", relation: "viewer" };
        let page = IdPage { after: None, count_max: 10 };
        reads.resources(relation, stored.subject.key(), page).unwrap();
        assert!(reads.into_read_set().contains(&other));
    }
}
