//! Counters: filters with a name, whose relationships can be counted.

use super::layout::corrupt_bytes::CorruptBytes;
use super::layout::meta_keys;
use super::layout::values;
use super::read::snapshot::Snapshot;
use super::rocks::column_family::ColumnFamily;
use super::rocks::source::ReadSource;
use super::write::error::TransactionError;
use super::write::transaction::Transaction;
use crate::relationship::{
    ObjectIdFilter, ReadError, RelationshipFilter, SubjectFilter, SubjectRelationFilter,
};
use serde_json::{Map, Value, json};

impl Snapshot<'_> {
    /// The filter of a counter; `None` when there is no such counter. The newest one, whatever the revision.
    pub fn counter(&self, name: &str) -> Result<Option<RelationshipFilter>, ReadError> {
        find(self.source(), name)
    }
}

impl Transaction<'_> {
    /// The filter of a counter; `None` when there is no such counter.
    pub fn counter(&self, name: &str) -> Result<Option<RelationshipFilter>, ReadError> {
        find(self.batch.source(), name)
    }

    /// Stores a counter, or deletes it. Counters have no history, and watchers do not see them.
    pub fn set_counter(
        &mut self,
        name: &str,
        filter: Option<&RelationshipFilter>,
    ) -> Result<(), TransactionError> {
        let key = meta_keys::counter(name);
        match filter {
            Some(filter) => {
                let value = values::counter(&written(filter));
                Ok(self.batch.set(ColumnFamily::Meta, &key, &value)?)
            }
            None => Ok(self.batch.clear(ColumnFamily::Meta, &key)?),
        }
    }
}

fn find(source: ReadSource<'_>, name: &str) -> Result<Option<RelationshipFilter>, ReadError> {
    let Some(value) = source.get(ColumnFamily::Meta, &meta_keys::counter(name))? else {
        return Ok(None);
    };
    Ok(Some(read(&values::split_counter(&value)?)?))
}

const RESOURCE_TYPE: &str = "resource_type";
const RESOURCE_ID: &str = "resource_id";
const RESOURCE_ID_PREFIX: &str = "resource_id_prefix";
const RELATION: &str = "relation";
const SUBJECT_TYPE: &str = "subject_type";
const SUBJECT_ID: &str = "subject_id";
/// Empty for subjects without a relation.
const SUBJECT_RELATION: &str = "subject_relation";

/// A filter as a JSON object with the conditions that are set.
fn written(filter: &RelationshipFilter) -> Value {
    let (exact, prefix) = match &filter.resource_id {
        Some(ObjectIdFilter::Exact(id)) => (Some(id), None),
        Some(ObjectIdFilter::Prefix(start)) => (None, Some(start)),
        None => (None, None),
    };

    let subject = filter.subject.as_ref();
    let subject_relation = subject.and_then(|subject| match &subject.relation {
        SubjectRelationFilter::Any => None,
        SubjectRelationFilter::Itself => Some(String::new()),
        SubjectRelationFilter::Named(name) => Some(name.clone()),
    });

    let conditions = [
        (RESOURCE_TYPE, filter.resource_type.as_ref()),
        (RESOURCE_ID, exact),
        (RESOURCE_ID_PREFIX, prefix),
        (RELATION, filter.relation.as_ref()),
        (SUBJECT_TYPE, subject.map(|subject| &subject.subject_type)),
        (SUBJECT_ID, subject.and_then(|subject| subject.subject_id.as_ref())),
        (SUBJECT_RELATION, subject_relation.as_ref()),
    ];
    let set = conditions.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(set.map(|(name, value)| (name, json!(value))).collect())
}

fn read(value: &Value) -> Result<RelationshipFilter, CorruptBytes> {
    let conditions: &Map<String, Value> =
        value.as_object().ok_or(CorruptBytes("a counter's filter is no JSON object"))?;
    let text = |name| conditions.get(name).and_then(Value::as_str).map(str::to_owned);

    let exact = text(RESOURCE_ID).map(ObjectIdFilter::Exact);
    let subject = text(SUBJECT_TYPE).map(|subject_type| SubjectFilter {
        subject_type,
        subject_id: text(SUBJECT_ID),
        relation: match text(SUBJECT_RELATION) {
            None => SubjectRelationFilter::Any,
            Some(name) if name.is_empty() => SubjectRelationFilter::Itself,
            Some(name) => SubjectRelationFilter::Named(name),
        },
    });
    Ok(RelationshipFilter {
        resource_type: text(RESOURCE_TYPE),
        resource_id: exact.or(text(RESOURCE_ID_PREFIX).map(ObjectIdFilter::Prefix)),
        relation: text(RELATION),
        subject,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Option<String>> {
        prop::option::of("[a-z]{3}".prop_map(String::from))
    }

    fn filter() -> impl Strategy<Value = RelationshipFilter> {
        let id = prop_oneof![
            Just(None),
            "[a-z*]{1,3}".prop_map(|id| Some(ObjectIdFilter::Exact(id))),
            "[a-z]{1,3}".prop_map(|id| Some(ObjectIdFilter::Prefix(id))),
        ];
        let relation = prop_oneof![
            Just(SubjectRelationFilter::Any),
            Just(SubjectRelationFilter::Itself),
            "[a-z]{3}".prop_map(SubjectRelationFilter::Named),
        ];

        let subject =
            ("[a-z]{3}", name(), relation).prop_map(|(subject_type, subject_id, relation)| {
                SubjectFilter { subject_type, subject_id, relation }
            });
        (name(), id, name(), prop::option::of(subject)).prop_map(
            |(resource_type, resource_id, relation, subject)| RelationshipFilter {
                resource_type,
                resource_id,
                relation,
                subject,
            },
        )
    }

    proptest! {
        #[test]
        fn filters_come_back_as_they_went_in(filter in filter()) {
            let value = values::counter(&written(&filter));
            prop_assert_eq!(read(&values::split_counter(&value).unwrap()), Ok(filter));
        }
    }
}
