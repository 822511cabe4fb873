//! Scan plan: index choice, seek key and skip rules of a filter.

use super::row_index::RowIndex;
use crate::relationship::{
    ObjectIdFilter, RelationshipFilter, SubjectFilter, SubjectRelationFilter,
};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{self, KEY_PARTS, KeyBuf, NameId};
use crate::store::layout::names::NameCatalog;

/// A filter as conditions on the parts of an index's keys.
#[derive(Debug)]
pub(in crate::store) struct ScanPlan {
    pub(in crate::store) index: RowIndex,
    /// How all keys start that can match.
    pub(in crate::store) prefix: Vec<u8>,
    /// In the order of the index.
    conditions: [PartCondition; KEY_PARTS],
}

/// A condition on one part of a key. Parts in bytes sort as keys do, so that what fits lies side by side.
#[derive(Debug)]
enum PartCondition {
    Anything,
    Exactly(Vec<u8>),
    /// An object id with this beginning.
    Starting(Vec<u8>),
}

/// What to do with a key.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum ScanStep {
    /// It matches.
    Match,
    /// It does not match, nor does anything before this key.
    SkipTo(Vec<u8>),
    /// It does not match, nor does any key after it.
    End,
}

impl ScanPlan {
    /// How to read a filter. `None` when it names something that no relationship ever named, so that nothing matches.
    pub(in crate::store) fn new(filter: &RelationshipFilter, names: &NameCatalog) -> Option<Self> {
        Self::for_index(choose(filter), filter, names)
    }

    /// The same for one of the indexes, whether or not it serves the filter best.
    pub(in crate::store) fn for_index(
        index: RowIndex,
        filter: &RelationshipFilter,
        names: &NameCatalog,
    ) -> Option<Self> {
        let resource_type = PartCondition::name(filter.resource_type.as_deref(), names)?;
        let relation = PartCondition::name(filter.relation.as_deref(), names)?;
        let resource_id = PartCondition::resource_id(filter.resource_id.as_ref());
        let subject = filter.subject.as_ref();
        let subject_type = PartCondition::name(subject.map(|it| it.subject_type.as_str()), names)?;
        let subject_relation = PartCondition::subject_relation(subject, names)?;
        let subject_id = PartCondition::id(subject.and_then(|it| it.subject_id.as_deref()));

        let conditions = match index {
            RowIndex::ByResource => {
                [resource_type, relation, resource_id, subject_type, subject_relation, subject_id]
            }
            RowIndex::BySubject => {
                [subject_type, subject_id, subject_relation, resource_type, relation, resource_id]
            }
        };

        let mut prefix = Vec::new();
        for part in &conditions {
            match part {
                PartCondition::Exactly(bytes) | PartCondition::Starting(bytes) => {
                    prefix.extend(bytes);
                }
                PartCondition::Anything => {}
            }
            if !matches!(part, PartCondition::Exactly(_)) {
                break;
            }
        }
        Some(Self { index, prefix, conditions })
    }

    /// Whether the filter names one subject, whatever its relation.
    pub(in crate::store) fn fixes_subject(&self) -> bool {
        let id = match self.index {
            RowIndex::ByResource => self.conditions.last(),
            RowIndex::BySubject => self.conditions.get(1),
        };
        matches!(id, Some(PartCondition::Exactly(_)))
    }

    /// The start of all keys up to the resource id, when that is the same for all.
    pub(in crate::store) fn only_lane(&self) -> Option<&[u8]> {
        match (self.index, &self.conditions) {
            (RowIndex::ByResource, [PartCondition::Exactly(_), PartCondition::Exactly(_), ..]) => {
                self.prefix.get(..NAMES_BYTES)
            }
            (RowIndex::ByResource | RowIndex::BySubject, _) => None,
        }
    }

    /// Whether the names before the resource id are ones that the filter selects.
    pub(in crate::store) fn may_match_in_lane(&self, key: &[u8]) -> Result<bool, CorruptBytes> {
        let names = match self.index {
            RowIndex::ByResource => 2,
            RowIndex::BySubject => 5,
        };
        let parts = self.index.cut(key)?;
        Ok(parts.iter().zip(&self.conditions).take(names).all(
            |(part, conditions)| match conditions {
                PartCondition::Anything => true,
                PartCondition::Exactly(bytes) => part == bytes,
                PartCondition::Starting(bytes) => part.starts_with(bytes),
            },
        ))
    }

    /// What to do with a key of the plan's index.
    pub(in crate::store) fn step(&self, key: &[u8]) -> Result<ScanStep, CorruptBytes> {
        let mut before = 0;
        for (part, conditions) in self.index.cut(key)?.into_iter().zip(&self.conditions) {
            let (fits, sought) = match conditions {
                PartCondition::Anything => (true, [].as_slice()),
                PartCondition::Exactly(bytes) => (part == bytes, bytes.as_slice()),
                PartCondition::Starting(bytes) => (part.starts_with(bytes), bytes.as_slice()),
            };

            if !fits {
                let kept = key.get(..before).unwrap_or_default();
                return Ok(if part < sought {
                    ScanStep::SkipTo([kept, sought].concat())
                } else {
                    keys::end_of(kept).map_or(ScanStep::End, ScanStep::SkipTo)
                });
            }
            before += part.len();
        }
        Ok(ScanStep::Match)
    }
}

impl PartCondition {
    /// `None` when nothing ever had this name.
    fn name(name: Option<&str>, names: &NameCatalog) -> Option<Self> {
        let Some(name) = name else { return Some(Self::Anything) };
        Some(Self::Exactly(KeyBuf::default().name(names.find(name)?).bytes()))
    }

    fn subject_relation(subject: Option<&SubjectFilter>, names: &NameCatalog) -> Option<Self> {
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

/// The index whose keys begin with more of the parts that the filter fixes. Depends on the filter alone, so that a position
/// fits every later page.
///
/// Types and relations are few, so that conditions after one that is not fixed cost no more than a seek for each; ids
/// are many.
fn choose(filter: &RelationshipFilter) -> RowIndex {
    let Some(subject) = &filter.subject else { return RowIndex::ByResource };
    let RelationshipFilter { resource_type, resource_id, relation, .. } = filter;
    let one_resource =
        resource_type.is_some() && matches!(resource_id, Some(ObjectIdFilter::Exact(_)));
    let one_subject = subject.subject_id.is_some();
    let about_resources = resource_type.is_some() || resource_id.is_some() || relation.is_some();
    if one_resource || (about_resources && !one_subject) {
        RowIndex::ByResource
    } else {
        RowIndex::BySubject
    }
}

/// The bytes of two names in a key.
const NAMES_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::keys::RowKey;
    use std::collections::BTreeSet;

    const TYPES: [&str; 3] = ["document", "folder", "group"];
    const RELATIONS: [&str; 4] = ["owner", "parent", "viewer", "writer"];
    const IDS: usize = 60;

    /// Rows of every type and relation, each with direct subjects and usersets, in the order of an index.
    fn keys(index: RowIndex, names: &NameCatalog) -> BTreeSet<Vec<u8>> {
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
                        RowIndex::ByResource => row.by_resource(),
                        RowIndex::BySubject => row.by_subject(),
                    });
                }
            }
        }
        keys
    }

    /// How many keys match, and how many are looked at on the way.
    fn walk(filter: &RelationshipFilter, names: &NameCatalog) -> (usize, usize) {
        let plan = ScanPlan::new(filter, names).unwrap();
        let keys = keys(plan.index, names);

        let (mut matches, mut looks, mut at) = (0, 0, plan.prefix.clone());
        while let Some(key) = keys.range(at..).next().filter(|key| key.starts_with(&plan.prefix)) {
            looks += 1;
            at = match plan.step(key).unwrap() {
                ScanStep::Match => {
                    matches += 1;
                    keys::past(key.clone())
                }
                ScanStep::SkipTo(target) => {
                    assert!(target > *key, "a skip moves forward");
                    target
                }
                ScanStep::End => break,
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
        let mut names = NameCatalog::default();
        for name in TYPES.iter().chain(&RELATIONS).chain(&["user"]) {
            names.add(name).unwrap();
        }
        for filter in filters() {
            let (matches, looks) = walk(&filter, &names);

            // No index separates rows that match but for the form of their subject.
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
