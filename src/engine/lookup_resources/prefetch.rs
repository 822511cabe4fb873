//! Reads for the checks of candidates, many candidates at a time.
//!
//! The candidates of a lookup come in byte order, and their checks read the same relations of one after the other. So the
//! first check that reads a relation reads it for the next candidates too, in one pass over what is stored.

use crate::relationship::{
    IdPage, Qualifiers, ReadError, RelationKey, RelationshipReader, ResourceKey, SubjectForm,
    SubjectKey,
};
use std::cell::RefCell;

/// Number of candidates that are read for at once. Some of them may turn out not to need it.
const READ_AT_ONCE: usize = 64;
/// Number of different reads that are remembered. More than that are made one by one.
const COLUMNS_MAX: usize = 16;

/// A reader that knows which resources will be read next.
pub(super) struct PrefetchingReader<'r, R> {
    reader: &'r R,
    ahead: RefCell<Ahead>,
}

/// What was read for the next resources.
#[derive(Default)]
struct Ahead {
    object_type: String,
    /// In byte order.
    ids: Vec<String>,
    finds: Vec<Column<Option<Qualifiers>>>,
    subjects: Vec<Column<Vec<(String, Qualifiers)>>>,
}

/// The same read for consecutive resources.
struct Column<V> {
    read: ColumnRead,
    /// The place of the first of these resources.
    start: usize,
    values: Vec<V>,
}

/// What is read of each resource: whether it has a subject in a relation, or the first of its subjects of a form.
#[derive(PartialEq, Eq)]
struct ColumnRead {
    relation: String,
    subject_type: String,
    subject_relation: Option<String>,
    /// The subject's id; empty for a form.
    subject_id: String,
    count_max: usize,
}

impl<'r, R> PrefetchingReader<'r, R> {
    pub(super) fn new(reader: &'r R) -> Self {
        Self { reader, ahead: RefCell::default() }
    }

    /// Announces that these resources of a type will be read, in byte order. What was read for others is forgotten.
    pub(super) fn expect(&self, object_type: &str, ids: Vec<String>) {
        let mut ahead = self.ahead.borrow_mut();
        object_type.clone_into(&mut ahead.object_type);
        ahead.ids = ids;
        ahead.finds.clear();
        ahead.subjects.clear();
    }
}

impl Ahead {
    /// The place of a resource among those that are expected, if others are expected after it.
    fn place(&self, resource: ResourceKey<'_>) -> Option<usize> {
        if self.ids.len() < 2 || resource.object_type != self.object_type {
            return None;
        }
        let compare = |id: &String| id.as_str().cmp(resource.object_id);
        self.ids.binary_search_by(compare).ok()
    }

    fn next_ids(&self, place: usize) -> Vec<&str> {
        self.ids.iter().skip(place).take(READ_AT_ONCE).map(String::as_str).collect()
    }
}

/// The value of a column for the resource at a place; `read` reads it for this resource and the next ones. `None` when
/// there are too many columns.
fn value<V: Clone>(
    columns: &mut Vec<Column<V>>,
    is_of: impl Fn(&ColumnRead) -> bool,
    new: impl FnOnce() -> ColumnRead,
    place: usize,
    read: impl FnOnce() -> Result<Vec<V>, ReadError>,
) -> Result<Option<V>, ReadError> {
    let known = columns.iter().position(|column| is_of(&column.read));
    if let Some(column) = known.and_then(|known| columns.get(known))
        && let Some(index) = place.checked_sub(column.start)
        && let Some(value) = column.values.get(index)
    {
        return Ok(Some(value.clone()));
    }
    if known.is_none() && columns.len() >= COLUMNS_MAX {
        return Ok(None);
    }

    let values = read()?;
    let first = values.first().cloned();
    match known.and_then(|known| columns.get_mut(known)) {
        Some(column) => (column.start, column.values) = (place, values),
        None => columns.push(Column { read: new(), start: place, values }),
    }
    Ok(first)
}

impl<R: RelationshipReader> RelationshipReader for PrefetchingReader<'_, R> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        let ahead = &mut *self.ahead.borrow_mut();
        let Some(place) = ahead.place(resource) else {
            return self.reader.find(resource, subject);
        };

        let mut finds = std::mem::take(&mut ahead.finds);
        let found = value(
            &mut finds,
            |read| {
                read.relation == resource.relation
                    && read.subject_id == subject.object_id
                    && read.subject_type == subject.object_type
                    && read.subject_relation.as_deref() == subject.relation
            },
            || ColumnRead {
                relation: resource.relation.to_owned(),
                subject_type: subject.object_type.to_owned(),
                subject_relation: subject.relation.map(str::to_owned),
                subject_id: subject.object_id.to_owned(),
                count_max: 1,
            },
            place,
            || self.reader.find_each(relation_key(resource), &ahead.next_ids(place), subject),
        );
        ahead.finds = finds;
        match found? {
            Some(found) => Ok(found),
            None => self.reader.find(resource, subject),
        }
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let ahead = &mut *self.ahead.borrow_mut();
        let Some(place) = ahead.place(resource).filter(|_| page.after.is_none()) else {
            return self.reader.subjects(resource, form, page);
        };

        let mut subjects = std::mem::take(&mut ahead.subjects);
        let count_max = page.count_max;
        let found = value(
            &mut subjects,
            |read| {
                read.relation == resource.relation
                    && read.subject_type == form.object_type
                    && read.subject_relation.as_deref() == form.relation
                    && read.count_max == count_max
            },
            || ColumnRead {
                relation: resource.relation.to_owned(),
                subject_type: form.object_type.to_owned(),
                subject_relation: form.relation.map(str::to_owned),
                subject_id: String::new(),
                count_max,
            },
            place,
            || {
                let ids = ahead.next_ids(place);
                self.reader.subjects_of_each(relation_key(resource), &ids, form, count_max)
            },
        );
        ahead.subjects = subjects;
        match found? {
            Some(found) => Ok(found),
            None => self.reader.subjects(resource, form, page),
        }
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        self.reader.resources(relation, subject, page)
    }
}

fn relation_key(resource: ResourceKey<'_>) -> RelationKey<'_> {
    RelationKey { object_type: resource.object_type, relation: resource.relation }
}
