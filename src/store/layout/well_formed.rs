//! Whether a key belongs into a column family.

use super::keys::{RowKey, split_deleted};
use super::log_keys::{schema_revision, split_change, split_time};
use super::meta_keys::{
    COLLECTED, COUNTER_PREFIX, EXPIRED, FORMAT, HEAD, NAME_PREFIX, PREPARED_PREFIX, STORE_ID,
    VISIBLE_PREFIX,
};
use crate::store::rocks::column_family::ColumnFamily;

/// Whether a key is one of a column family, for assertions before a write.
pub(in crate::store) fn is_well_formed(family: ColumnFamily, key: &[u8]) -> bool {
    let has_prefix = |prefix: &&[u8]| key.starts_with(prefix);

    match family {
        ColumnFamily::Live => RowKey::from_by_resource(key).is_ok(),
        ColumnFamily::LiveBySubject => RowKey::from_by_subject(key).is_ok(),
        ColumnFamily::Deleted => {
            split_deleted(key).and_then(|(row, _)| RowKey::from_by_resource(row)).is_ok()
        }
        ColumnFamily::DeletedBySubject => {
            split_deleted(key).and_then(|(row, _)| RowKey::from_by_subject(row)).is_ok()
        }
        ColumnFamily::Expiring => {
            split_time(key).and_then(|(_, row)| RowKey::from_by_resource(row)).is_ok()
        }
        ColumnFamily::Changes => split_change(key).is_ok(),
        ColumnFamily::Schema => schema_revision(key).is_ok(),
        ColumnFamily::Meta => {
            [FORMAT, HEAD, STORE_ID, EXPIRED, COLLECTED].contains(&key)
                || [COUNTER_PREFIX, NAME_PREFIX, PREPARED_PREFIX, VISIBLE_PREFIX]
                    .iter()
                    .any(has_prefix)
        }
    }
}
