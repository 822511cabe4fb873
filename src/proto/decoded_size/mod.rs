//! Memory that a message will take once it is decoded, measured on its encoded bytes before anything is allocated.
//!
//! An empty entry of a repeated field is two bytes on the wire and some hundred in memory. So the bytes are traversed along the
//! descriptors, and the allocations of the decoder are added up and rounded up. The traversal itself allocates nothing.

mod shapes;

use shapes::{
    FieldContent, FieldCount, FieldShape, HANDLE_BYTES, MessageShapes, SHAPES, WORD_BYTES,
};

/// Maximum nesting of messages, the request included: the recursion limit of the decoder.
const DEPTH_MAX: usize = 101;
/// Overhead of one allocation, in bytes.
const ALLOCATION_BYTES: usize = 16;
/// Initial capacity of a list and of a node of a map, in entries.
const LIST_ENTRIES_MIN: usize = 4;
const NODE_ENTRIES: usize = 11;
/// The capacity of a growing list is up to twice its length; a node of a map may be half full.
const GROWTH: usize = 2;

/// How many messages within a message are measured between two questions whether its caller still waits.
const MEASURED_PER_LOOK: usize = 4_096;

/// Wire types.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const DELIMITED: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Why a message must not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SizeError {
    /// It would exceed its memory limit. The field of the request that exceeds it.
    Memory(String),
    /// Its messages are nested too deeply.
    Depth,
    /// It has a group, which no message of this protocol has.
    Group,
    /// Its caller no longer waits.
    Unwanted,
}

/// Why a walk ended early.
enum WalkStop {
    SizeError(SizeError),
    /// Not a valid message. The decoder stops at the same byte and reports the error.
    Malformed,
}

/// The bytes of memory that a message of this type takes once it is decoded, at least as many as it does; at most
/// `bytes_max`. `is_wanted` says whether the caller still waits.
pub(crate) fn measure(
    full_name: &str,
    message: &[u8],
    bytes_max: usize,
    is_wanted: &dyn Fn() -> bool,
) -> Result<usize, SizeError> {
    let Some(shape) = SHAPES.index(full_name) else { return Ok(0) };
    let mut walk = SizeWalk { shapes: &SHAPES, bytes: 0, bytes_max, measured: 0, is_wanted };
    match walk.message(shape, message, DEPTH_MAX) {
        Err(WalkStop::SizeError(reason)) => Err(reason),
        Ok(()) | Err(WalkStop::Malformed) => Ok(walk.bytes),
    }
}

/// A walk through the bytes of one message.
struct SizeWalk<'s> {
    shapes: &'s MessageShapes,
    bytes: usize,
    bytes_max: usize,
    measured: usize,
    is_wanted: &'s dyn Fn() -> bool,
}

impl SizeWalk<'_> {
    fn message(
        &mut self,
        shape: usize,
        mut rest: &[u8],
        depth_left: usize,
    ) -> Result<(), WalkStop> {
        let depth_left = depth_left.checked_sub(1).ok_or(WalkStop::SizeError(SizeError::Depth))?;
        self.measured += 1;
        if self.measured.is_multiple_of(MEASURED_PER_LOOK) && !(self.is_wanted)() {
            return Err(WalkStop::SizeError(SizeError::Unwanted));
        }
        let shapes = self.shapes;
        let shape = shapes.get(shape).ok_or(WalkStop::Malformed)?;

        // The lists and maps that have an entry already, by field number.
        let mut begun = 0_u64;
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let number = usize::try_from(key >> 3).map_err(|_| WalkStop::Malformed)?;
            let field = shape.fields.get(number).and_then(Option::as_ref);
            // Numbers beyond 63 do not occur; each of their entries would count as a first one.
            let bit = u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number));
            let bit = bit.unwrap_or_default();
            let is_first = begun & bit == 0;
            begun |= bit;
            match key & 7 {
                VARINT => {
                    varint(&mut rest)?;
                    self.number(field, is_first)?;
                }
                EIGHT_BYTES => {
                    split(&mut rest, 8)?;
                    self.number(field, is_first)?;
                }
                FOUR_BYTES => {
                    split(&mut rest, 4)?;
                    self.number(field, is_first)?;
                }
                DELIMITED => {
                    let length = varint(&mut rest)?;
                    let length = usize::try_from(length).map_err(|_| WalkStop::Malformed)?;
                    let content = split(&mut rest, length)?;
                    if let Some(field) = field {
                        self.delimited(field, content, is_first, depth_left)?;
                    }
                }
                _ => return Err(WalkStop::SizeError(SizeError::Group)),
            }
        }

        Ok(())
    }

    fn number(&mut self, field: Option<&FieldShape>, is_first: bool) -> Result<(), WalkStop> {
        match field {
            None
            | Some(FieldShape { content: FieldContent::Number, count: FieldCount::One, .. }) => {
                Ok(())
            }
            Some(
                field @ FieldShape {
                    content: FieldContent::Number, count: FieldCount::List, ..
                },
            ) => self.add(field, list_entry(WORD_BYTES, is_first)),
            Some(_) => Err(WalkStop::Malformed),
        }
    }

    fn delimited(
        &mut self,
        field: &FieldShape,
        content: &[u8],
        is_first: bool,
        depth_left: usize,
    ) -> Result<(), WalkStop> {
        match (field.content, field.count) {
            // Packed: each number takes a byte at least.
            (FieldContent::Number, FieldCount::List) => {
                self.add(field, GROWTH * WORD_BYTES * content.len())
            }
            (FieldContent::Number, _) | (FieldContent::Text, FieldCount::Map) => {
                Err(WalkStop::Malformed)
            }
            (FieldContent::Text, FieldCount::One) => {
                self.add(field, ALLOCATION_BYTES + content.len())
            }
            (FieldContent::Text, FieldCount::List) => {
                let entry = list_entry(HANDLE_BYTES, is_first);
                self.add(field, entry + ALLOCATION_BYTES + content.len())
            }
            (FieldContent::Message(shape), count) => {
                let inline = self.shapes.get(shape).map_or(0, |shape| shape.bytes);
                let entry = match count {
                    FieldCount::One => 0,
                    FieldCount::List => list_entry(inline, is_first),
                    FieldCount::Map => map_entry(inline, is_first),
                };
                self.add(field, entry)?;
                self.message(shape, content, depth_left).map_err(|stop| within(field, stop))
            }
        }
    }

    fn add(&mut self, field: &FieldShape, bytes: usize) -> Result<(), WalkStop> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max {
            return Err(WalkStop::SizeError(SizeError::Memory(field.name.clone())));
        }
        Ok(())
    }
}

/// Names the outermost field instead of the inner one, because the caller knows the request and not its parts.
fn within(field: &FieldShape, stop: WalkStop) -> WalkStop {
    match stop {
        WalkStop::SizeError(SizeError::Memory(_)) => {
            WalkStop::SizeError(SizeError::Memory(field.name.clone()))
        }
        WalkStop::SizeError(_) | WalkStop::Malformed => stop,
    }
}

fn list_entry(bytes: usize, is_first: bool) -> usize {
    if is_first { LIST_ENTRIES_MIN * bytes + ALLOCATION_BYTES } else { GROWTH * bytes }
}

fn map_entry(bytes: usize, is_first: bool) -> usize {
    if is_first { NODE_ENTRIES * bytes + ALLOCATION_BYTES } else { GROWTH * bytes }
}

/// Reads a number of variable length.
fn varint(rest: &mut &[u8]) -> Result<u64, WalkStop> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(WalkStop::Malformed)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(WalkStop::Malformed)
}

fn split<'b>(rest: &mut &'b [u8], count: usize) -> Result<&'b [u8], WalkStop> {
    let (taken, after) = rest.split_at_checked(count).ok_or(WalkStop::Malformed)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::authzed::api::v1 as proto;
    use prost::{Message, Name};

    const ALL: usize = usize::MAX;

    fn measured<M: Message + Name>(message: &M) -> usize {
        measure(&M::full_name(), &message.encode_to_vec(), ALL, &|| true).unwrap()
    }

    #[test]
    fn empty_entries_are_reckoned_with_what_they_take() {
        let items = vec![proto::CheckBulkPermissionsRequestItem::default(); 1_000];
        let request = proto::CheckBulkPermissionsRequest { items, ..Default::default() };
        let taken = 1_000 * size_of::<proto::CheckBulkPermissionsRequestItem>();
        let reckoned = measured(&request);
        assert!((taken..5 * taken).contains(&reckoned), "{reckoned} for {taken}");
    }

    #[test]
    fn a_message_over_its_limit_is_refused_with_its_field() {
        let request = proto::WriteRelationshipsRequest {
            updates: vec![proto::RelationshipUpdate::default(); 1_000],
            ..Default::default()
        };
        let bytes = request.encode_to_vec();
        let name = proto::WriteRelationshipsRequest::full_name();
        let refused = measure(&name, &bytes, 1_000, &|| true).unwrap_err();
        assert_eq!(refused, SizeError::Memory("updates".to_owned()));
        let strings = proto::WatchRequest {
            optional_object_types: vec![String::new(); 1_000],
            ..Default::default()
        };
        let refused =
            measure(&proto::WatchRequest::full_name(), &strings.encode_to_vec(), 1_000, &|| true);
        assert_eq!(refused, Err(SizeError::Memory("optional_object_types".to_owned())));
    }

    #[test]
    fn depth_and_groups_are_refused() {
        let mut value = prost_types::Value::default();
        for _ in 0..60 {
            let list = prost_types::ListValue { values: vec![value] };
            value = prost_types::Value { kind: Some(prost_types::value::Kind::ListValue(list)) };
        }
        let name = "google.protobuf.Value";
        let refused = measure(name, &value.encode_to_vec(), ALL, &|| true);
        assert_eq!(refused, Err(SizeError::Depth));
        assert_eq!(measure(name, &[0x0b, 0x0c], ALL, &|| true), Err(SizeError::Group));
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        let name = proto::CheckPermissionRequest::full_name();
        for bytes in [&[0xff][..], &[0x0a, 5, 0], &[0x1a], &[0x10, 1], &[0x80; 11]] {
            assert_eq!(measure(&name, bytes, ALL, &|| true), Ok(0), "{bytes:?}");
            assert!(proto::CheckPermissionRequest::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_message_that_no_one_waits_for_is_not_measured_to_its_end() {
        let updates = vec![proto::RelationshipUpdate::default(); 3 * MEASURED_PER_LOOK];
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let bytes = request.encode_to_vec();
        let name = proto::WriteRelationshipsRequest::full_name();
        let asked = std::cell::Cell::new(0);
        let is_wanted = || {
            asked.set(asked.get() + 1);
            asked.get() < 2
        };
        assert_eq!(measure(&name, &bytes, ALL, &is_wanted), Err(SizeError::Unwanted));
        assert_eq!(asked.get(), 2);
    }
}
