//! Ids of other systems, which are any text, as object ids, which have an alphabet.
//!
//! A byte outside of the alphabet is `=` and two hexadecimal digits. An `=` itself is only written so where what follows it could be
//! read as such digits, so that every valid object id that has no such sequence is its own id.

use std::fmt::Write as _;

/// The object id of an id that may be any text: a byte outside of the alphabet of object ids is `=` and two hexadecimal digits.
pub fn to_object_id(id: &str) -> String {
    let bytes = id.as_bytes();
    let mut object_id = String::with_capacity(id.len());
    for (position, byte) in bytes.iter().enumerate() {
        let rest = bytes.get(position + 1..).unwrap_or_default();
        let is_plain = byte.is_ascii_alphanumeric()
            || b"/_|-+".contains(byte)
            || (*byte == b'=' && escaped(rest).is_none());
        if is_plain {
            object_id.push(char::from(*byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(object_id, "={byte:02X}");
        }
    }
    object_id
}

/// The id of which [`to_object_id`] gives an object id.
pub fn from_object_id(object_id: &str) -> String {
    let mut rest = object_id.as_bytes();
    let mut id = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let byte = if *first == b'=' { escaped(after) } else { None };
        id.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    // Escapes of no text were stored as they are.
    String::from_utf8(id).unwrap_or_else(|_| object_id.to_owned())
}

/// The byte that the digits after an `=` stand for.
fn escaped(rest: &[u8]) -> Option<u8> {
    let digit = |at: usize| {
        let byte = rest.get(at)?;
        let digit = char::from(*byte).to_digit(16)?;
        if byte.is_ascii_lowercase() { None } else { u8::try_from(digit).ok() }
    };
    Some(digit(0)? * 16 + digit(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_comes_back() {
        let ids = [
            "alice",
            "alice@example.com",
            "a=40b",
            "abc==",
            "=@",
            "=4@",
            "==40",
            "ü",
            "*",
            "a b",
            "=3D40",
            "=",
        ];

        for id in ids {
            let object_id = to_object_id(id);
            assert!(object_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_|-=+".contains(&b)));
            assert_eq!(from_object_id(&object_id), id, "{object_id}");
        }
        assert_eq!(to_object_id("abc=="), "abc==");
        assert_eq!(to_object_id("alice@example.com"), "alice=40example=2Ecom");
    }
}
