//! The byte form that tokens and cursors share: a version, the store's id, a payload and a checksum, as text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// Bytes that are written as whole characters.
const GROUP_BYTES: usize = 3;
const GROUP_CHARACTERS: usize = 4;

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
    SealedStart::new(kind, store, &[]).seal(payload)
}

/// The beginning that many payloads have in common, already written.
#[derive(Debug)]
pub(crate) struct SealedStart {
    /// The text of the bytes before `rest`.
    text: String,
    /// The last bytes, which share a character with those that follow.
    rest: Vec<u8>,
    hash: u64,
}

impl SealedStart {
    /// The beginning of texts of a kind whose payloads begin with `payload`.
    pub(crate) fn new(kind: u8, store: StoreBytes, payload: &[u8]) -> Self {
        let bytes = [[VERSION, kind].as_slice(), &store, payload].concat();
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % GROUP_BYTES);
        let text = URL_SAFE_NO_PAD.encode(whole);
        Self { text, rest: rest.to_vec(), hash: hash(&bytes) }
    }

    /// Writes the text of the payload that continues with `payload`.
    pub(crate) fn seal(&self, payload: &[u8]) -> String {
        let Self { text, rest, hash } = self;
        let checksum = checksum(hash_on(*hash, payload));
        let length = rest.len() + payload.len() + checksum.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(rest);
        bytes.extend(payload);
        bytes.extend(checksum);

        let mut sealed =
            String::with_capacity(text.len() + length.div_ceil(GROUP_BYTES) * GROUP_CHARACTERS);
        sealed.push_str(text);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut sealed);
        sealed
    }
}

/// Reads a text back. `None` when this server never wrote it.
pub(crate) fn open(kind: u8, text: &str) -> Option<OpenedToken> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (sealed, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (head, rest) = sealed.split_first_chunk::<2>()?;
    let (store, payload) = rest.split_first_chunk()?;
    let intact = *head == [VERSION, kind] && checksum(hash(sealed)) == *found;
    intact.then(|| OpenedToken { store: *store, payload: payload.to_vec() })
}

/// Detects damage, not forgery: every caller with a key may read every revision anyway.
fn checksum(hash: u64) -> [u8; CHECKSUM_BYTES] {
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    u32::try_from(folded).unwrap_or_default().to_be_bytes()
}

/// FNV-1a in 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    hash_on(0xcbf2_9ce4_8422_2325, bytes)
}

/// The hash of bytes that follow those of another hash.
fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
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
    fn a_common_beginning_changes_no_text() {
        let payload: Vec<u8> = (0..20).collect();
        for cut in 0..=payload.len() {
            let (start, rest) = payload.split_at(cut);
            let text = SealedStart::new(7, [9; 16], start).seal(rest);
            assert_eq!(text, seal(7, [9; 16], &payload), "{cut}");
            assert_eq!(open(7, &text).unwrap().payload, payload, "{cut}");
        }
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
