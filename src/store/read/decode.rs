//! Decodes stored rows into relationships.

use super::row_index::RowIndex;
use crate::relationship::{ObjectRef, Qualifiers, Relationship, Subject};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::RowKey;
use crate::store::layout::names::NameCatalog;

/// The key of a row in one of the indexes.
pub(in crate::store) fn row_key(index: RowIndex, key: &[u8]) -> Result<RowKey<'_>, CorruptBytes> {
    match index {
        RowIndex::ByResource => RowKey::from_by_resource(key),
        RowIndex::BySubject => RowKey::from_by_subject(key),
    }
}

/// The relationship of a row.
pub(in crate::store) fn relationship(
    names: &NameCatalog,
    row: &RowKey<'_>,
    qualifiers: Qualifiers,
) -> Result<Relationship, CorruptBytes> {
    let invalid = |_| CorruptBytes("a key names no object");
    let resource = ObjectRef::new(names.text(row.resource_type)?, row.resource_id);
    let subject_relation = match row.subject_relation {
        Some(relation) => names.text(relation)?,
        None => "",
    };
    let subject_type = names.text(row.subject_type)?;
    let subject = Subject::new(subject_type, row.subject_id, subject_relation);
    Ok(Relationship {
        resource: resource.map_err(invalid)?,
        relation: names.text(row.relation)?.to_owned(),
        subject: subject.map_err(invalid)?,
        caveat: qualifiers.caveat,
        expires_at: qualifiers.expires_at,
    })
}
