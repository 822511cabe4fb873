//! A reader that notes what an answer rests on, so that it can be decided later whether the answer still stands.

use crate::relationship::{
    IdPage, Qualifiers, ReadError, RelationKey, Relationship, RelationshipReader, ResourceKey,
    SubjectForm, SubjectKey, Timestamp,
};
use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The most relations of single resources that are noted; with more, the answer rests on everything.
const RELATIONS_MAX: usize = 100_000;

/// Reads from another reader, and notes it.
pub(in crate::database) struct ReadTracker<'r, R> {
    reader: &'r R,
    noted: RefCell<ReadSet>,
}

/// What was read.
#[derive(Debug, Default)]
pub(in crate::database) struct ReadSet {
    /// Hashes of the relations of resources whose relationships were read. Two relations with the same hash only cost an
    /// evaluation that was not needed.
    relations: HashSet<u64>,
    /// Whether more was read than the hashes tell.
    everything: bool,
    /// The first expiration among the relationships that were read.
    until: Option<Timestamp>,
}

impl ReadSet {
    /// Whether nothing that was read has expired by a time.
    pub(in crate::database) fn stands_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The first expiration among what was read.
    pub(in crate::database) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether a change of a relationship may change the answer.
    pub(in crate::database) fn rests_on(&self, relationship: &Relationship) -> bool {
        self.everything || self.relations.contains(&hash(relationship.resource_key()))
    }

    fn note(&mut self, relation: ResourceKey<'_>) {
        if self.relations.len() < RELATIONS_MAX {
            self.relations.insert(hash(relation));
        } else {
            self.everything = true;
        }
    }

    fn note_terms<'t>(&mut self, terms: impl IntoIterator<Item = &'t Qualifiers>) {
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
    pub(in crate::database) fn new(reader: &'r R) -> Self {
        Self { reader, noted: RefCell::default() }
    }

    pub(in crate::database) fn into_noted(self) -> ReadSet {
        self.noted.into_inner()
    }
}

impl<R: RelationshipReader> RelationshipReader for ReadTracker<'_, R> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        let found = self.reader.find(resource, subject)?;
        let mut noted = self.noted.borrow_mut();
        noted.note(resource);
        noted.note_terms(&found);
        Ok(found)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let found = self.reader.subjects(resource, form, page)?;
        let mut noted = self.noted.borrow_mut();
        noted.note(resource);
        noted.note_terms(found.iter().map(|(_, terms)| terms));
        Ok(found)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let found = self.reader.resources(relation, subject, page)?;
        let mut noted = self.noted.borrow_mut();
        // Resources that join the list later cannot be named now.
        noted.everything = true;
        noted.note_terms(found.iter().map(|(_, terms)| terms));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relationship::RelationshipSet;

    #[test]
    fn an_answer_rests_on_what_was_read_and_until_its_first_expiration() {
        let text = "document:plan#viewer@user:ann[expiration:2030-01-01T00:00:00Z]";
        let stored: Relationship = text.parse().unwrap();
        let other: Relationship = "document:other#viewer@user:ann".parse().unwrap();
        let now = Timestamp::parse("2029-01-01T00:00:00Z").unwrap();
        let mut set = RelationshipSet::default();
        set.insert(stored.clone());
        let visible = set.visible_at(now);

        let reads = ReadTracker::new(&visible);
        assert!(reads.find(stored.resource_key(), stored.subject.key()).unwrap().is_some());
        let noted = reads.into_noted();
        assert!(noted.rests_on(&stored) && !noted.rests_on(&other));
        assert!(noted.stands_at(now));
        assert!(!noted.stands_at(Timestamp::parse("2030-01-01T00:00:00Z").unwrap()));

        let reads = ReadTracker::new(&visible);
        let relation = RelationKey { object_type: "document", relation: "viewer" };
        let page = IdPage { after: None, count_max: 10 };
        reads.resources(relation, stored.subject.key(), page).unwrap();
        assert!(reads.into_noted().rests_on(&other));
    }
}
