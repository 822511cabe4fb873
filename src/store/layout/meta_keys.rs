//! The keys of `meta`: the records of which a store has one, counters, names, times of visibility and prepared
//! revisions.

use crate::relationship::Revision;

/// The key of the format's number in `meta`.
pub(in crate::store) const FORMAT: &[u8] = b"format";
/// The key of the head record in `meta`.
pub(in crate::store) const HEAD: &[u8] = b"head";
/// The key of the store's id in `meta`.
pub(in crate::store) const STORE_ID: &[u8] = b"store-id";
/// The key in `meta` of the time up to which entries of `expiring` have been collected.
pub(in crate::store) const EXPIRED: &[u8] = b"expired";
/// When garbage was collected last.
pub(in crate::store) const COLLECTED: &[u8] = b"collected";
/// How the keys of counters in `meta` start.
pub(super) const COUNTER_PREFIX: &[u8] = b"counter/";
/// How the keys of names in `meta` start.
pub(in crate::store) const NAME_PREFIX: &[u8] = b"name/";

/// How the keys in `meta` of the times at which batches became visible start.
pub(in crate::store) const VISIBLE_PREFIX: &[u8] = b"visible/";

/// How the keys of prepared revisions in `meta` start.
pub(in crate::store) const PREPARED_PREFIX: &[u8] = b"prepared/";

/// The key of a counter in `meta`.
pub(in crate::store) fn counter(name: &str) -> Vec<u8> {
    [COUNTER_PREFIX, name.as_bytes()].concat()
}

/// The key in `meta` of the time at which the batch became visible whose first revision this is.
pub(in crate::store) fn visible(first: Revision) -> Vec<u8> {
    [VISIBLE_PREFIX, first.0.to_be_bytes().as_slice()].concat()
}

/// The key of a prepared revision with this mark in `meta`.
pub(in crate::store) fn prepared(mark: Revision) -> Vec<u8> {
    [PREPARED_PREFIX, mark.0.to_be_bytes().as_slice()].concat()
}

/// The key of a name in `meta`.
pub(in crate::store) fn name(text: &str) -> Vec<u8> {
    [NAME_PREFIX, text.as_bytes()].concat()
}
