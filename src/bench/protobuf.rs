//! Just enough of the encoding of Protocol Buffers: requests are written field by field into one buffer, and answers are read where they lie.
//!
//! The generated messages would cost an allocation for each name and id, as much as all else about a call.

use super::numbers::to_usize;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;
const FIXED32: u8 = 5;

/// A field of a message that is being read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FieldValue<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while let Some(low) = u8::try_from(value & 0x7f).ok().filter(|_| value > 0x7f) {
        out.push(low | 0x80);
        value >>= 7;
    }
    out.extend(u8::try_from(value));
}

/// Fields up to 15 only, whose tags are one byte.
fn write_tag(out: &mut Vec<u8>, field: u8, kind: u8) {
    debug_assert!(field < 16, "longer tags are not needed");
    out.push(field << 3 | kind);
}

pub(super) fn write_number(out: &mut Vec<u8>, field: u8, value: u64) {
    write_tag(out, field, VARINT);
    write_varint(out, value);
}

pub(super) fn write_double(out: &mut Vec<u8>, field: u8, value: f64) {
    write_tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn write_text(out: &mut Vec<u8>, field: u8, text: &str) {
    write_tag(out, field, DELIMITED);
    write_varint(out, u64::try_from(text.len()).unwrap_or_default());
    out.extend_from_slice(text.as_bytes());
}

/// A message in a field, or a text that is written in parts.
pub(super) fn write_nested(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    write_tag(out, field, DELIMITED);
    // Nearly all are shorter than 128 bytes, so that their length is one byte.
    let place = out.len();
    out.push(0);
    write(out);

    let length = out.len() - place - 1;
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => {
            if let Some(byte) = out.get_mut(place) {
                *byte = short;
            }
        }
        _ => {
            let mut prefix = Vec::with_capacity(4);
            write_varint(&mut prefix, u64::try_from(length).unwrap_or_default());
            out.splice(place..=place, prefix);
        }
    }
}

/// The fields of a message, in their order; ends at the first byte that is not one.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = (u64, FieldValue<'_>)> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let tag = read_varint(&mut rest)?;
        let value = match u8::try_from(tag & 7).ok()? {
            VARINT => FieldValue::Number(read_varint(&mut rest)?),
            FIXED64 => FieldValue::Bytes(take(&mut rest, 8)?),
            DELIMITED => {
                let length = to_usize(read_varint(&mut rest)?);
                FieldValue::Bytes(take(&mut rest, length)?)
            }
            FIXED32 => FieldValue::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

/// The last value of a number's field; 0 if it is not there.
pub(super) fn number_in(message: &[u8], field: u64) -> u64 {
    let found = fields(message).filter(|(number, _)| *number == field).last();
    match found {
        Some((_, FieldValue::Number(value))) => value,
        _ => 0,
    }
}

/// The bytes of a field; none if it is not there.
pub(super) fn bytes_in(message: &[u8], field: u64) -> &[u8] {
    let mut found = fields(message).filter(|(number, _)| *number == field);
    match found.next() {
        Some((_, FieldValue::Bytes(bytes))) => bytes,
        _ => &[],
    }
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let long = "x".repeat(300);
        let mut message = Vec::new();
        write_nested(&mut message, 1, |out| write_text(out, 2, &long));
        write_number(&mut message, 3, 1 << 40);
        write_double(&mut message, 4, 1.5);
        write_number(&mut message, 3, 127);

        assert_eq!(bytes_in(bytes_in(&message, 1), 2), long.as_bytes());
        assert_eq!(number_in(&message, 3), 127);
        assert_eq!(bytes_in(&message, 4), 1.5_f64.to_le_bytes());
        assert_eq!(number_in(&message, 5), 0);
        assert_eq!(fields(&message).count(), 4);
    }

    #[test]
    fn a_message_that_is_cut_off_ends() {
        let mut message = Vec::new();
        write_text(&mut message, 1, "text");
        for length in 0..message.len() {
            assert_eq!(fields(&message[..length]).count(), 0, "{length}");
        }
    }
}
