//! Encoded messages, field by field.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// What a field holds, as it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireValue<'b> {
    /// A number of variable length.
    Varint(u64),
    /// A text, bytes, a message, or packed numbers.
    Delimited(&'b [u8]),
    /// A number of fixed length, or a group.
    Other,
}

/// The number and the content of the next field, which is taken from `rest`. `None` when it is malformed or not all of it is
/// there.
pub(crate) fn next_field<'b>(rest: &mut &'b [u8]) -> Option<(u32, WireValue<'b>)> {
    let (number, wire_type) = decode_key(rest).ok()?;
    let value = match wire_type {
        WireType::Varint => WireValue::Varint(decode_varint(rest).ok()?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            let (content, after) = rest.split_at_checked(length)?;
            *rest = after;
            WireValue::Delimited(content)
        }
        WireType::SixtyFourBit
        | WireType::ThirtyTwoBit
        | WireType::StartGroup
        | WireType::EndGroup => {
            skip_field(wire_type, number, rest, DecodeContext::default()).ok()?;
            WireValue::Other
        }
    };
    Some((number, value))
}
