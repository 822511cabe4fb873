//! The JSON of a request as messages.

use super::json_scan::{self, Scan, ScanBounds};
use super::routes::HttpRoute;
use crate::http::failure::Failure;
use crate::http::grpc_call::append_frame;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};

/// How the JSON of a route's requests is read.
#[derive(Debug)]
pub(super) struct JsonInput {
    message_type: MessageDescriptor,
    takes_several: bool,
    depth_max: usize,
}

impl JsonInput {
    /// The JSON of a route, of at most so many levels.
    pub(super) fn new(route: &HttpRoute, depth_max: usize) -> Self {
        Self { message_type: route.input(), takes_several: route.streams_request(), depth_max }
    }

    /// The messages of a body, framed for a call: one, or any number where the method takes several. Text after the last one is
    /// ignored where the method takes one.
    pub(super) fn frames(&self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let text = str::from_utf8(body).map_err(|_| Failure::malformed("proto: invalid UTF-8"))?;
        let mut bounds = ScanBounds::new(self.depth_max);
        let mut frames = Vec::new();
        let mut rest = text.trim_ascii_start();
        while !rest.is_empty() {
            let end = json_scan::scan(rest, None, &mut bounds)?;
            let value = rest.get(..end).unwrap_or(rest);
            append_frame(&mut frames, &self.message(value)?);
            if !self.takes_several {
                return Ok(frames);
            }
            rest = rest.get(end..).unwrap_or_default().trim_ascii_start();
        }
        if !self.takes_several {
            append_frame(&mut frames, &[]);
        }
        Ok(frames)
    }

    fn message(&self, text: &str) -> Result<Vec<u8>, Failure> {
        json_scan::scan(text, Some(&self.message_type), &mut ScanBounds::new(self.depth_max))?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        let message_type = self.message_type.clone();
        let message = DynamicMessage::deserialize_with_options(message_type, &mut reader, &options)
            .map_err(|error| Failure::malformed(complaint(text, &error)))?;
        Ok(message.encode_to_vec())
    }
}

/// The complaint in the form that the gateway of SpiceDB has for it.
fn complaint(text: &str, error: &serde_json::Error) -> String {
    let reason = error.to_string();
    // The place stands at the end of the reason too.
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    let column = Scan::column_of(text, error.line(), error.column());
    format!("proto: (line {}:{column}): {reason}", error.line())
}
