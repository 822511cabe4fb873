//! How a filter is read: which index, from where, and what to leap over.

use super::keys::{self, KeyBuf, NameId, RowKey};
use super::names::Names;
use super::rows::Index;
use crate::relationship::{
    ObjectIdFilter, RelationshipFilter, SubjectFilter, SubjectRelationFilter,
};
use std::cmp::Ordering;

/// A filter, its names replaced by their numbers, and the part of an index that holds what it selects.
#[derive(Debug)]
pub(super) struct Plan<'f> {
    pub(super) index: Index,
    /// How all keys start that can match.
    pub(super) prefix: Vec<u8>,
    resource_type: Option<NameId>,
    relation: Option<NameId>,
    resource_id: Option<&'f ObjectIdFilter>,
    subject: Option<WantedSubject<'f>>,
}

#[derive(Debug)]
struct WantedSubject<'f> {
    subject_type: NameId,
    subject_id: Option<&'f str>,
    relation: WantedRelation,
}

#[derive(Debug)]
enum WantedRelation {
    Any,
    Exactly(Option<NameId>),
}

/// What to do with a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It matches.
    Take,
    /// It does not match; the next one may.
    Pass,
    /// It does not match, nor does anything before this key.
    Leap(Vec<u8>),
}

impl<'f> Plan<'f> {
    /// How to read a filter. `None` when it names something that no relationship ever named, so that nothing matches.
    pub(super) fn new(filter: &'f RelationshipFilter, names: &Names) -> Option<Self> {
        let mut plan = Self {
            index: choose(filter),
            prefix: Vec::new(),
            resource_type: known(filter.resource_type.as_deref(), names)?,
            relation: known(filter.relation.as_deref(), names)?,
            resource_id: filter.resource_id.as_ref(),
            subject: match &filter.subject {
                Some(subject) => Some(WantedSubject::new(subject, names)?),
                None => None,
            },
        };
        plan.prefix = match plan.index {
            Index::ByResource => plan.prefix_by_resource(),
            Index::BySubject => plan.prefix_by_subject(),
        };
        Some(plan)
    }

    /// What to do with a key of the plan's index that starts with its prefix.
    pub(super) fn step(&self, row: &RowKey<'_>) -> Step {
        if self.matches(row) {
            return Step::Take;
        }
        match self.index {
            Index::ByResource => self.leap(row).map_or(Step::Pass, Step::Leap),
            Index::BySubject => Step::Pass,
        }
    }

    fn matches(&self, row: &RowKey<'_>) -> bool {
        self.resource_type.is_none_or(|wanted| wanted == row.resource_type)
            && self.relation.is_none_or(|wanted| wanted == row.relation)
            && self.resource_id.is_none_or(|wanted| wanted.matches(row.resource_id))
            && self.subject.as_ref().is_none_or(|wanted| wanted.matches(row))
    }

    /// Where the next match by type, relation and resource id can be, when the key is not one.
    fn leap(&self, row: &RowKey<'_>) -> Option<Vec<u8>> {
        let of_type = |resource_type| KeyBuf::default().name(resource_type);
        let of_relation = |relation| of_type(row.resource_type).name(relation);
        if let Some(wanted) = self.relation
            && wanted != row.relation
        {
            return Some(if row.relation < wanted {
                of_relation(wanted).bytes()
            } else {
                of_type(row.resource_type.next()).bytes()
            });
        }
        let wanted = self.resource_id?;
        let (wanted_id, target) = match wanted {
            ObjectIdFilter::Exact(id) => (id, of_relation(row.relation).object_id(id)),
            ObjectIdFilter::Prefix(start) => {
                (start, of_relation(row.relation).object_id_start(start))
            }
        };
        if wanted.matches(row.resource_id) {
            return None;
        }
        Some(match row.resource_id.cmp(wanted_id.as_str()) {
            Ordering::Less | Ordering::Equal => target.bytes(),
            Ordering::Greater => of_relation(row.relation.next()).bytes(),
        })
    }

    fn prefix_by_resource(&self) -> Vec<u8> {
        let key = KeyBuf::default();
        let Some(resource_type) = self.resource_type else { return key.bytes() };
        let key = key.name(resource_type);
        let Some(relation) = self.relation else { return key.bytes() };
        let key = key.name(relation);
        let key = match self.resource_id {
            None => return key.bytes(),
            Some(ObjectIdFilter::Prefix(start)) => return key.object_id_start(start).bytes(),
            Some(ObjectIdFilter::Exact(id)) => key.object_id(id),
        };
        let Some(subject) = &self.subject else { return key.bytes() };
        let key = key.name(subject.subject_type);
        let WantedRelation::Exactly(subject_relation) = subject.relation else {
            return key.bytes();
        };
        let key = key.subject_relation(subject_relation);
        let Some(subject_id) = subject.subject_id else { return key.bytes() };
        key.object_id(subject_id).bytes()
    }

    fn prefix_by_subject(&self) -> Vec<u8> {
        let key = KeyBuf::default();
        let Some(subject) = &self.subject else { return key.bytes() };
        let key = key.name(subject.subject_type);
        let Some(subject_id) = subject.subject_id else { return key.bytes() };
        let key = key.object_id(subject_id);
        let WantedRelation::Exactly(subject_relation) = subject.relation else {
            return key.bytes();
        };
        let key = key.subject_relation(subject_relation);
        let Some(resource_type) = self.resource_type else { return key.bytes() };
        let key = key.name(resource_type);
        let Some(relation) = self.relation else { return key.bytes() };
        let key = key.name(relation);
        match self.resource_id {
            None => key.bytes(),
            Some(ObjectIdFilter::Prefix(start)) => key.object_id_start(start).bytes(),
            Some(ObjectIdFilter::Exact(id)) => key.object_id(id).bytes(),
        }
    }
}

impl<'f> WantedSubject<'f> {
    fn new(filter: &'f SubjectFilter, names: &Names) -> Option<Self> {
        let relation = match &filter.relation {
            SubjectRelationFilter::Any => WantedRelation::Any,
            SubjectRelationFilter::Itself => WantedRelation::Exactly(None),
            SubjectRelationFilter::Named(name) => WantedRelation::Exactly(Some(names.find(name)?)),
        };
        let subject_type = names.find(&filter.subject_type)?;
        Some(Self { subject_type, subject_id: filter.subject_id.as_deref(), relation })
    }

    fn matches(&self, row: &RowKey<'_>) -> bool {
        let relation_matches = match self.relation {
            WantedRelation::Any => true,
            WantedRelation::Exactly(wanted) => wanted == row.subject_relation,
        };
        self.subject_type == row.subject_type
            && self.subject_id.is_none_or(|wanted| wanted == row.subject_id)
            && relation_matches
    }
}

/// The number of a name, if one is given; `None` when it has none.
#[expect(clippy::option_option, reason = "nothing asked and nothing known are different")]
fn known(name: Option<&str>, names: &Names) -> Option<Option<NameId>> {
    match name {
        None => Some(None),
        Some(name) => names.find(name).map(Some),
    }
}

/// The index whose keys start with more of what the filter fixes. Depends on the filter alone, so that a position
/// fits every later page.
fn choose(filter: &RelationshipFilter) -> Index {
    let Some(subject) = &filter.subject else { return Index::ByResource };
    let one_resource = matches!(filter.resource_id, Some(ObjectIdFilter::Exact(_)));
    match (filter.resource_type.is_some(), one_resource, subject.subject_id.is_some()) {
        (true, true, _) | (true, false, false) => Index::ByResource,
        (false, _, _) | (true, false, true) => Index::BySubject,
    }
}

/// How far a read by filter has come: behind one row. Survives restarts, and fits the same filter on every revision of
/// the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPosition {
    index: Index,
    key: Vec<u8>,
}

/// Bytes that are no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the position is not one that a read gave")]
pub struct InvalidPosition;

const BY_RESOURCE: u8 = 1;
const BY_SUBJECT: u8 = 2;

impl ScanPosition {
    pub(super) fn new(index: Index, key: &[u8]) -> Self {
        Self { index, key: key.to_vec() }
    }

    /// The position in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let index = match self.index {
            Index::ByResource => BY_RESOURCE,
            Index::BySubject => BY_SUBJECT,
        };
        [&[index], self.key.as_slice()].concat()
    }

    /// Reads a position.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPosition> {
        let (index, key) = match bytes.split_first() {
            Some((&BY_RESOURCE, key)) if RowKey::from_by_resource(key).is_ok() => {
                (Index::ByResource, key)
            }
            Some((&BY_SUBJECT, key)) if RowKey::from_by_subject(key).is_ok() => {
                (Index::BySubject, key)
            }
            Some(_) | None => return Err(InvalidPosition),
        };
        Ok(Self::new(index, key))
    }

    /// Where to go on in the order of a plan; `None` when the position is of the other order.
    pub(super) fn start(&self, plan: &Plan<'_>) -> Option<Vec<u8>> {
        let start = keys::past(self.key.clone());
        (self.index == plan.index).then(|| start.max(plan.prefix.clone()))
    }
}
