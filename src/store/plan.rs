//! How a filter is read: which index, from where, and what to leap over.

use super::keys::{self, Corrupt, KeyBuf, NameId, PARTS, RowKey};
use super::names::Names;
use super::rows::Index;
use crate::relationship::{
    ObjectIdFilter, RelationshipFilter, SubjectFilter, SubjectRelationFilter,
};

/// A filter as conditions on the parts of an index's keys.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) index: Index,
    /// How all keys start that can match.
    pub(super) prefix: Vec<u8>,
    /// In the order of the index.
    wanted: [Wanted; PARTS],
}

/// A condition on one part of a key. Parts in bytes sort as keys do, so that what fits lies side by side.
#[derive(Debug)]
enum Wanted {
    Anything,
    Exactly(Vec<u8>),
    /// An object id with this beginning.
    Starting(Vec<u8>),
}

/// What to do with a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It matches.
    Take,
    /// It does not match, nor does anything before this key.
    Leap(Vec<u8>),
    /// It does not match, nor does anything behind it.
    End,
}

impl Plan {
    /// How to read a filter. `None` when it names something that no relationship ever named, so that nothing matches.
    pub(super) fn new(filter: &RelationshipFilter, names: &Names) -> Option<Self> {
        Self::of_index(choose(filter), filter, names)
    }

    /// The same for one of the indexes, whether or not it serves the filter best.
    pub(super) fn of_index(
        index: Index,
        filter: &RelationshipFilter,
        names: &Names,
    ) -> Option<Self> {
        let resource_type = Wanted::name(filter.resource_type.as_deref(), names)?;
        let relation = Wanted::name(filter.relation.as_deref(), names)?;
        let resource_id = Wanted::resource_id(filter.resource_id.as_ref());
        let subject = filter.subject.as_ref();
        let subject_type = Wanted::name(subject.map(|it| it.subject_type.as_str()), names)?;
        let subject_relation = Wanted::subject_relation(subject, names)?;
        let subject_id = Wanted::id(subject.and_then(|it| it.subject_id.as_deref()));
        let wanted = match index {
            Index::ByResource => {
                [resource_type, relation, resource_id, subject_type, subject_relation, subject_id]
            }
            Index::BySubject => {
                [subject_type, subject_id, subject_relation, resource_type, relation, resource_id]
            }
        };
        let mut prefix = Vec::new();
        for part in &wanted {
            match part {
                Wanted::Exactly(bytes) | Wanted::Starting(bytes) => prefix.extend(bytes),
                Wanted::Anything => {}
            }
            if !matches!(part, Wanted::Exactly(_)) {
                break;
            }
        }
        Some(Self { index, prefix, wanted })
    }

    /// Whether the filter names one subject, whatever its relation.
    pub(super) fn fixes_subject(&self) -> bool {
        let id = match self.index {
            Index::ByResource => self.wanted.last(),
            Index::BySubject => self.wanted.get(1),
        };
        matches!(id, Some(Wanted::Exactly(_)))
    }

    /// The start of all keys up to the resource id, when that is the same for all.
    pub(super) fn only_lane(&self) -> Option<&[u8]> {
        match (self.index, &self.wanted) {
            (Index::ByResource, [Wanted::Exactly(_), Wanted::Exactly(_), ..]) => {
                self.prefix.get(..NAMES_BYTES)
            }
            (Index::ByResource | Index::BySubject, _) => None,
        }
    }

    /// Whether the names before the resource id are ones that the filter selects.
    pub(super) fn may_match_in_lane(&self, key: &[u8]) -> Result<bool, Corrupt> {
        let names = match self.index {
            Index::ByResource => 2,
            Index::BySubject => 5,
        };
        let parts = self.index.cut(key)?;
        Ok(parts.iter().zip(&self.wanted).take(names).all(|(part, wanted)| match wanted {
            Wanted::Anything => true,
            Wanted::Exactly(bytes) => part == bytes,
            Wanted::Starting(bytes) => part.starts_with(bytes),
        }))
    }

    /// What to do with a key of the plan's index.
    pub(super) fn step(&self, key: &[u8]) -> Result<Step, Corrupt> {
        let mut before = 0;
        for (part, wanted) in self.index.cut(key)?.into_iter().zip(&self.wanted) {
            let (fits, sought) = match wanted {
                Wanted::Anything => (true, [].as_slice()),
                Wanted::Exactly(bytes) => (part == bytes, bytes.as_slice()),
                Wanted::Starting(bytes) => (part.starts_with(bytes), bytes.as_slice()),
            };
            if !fits {
                let kept = key.get(..before).unwrap_or_default();
                return Ok(if part < sought {
                    Step::Leap([kept, sought].concat())
                } else {
                    keys::end_of(kept).map_or(Step::End, Step::Leap)
                });
            }
            before += part.len();
        }
        Ok(Step::Take)
    }
}

impl Wanted {
    /// `None` when nothing ever had this name.
    fn name(name: Option<&str>, names: &Names) -> Option<Self> {
        let Some(name) = name else { return Some(Self::Anything) };
        Some(Self::Exactly(KeyBuf::default().name(names.find(name)?).bytes()))
    }

    fn subject_relation(subject: Option<&SubjectFilter>, names: &Names) -> Option<Self> {
        let exactly = |relation: Option<NameId>| {
            Self::Exactly(KeyBuf::default().subject_relation(relation).bytes())
        };
        Some(match subject.map(|subject| &subject.relation) {
            None | Some(SubjectRelationFilter::Any) => Self::Anything,
            Some(SubjectRelationFilter::Itself) => exactly(None),
            Some(SubjectRelationFilter::Named(name)) => exactly(Some(names.find(name)?)),
        })
    }

    fn resource_id(id: Option<&ObjectIdFilter>) -> Self {
        match id {
            None => Self::Anything,
            Some(ObjectIdFilter::Exact(id)) => Self::id(Some(id)),
            Some(ObjectIdFilter::Prefix(start)) => Self::Starting(start.clone().into_bytes()),
        }
    }

    fn id(id: Option<&str>) -> Self {
        id.map_or(Self::Anything, |id| Self::Exactly(KeyBuf::default().object_id(id).bytes()))
    }
}

/// The index in which what the filter fixes stands further in front. Depends on the filter alone, so that a position
/// fits every later page.
///
/// Types and relations are few, so that what stands behind one that is not fixed costs no more than a leap for each; ids
/// are many.
fn choose(filter: &RelationshipFilter) -> Index {
    let Some(subject) = &filter.subject else { return Index::ByResource };
    let RelationshipFilter { resource_type, resource_id, relation, .. } = filter;
    let one_resource =
        resource_type.is_some() && matches!(resource_id, Some(ObjectIdFilter::Exact(_)));
    let one_subject = subject.subject_id.is_some();
    let about_resources = resource_type.is_some() || resource_id.is_some() || relation.is_some();
    if one_resource || (about_resources && !one_subject) {
        Index::ByResource
    } else {
        Index::BySubject
    }
}

/// The bytes of two names in a key.
const NAMES_BYTES: usize = 8;

/// How far a read by filter has come. Survives restarts, and fits reads in the same order by the same filter, on every
/// revision of the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPosition {
    order: Order,
    key: Vec<u8>,
}

/// The order that a position belongs to, and what its key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Behind a row, in the order of an index.
    Index(Index),
    /// Behind the row with a key of `live`, in the order of [`super::Snapshot::scan_ordered`].
    Behind,
    /// In the same order before all rows of one relation of one resource, with which keys of `live` start.
    Before,
}

/// A position in the order of [`super::Snapshot::scan_ordered`], as a key of `live` or the start of one.
#[derive(Clone, Copy, Debug)]
pub(super) enum OrderedKey<'k> {
    /// Behind this row.
    Behind(&'k [u8]),
    /// Before all rows of this relation of this resource.
    Before(&'k [u8]),
}

impl<'k> OrderedKey<'k> {
    pub(super) fn bytes(self) -> &'k [u8] {
        let (Self::Behind(bytes) | Self::Before(bytes)) = self;
        bytes
    }
}

/// Bytes that are no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the position is not one that a read gave")]
pub struct InvalidPosition;

const BY_RESOURCE: u8 = 1;
const BY_SUBJECT: u8 = 2;
const BEHIND: u8 = 3;
const BEFORE: u8 = 4;

impl ScanPosition {
    pub(super) fn new(index: Index, key: &[u8]) -> Self {
        Self { order: Order::Index(index), key: key.to_vec() }
    }

    /// Behind the row with this key of `live`, in the order of resources.
    pub(super) fn behind(key: &[u8]) -> Self {
        Self { order: Order::Behind, key: key.to_vec() }
    }

    /// Before all rows of a row's resource and relation, in the order of resources.
    pub(super) fn before(row: &RowKey<'_>) -> Self {
        let key = KeyBuf::default().name(row.resource_type).name(row.relation);
        Self { order: Order::Before, key: key.object_id(row.resource_id).bytes() }
    }

    /// The position of the same row in the order of resources.
    pub(super) fn into_ordered(self) -> Result<Self, Corrupt> {
        let key = match self.order {
            Order::Index(Index::BySubject) => RowKey::from_by_subject(&self.key)?.by_resource(),
            Order::Index(Index::ByResource) => self.key,
            Order::Behind | Order::Before => return Ok(self),
        };
        Ok(Self { order: Order::Behind, key })
    }

    /// The position as one in the order of resources; `None` when it is of another order.
    pub(super) fn ordered(&self) -> Option<OrderedKey<'_>> {
        match self.order {
            Order::Behind => Some(OrderedKey::Behind(&self.key)),
            Order::Before => Some(OrderedKey::Before(&self.key)),
            Order::Index(_) => None,
        }
    }

    /// Whether it is a position of an ordered read, [`super::Snapshot::scan_ordered`].
    pub fn is_ordered(&self) -> bool {
        self.ordered().is_some()
    }

    /// The position in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let order = match self.order {
            Order::Index(Index::ByResource) => BY_RESOURCE,
            Order::Index(Index::BySubject) => BY_SUBJECT,
            Order::Behind => BEHIND,
            Order::Before => BEFORE,
        };
        [&[order], self.key.as_slice()].concat()
    }

    /// Reads a position.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPosition> {
        let (order, key) = match bytes.split_first() {
            Some((&BY_RESOURCE, key)) if RowKey::from_by_resource(key).is_ok() => {
                (Order::Index(Index::ByResource), key)
            }
            Some((&BY_SUBJECT, key)) if RowKey::from_by_subject(key).is_ok() => {
                (Order::Index(Index::BySubject), key)
            }
            Some((&BEHIND, key)) if RowKey::from_by_resource(key).is_ok() => (Order::Behind, key),
            Some((&BEFORE, key)) if keys::resource_of(key).is_ok() => (Order::Before, key),
            Some(_) | None => return Err(InvalidPosition),
        };
        Ok(Self { order, key: key.to_vec() })
    }

    /// Where to go on in the order of a plan; `None` when the position is of the other order.
    pub(super) fn start(&self, plan: &Plan) -> Option<Vec<u8>> {
        let start = keys::past(self.key.clone());
        (self.order == Order::Index(plan.index)).then(|| start.max(plan.prefix.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TYPES: [&str; 3] = ["document", "folder", "group"];
    const RELATIONS: [&str; 4] = ["owner", "parent", "viewer", "writer"];
    const IDS: usize = 60;

    /// Rows of every type and relation, each with direct subjects and usersets, in the order of an index.
    fn keys(index: Index, names: &Names) -> BTreeSet<Vec<u8>> {
        let id = |name: &str| names.find(name).unwrap();
        let mut keys = BTreeSet::new();
        for (object_type, relation) in
            TYPES.iter().flat_map(|of| RELATIONS.iter().map(move |relation| (of, relation)))
        {
            for n in 0..IDS {
                for (subject_type, subject_relation) in [("user", None), ("group", Some("viewer"))]
                {
                    let row = RowKey {
                        resource_type: id(object_type),
                        relation: id(relation),
                        resource_id: &format!("r{n:02}"),
                        subject_type: id(subject_type),
                        subject_relation: subject_relation.map(id),
                        subject_id: &format!("s{:02}", n * 7 % IDS),
                    };
                    keys.insert(match index {
                        Index::ByResource => row.by_resource(),
                        Index::BySubject => row.by_subject(),
                    });
                }
            }
        }
        keys
    }

    /// How many keys match, and how many are looked at on the way.
    fn walk(filter: &RelationshipFilter, names: &Names) -> (usize, usize) {
        let plan = Plan::new(filter, names).unwrap();
        let keys = keys(plan.index, names);
        let (mut matches, mut looks, mut at) = (0, 0, plan.prefix.clone());
        while let Some(key) = keys.range(at..).next().filter(|key| key.starts_with(&plan.prefix)) {
            looks += 1;
            at = match plan.step(key).unwrap() {
                Step::Take => {
                    matches += 1;
                    keys::past(key.clone())
                }
                Step::Leap(target) => {
                    assert!(target > *key, "a leap goes on");
                    target
                }
                Step::End => break,
            };
        }
        (matches, looks)
    }

    /// Every filter that names a resource, a subject, a type, a relation or the beginning of an id.
    fn filters() -> Vec<RelationshipFilter> {
        let some = |text: &str| Some(text.to_owned());
        let ids = [
            None,
            Some(ObjectIdFilter::Exact("r07".to_owned())),
            Some(ObjectIdFilter::Prefix("r1".to_owned())),
        ];
        let relation = SubjectRelationFilter::Named("viewer".to_owned());
        let relations = [SubjectRelationFilter::Any, SubjectRelationFilter::Itself, relation];
        let mut subjects = vec![None];
        for subject_id in [None, some("s14")] {
            for (subject_type, relation) in
                ["user", "group"].iter().flat_map(|of| relations.iter().map(move |it| (of, it)))
            {
                let (subject_type, relation) = ((*subject_type).to_owned(), relation.clone());
                let subject_id = subject_id.clone();
                subjects.push(Some(SubjectFilter { subject_type, subject_id, relation }));
            }
        }
        let mut filters = Vec::new();
        for resource_type in [None, some("folder")] {
            for relation in [None, some("writer")] {
                for (resource_id, subject) in
                    ids.iter().flat_map(|id| subjects.iter().map(move |subject| (id, subject)))
                {
                    filters.push(RelationshipFilter {
                        resource_type: resource_type.clone(),
                        resource_id: resource_id.clone(),
                        relation: relation.clone(),
                        subject: subject.clone(),
                    });
                }
            }
        }
        filters
    }

    #[test]
    fn a_filter_looks_at_little_else_than_what_it_selects() {
        let mut names = Names::default();
        for name in TYPES.iter().chain(&RELATIONS).chain(&["user"]) {
            names.add(name).unwrap();
        }
        for filter in filters() {
            let (matches, looks) = walk(&filter, &names);
            // What no index can tell apart: the rows that fit but for the form of their subject.
            let form = |subject: &SubjectFilter| subject.subject_id.is_none();
            let wider = match &filter.subject {
                Some(subject) if form(subject) => {
                    let without = RelationshipFilter { subject: None, ..filter.clone() };
                    if without.is_empty() {
                        let any = SubjectRelationFilter::Any;
                        let subject = SubjectFilter { relation: any, ..subject.clone() };
                        walk(&RelationshipFilter { subject: Some(subject), ..without }, &names).0
                    } else {
                        walk(&without, &names).0
                    }
                }
                Some(_) | None => matches,
            };
            // One leap, or two, for each relation of each type.
            let relations = TYPES.len() * RELATIONS.len();
            assert!(looks <= wider + 2 * relations + 2, "{looks} for {matches}: {filter:?}");
        }
    }
}
