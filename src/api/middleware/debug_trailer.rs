//! Traces as clients read them that know no field for them: as JSON in a trailer.

use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::authzed::api::v1::DebugInformation;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use std::fmt::Write as _;
use std::sync::LazyLock;
use tonic::codegen::http::HeaderValue;

/// The longest value, in bytes: of the 8 KiB that many clients keep for trailers, some are for others.
const BYTES_MAX: usize = 6 << 10;

/// A trace on its way into the trailers; handlers put it into their response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct DebugTrailer(pub(crate) HeaderValue);

impl DebugTrailer {
    /// A trace with its schema or, when that is too much, without. Nothing when it is too large even so: the field of the
    /// response has it.
    pub(crate) fn from_information(information: &DebugInformation) -> Option<Self> {
        value(information).or_else(|| {
            let check = information.check.clone();
            value(&DebugInformation { check, schema_used: String::new() })
        })
    }
}

fn value(information: &DebugInformation) -> Option<DebugTrailer> {
    static DESCRIPTOR: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok()?;
        pool.get_message_by_name("authzed.api.v1.DebugInformation")
    });
    // If the binary form is too long, JSON is longer still.
    if information.encoded_len() > BYTES_MAX {
        return None;
    }
    let bytes = information.encode_to_vec();
    let message = DynamicMessage::decode(DESCRIPTOR.clone()?, bytes.as_slice()).ok()?;
    let json = ascii(&serde_json::to_string(&message).ok()?);
    let fits = json.len() <= BYTES_MAX;
    HeaderValue::from_str(&json).ok().filter(|_| fits).map(DebugTrailer)
}

/// The same JSON in letters that a header may hold.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() && !letter.is_ascii_control() {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a text cannot fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn information(schema: &str) -> DebugInformation {
        DebugInformation { check: None, schema_used: schema.to_owned() }
    }

    #[test]
    fn every_letter_comes_back() {
        let schema = "definition user {} // ü 😀\n\u{7f}";
        let DebugTrailer(value) = DebugTrailer::from_information(&information(schema)).unwrap();
        let read: Value = serde_json::from_str(value.to_str().unwrap()).unwrap();
        assert_eq!(read, json!({ "schemaUsed": schema }));
    }

    #[test]
    fn what_does_not_fit_goes_without_its_schema() {
        for (letter, count) in [("x", BYTES_MAX), ("ü", BYTES_MAX / 3)] {
            let schema = letter.repeat(count);
            let DebugTrailer(value) =
                DebugTrailer::from_information(&information(&schema)).unwrap();
            assert_eq!(value, "{}");
        }
    }
}
