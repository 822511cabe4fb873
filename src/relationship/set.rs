//! Relationships in memory, in two ordered maps: the reader that needs no store.

use super::keys::{RelationKey, ResourceKey, SubjectForm, SubjectKey};
use super::read_error::ReadError;
use super::reader::{IdPage, RelationshipReader};
use super::timestamp::Timestamp;
use super::tuple::{Qualifiers, Relationship};
use std::collections::BTreeMap;

/// Ends every part of a key. No name or id contains it, and it sorts before every character that they contain.
const END: char = '\0';

/// Relationships in memory, for validation files, property tests and fuzzing.
#[derive(Clone, Debug, Default)]
pub struct RelationshipSet {
    /// Resource type, relation, resource id, subject type, subject relation, subject id.
    by_resource: BTreeMap<String, Relationship>,
    /// Subject type, subject id, subject relation, resource type, relation, resource id.
    by_subject: BTreeMap<String, Qualifiers>,
}

/// A [`RelationshipSet`] at one point in time, without the relationships that had expired by then.
#[derive(Clone, Copy, Debug)]
pub struct VisibleSet<'a> {
    set: &'a RelationshipSet,
    now: Timestamp,
}

impl RelationshipSet {
    /// Adds a relationship, and returns the one with the same key that it replaces.
    pub fn insert(&mut self, relationship: Relationship) -> Option<Relationship> {
        self.by_subject.insert(subject_first(&relationship), relationship.qualifiers());
        self.by_resource.insert(resource_first(&relationship), relationship)
    }

    /// Removes the relationship with the key of this one, and returns it.
    pub fn remove(&mut self, relationship: &Relationship) -> Option<Relationship> {
        self.by_subject.remove(&subject_first(relationship));
        self.by_resource.remove(&resource_first(relationship))
    }

    /// Every relationship, expired ones included, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Relationship> {
        self.by_resource.values()
    }

    /// How many relationships there are, expired ones included.
    pub fn len(&self) -> usize {
        self.by_resource.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.by_resource.is_empty()
    }

    /// The set at `now`.
    pub fn visible_at(&self, now: Timestamp) -> VisibleSet<'_> {
        VisibleSet { set: self, now }
    }
}

impl FromIterator<Relationship> for RelationshipSet {
    fn from_iter<I: IntoIterator<Item = Relationship>>(relationships: I) -> Self {
        let mut set = Self::default();
        for relationship in relationships {
            set.insert(relationship);
        }
        set
    }
}

impl VisibleSet<'_> {
    fn is_visible(&self, qualifiers: &Qualifiers) -> bool {
        qualifiers.expires_at.is_none_or(|at| self.now < at)
    }

    /// The visible entries whose key is `prefix` followed by an id, in the order of ids.
    fn page<'m, V>(
        &self,
        map: &'m BTreeMap<String, V>,
        prefix: &str,
        page: IdPage<'_>,
        qualifiers: impl Fn(&'m V) -> Qualifiers,
    ) -> Vec<(String, Qualifiers)> {
        let start = page.after.map_or_else(|| prefix.to_owned(), |id| format!("{prefix}{id}{END}"));
        map.range(start.clone()..)
            .skip_while(|(key, _)| page.after.is_some() && **key == start)
            .map_while(|(key, value)| Some((key.strip_prefix(prefix)?, value)))
            .map(|(id, value)| (id.trim_end_matches(END).to_owned(), qualifiers(value)))
            .filter(|(_, qualifiers)| self.is_visible(qualifiers))
            .take(page.count_max)
            .collect()
    }
}

impl RelationshipReader for VisibleSet<'_> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        let key = by_resource_key(resource, subject);
        let found = self.set.by_resource.get(&key).map(Relationship::qualifiers);
        Ok(found.filter(|qualifiers| self.is_visible(qualifiers)))
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let prefix = by_resource_prefix(resource, form);
        Ok(self.page(&self.set.by_resource, &prefix, page, Relationship::qualifiers))
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let prefix = by_subject_prefix(relation, subject);
        Ok(self.page(&self.set.by_subject, &prefix, page, Qualifiers::clone))
    }
}

fn resource_first(relationship: &Relationship) -> String {
    by_resource_key(relationship.resource_key(), relationship.subject.key())
}

fn subject_first(relationship: &Relationship) -> String {
    let resource = relationship.resource_key();
    let relation = RelationKey { object_type: resource.object_type, relation: resource.relation };
    let prefix = by_subject_prefix(relation, relationship.subject.key());
    format!("{prefix}{}{END}", resource.object_id)
}

fn by_resource_key(resource: ResourceKey<'_>, subject: SubjectKey<'_>) -> String {
    let form = SubjectForm { object_type: subject.object_type, relation: subject.relation };
    format!("{}{}{END}", by_resource_prefix(resource, form), subject.object_id)
}

fn by_resource_prefix(resource: ResourceKey<'_>, form: SubjectForm<'_>) -> String {
    let subject_relation = form.relation.unwrap_or_default();
    let ResourceKey { object_type, object_id, relation } = resource;
    let subject_type = form.object_type;
    format!(
        "{object_type}{END}{relation}{END}{object_id}{END}{subject_type}{END}{subject_relation}{END}"
    )
}

fn by_subject_prefix(relation: RelationKey<'_>, subject: SubjectKey<'_>) -> String {
    let SubjectKey { object_type, object_id, relation: subject_relation } = subject;
    let subject_relation = subject_relation.unwrap_or_default();
    let RelationKey { object_type: resource_type, relation } = relation;
    format!(
        "{object_type}{END}{object_id}{END}{subject_relation}{END}{resource_type}{END}{relation}{END}"
    )
}
