//! The keys of `changes`, `schema` and `expiring`: in the order of revisions or of times.

use super::corrupt_bytes::CorruptBytes;
use crate::relationship::{Revision, Timestamp};

/// The key in `schema`.
pub(in crate::store) fn schema(revision: Revision) -> Vec<u8> {
    revision.0.to_be_bytes().to_vec()
}

/// Reads a key of `schema`.
pub(in crate::store) fn schema_revision(key: &[u8]) -> Result<Revision, CorruptBytes> {
    let bytes = key.try_into().map_err(|_| CorruptBytes("a key of a schema is no revision"))?;
    Ok(Revision(u64::from_be_bytes(bytes)))
}

/// The key in `changes`.
pub(in crate::store) fn change(revision: Revision, ordinal: u32) -> Vec<u8> {
    [revision.0.to_be_bytes().as_slice(), ordinal.to_be_bytes().as_slice()].concat()
}

/// Splits a key of `changes`.
pub(in crate::store) fn split_change(key: &[u8]) -> Result<(Revision, u32), CorruptBytes> {
    let (revision, rest) =
        key.split_first_chunk().ok_or(CorruptBytes("a key of a change is short"))?;
    let ordinal =
        rest.try_into().map_err(|_| CorruptBytes("a key of a change lacks its ordinal"))?;
    Ok((Revision(u64::from_be_bytes(*revision)), u32::from_be_bytes(ordinal)))
}

/// The key in `expiring` of the row with this key in `live`.
pub(in crate::store) fn expiring(at: Timestamp, key: &[u8]) -> Vec<u8> {
    [time(at).as_slice(), key].concat()
}

/// A time in bytes that sort as times do.
pub(in crate::store) fn time(at: Timestamp) -> Vec<u8> {
    let seconds = (at.unix_seconds() ^ i64::MIN).to_be_bytes();
    [seconds.as_slice(), at.subsec_nanos().to_be_bytes().as_slice()].concat()
}

/// Splits the time off the start of `bytes`. Of a key of `expiring`, the row's key in `live` remains.
pub(in crate::store) fn split_time(bytes: &[u8]) -> Result<(Timestamp, &[u8]), CorruptBytes> {
    let short = CorruptBytes("a time is cut short");
    let (seconds, rest) = bytes.split_first_chunk().ok_or(short)?;
    let (nanos, rest) = rest.split_first_chunk().ok_or(short)?;
    let seconds = i64::from_be_bytes(*seconds) ^ i64::MIN;
    let at = Timestamp::from_unix(seconds, u32::from_be_bytes(*nanos));
    at.map(|at| (at, rest)).map_err(|_| CorruptBytes("a time is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timestamp() -> impl Strategy<Value = Timestamp> {
        let seconds = prop_oneof![-3_i64..3, -60_000_000_000_i64..250_000_000_000];
        (seconds, 0_u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Timestamp::from_unix(seconds, nanos).unwrap())
    }

    proptest! {
        #[test]
        fn times_sort_and_come_back(a in timestamp(), b in timestamp()) {
            prop_assert_eq!(time(a).cmp(&time(b)), a.cmp(&b));
            let key = expiring(a, b"row");
            prop_assert_eq!(split_time(&key), Ok((a, b"row".as_slice())));
        }

        #[test]
        fn changes_sort_by_revision_and_ordinal(a in any::<(u64, u32)>(), b in any::<(u64, u32)>()) {
            let (left, right) = (change(Revision(a.0), a.1), change(Revision(b.0), b.1));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(split_change(&left), Ok((Revision(a.0), a.1)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = split_change(&bytes);
            let _ = split_time(&bytes);
            let _ = schema_revision(&bytes);
        }
    }
}
