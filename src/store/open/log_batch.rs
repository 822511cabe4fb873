//! Finds the head record in a write batch of RocksDB's log.
//!
//! Facts about the format: a batch is a sequence number (8 bytes), a count (4 bytes) and operations. An operation is a tag
//! (1 byte), for some tags the number of a column family (a variable-length integer), and a key, a value or both, each
//! with its length before it (a variable-length integer).

use crate::store::head::HeadRecord;
use crate::store::layout::meta_keys;
const BATCH_HEADER: usize = 12;

/// The head record that a batch writes, if it writes one.
pub(in crate::store) fn head(batch: &[u8]) -> Option<HeadRecord> {
    let mut rest = batch.get(BATCH_HEADER..)?;
    let mut head = None;
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        let (has_family, has_key, has_value) = match tag {
            // Deletions, single deletions, and marks of transactions with a blob.
            0x00 | 0x07 | 0x03 | 0x0a | 0x0b | 0x0c => (false, true, false),
            0x04 | 0x08 => (true, true, false),
            // Values and merges.
            0x01 | 0x02 => (false, true, true),
            0x05 | 0x06 => (true, true, true),
            // Marks of transactions without a blob.
            0x09 | 0x0d => (false, false, false),
            // An operation that the store does not use.
            _ => return head,
        };

        if has_family {
            varint(&mut rest)?;
        }
        let key = if has_key { slice(&mut rest)? } else { &[] };
        let value = if has_value { slice(&mut rest)? } else { &[] };
        if has_value && key == meta_keys::HEAD {
            head = HeadRecord::from_bytes(value).ok().or(head);
        }
    }
    head
}

fn slice<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = varint(rest)?;
    let (slice, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(slice)
}

/// A 32-bit integer in groups of 7 bits, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u32;
    for shift in (0..32).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}
