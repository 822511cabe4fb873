//! Keys, which are kept as hashes alone.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::fmt::{self, Write as _};
use subtle::{Choice, ConstantTimeEq as _};

/// From this length on, in bytes, a key is hard to guess if it is random.
const STRONG_KEY_BYTES: usize = 16;

/// The SHA-256 hash of a key. Random keys need no slower hash and no salt: there are too many of them to try.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; SHA256_OUTPUT_LEN]);

impl KeyHash {
    /// The hash of a key.
    pub fn from_key(key: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        // Both have the length of the algorithm.
        bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Reads the 64 hexadecimal digits of a hash.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * SHA256_OUTPUT_LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return None;
        }
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The hexadecimal digits, as an access file has them.
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The bytes.
    pub(super) fn as_bytes(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.0
    }

    /// Whether two hashes are equal, in a time that does not depend on where they differ.
    pub(super) fn equals(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// Shows nothing of the hash, from which a short key could be guessed.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

/// Whether a key is so short that it can be guessed.
pub(super) fn is_short_key(key: &str) -> bool {
    key.len() < STRONG_KEY_BYTES
}

/// Whether a header can carry a key: it is not empty and has no blanks around it.
pub(super) fn is_sendable_key(key: &str) -> bool {
    !key.is_empty() && key.trim() == key && key.bytes().all(|byte| (32..127).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_and_is_that_of_sha256sum() {
        let hash = KeyHash::from_key("abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_hex(), hex);
        assert!(bool::from(KeyHash::parse(&hex.to_uppercase()).unwrap().equals(&hash)));
        assert!(!bool::from(KeyHash::from_key("abd").equals(&hash)));
        for wrong in ["", "ba78", &hex[1..], &format!("+{}", &hex[1..]), &format!("{hex}00")] {
            assert!(KeyHash::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{hash:?}"), "KeyHash");
    }
}
