//! The byte form that tokens and cursors share: a version, the store's id, a payload and a checksum, as text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// The id of the store that tokens and cursors belong to.
pub(crate) type StoreBytes = [u8; 16];

/// What was sealed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OpenedToken {
    pub(crate) store: StoreBytes,
    pub(crate) payload: Vec<u8>,
}

/// Writes the text of a payload. `kind` keeps a token from being taken for a cursor.
pub(crate) fn seal(kind: u8, store: StoreBytes, payload: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(2 + store.len() + payload.len() + CHECKSUM_BYTES);
    bytes.extend([VERSION, kind]);
    bytes.extend(store);
    bytes.extend(payload);
    bytes.extend(checksum(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a text back. `None` when this server never wrote it.
pub(crate) fn open(kind: u8, text: &str) -> Option<OpenedToken> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (sealed, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (head, rest) = sealed.split_first_chunk::<2>()?;
    let (store, payload) = rest.split_first_chunk()?;
    let intact = *head == [VERSION, kind] && checksum(sealed) == *found;
    intact.then(|| OpenedToken { store: *store, payload: payload.to_vec() })
}

/// Detects damage, not forgery: every caller with a key may read every revision anyway.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = hash(bytes);
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    u32::try_from(folded).unwrap_or_default().to_be_bytes()
}

/// FNV-1a in 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_kind_only() {
        let text = seal(7, [9; 16], b"payload");
        let opened = OpenedToken { store: [9; 16], payload: b"payload".to_vec() };
        assert_eq!(open(7, &text), Some(opened));
        assert_eq!(open(8, &text), None);
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = seal(1, [3; 16], &42_u64.to_be_bytes());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(1, &String::from_utf8(changed).unwrap()), None, "{at}");
            assert_eq!(open(1, &text[..at]), None, "{at}");
        }
    }
}
