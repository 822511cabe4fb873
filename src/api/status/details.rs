//! Statuses with details: a reason for programs, a message for people, and metadata.

use crate::proto::authzed::api::v1::ErrorReason;
use prost::{Message as _, Name};
use prost_types::Any;
use std::collections::HashMap;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of the reasons.
pub(super) const DOMAIN: &str = "authzed.com";

/// The longest message, in bytes. Statuses travel in headers, encoded twice, for which clients keep as little as 8 KiB.
const MESSAGE_BYTES_MAX: usize = 1_000;
/// The longest metadata value, in bytes: no name or id is cut.
const METADATA_BYTES_MAX: usize = 1_100;

/// A status with a `google.rpc.ErrorInfo`.
pub(super) fn with_reason(
    code: Code,
    reason: ErrorReason,
    message: impl Into<String>,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    let metadata: HashMap<String, String> = metadata
        .into_iter()
        .map(|(name, value)| (name.to_owned(), cut(value, METADATA_BYTES_MAX)))
        .collect();
    let details = ErrorDetails::with_error_info(reason.as_str_name(), DOMAIN, metadata);
    Status::with_error_details(code, cut(message.into(), MESSAGE_BYTES_MAX), details)
}

/// `INVALID_ARGUMENT`: the request itself is wrong.
pub(super) fn invalid(
    reason: ErrorReason,
    message: String,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    with_reason(Code::InvalidArgument, reason, message, metadata)
}

/// `FAILED_PRECONDITION`: the request does not fit the stored state.
pub(super) fn failed(
    reason: ErrorReason,
    message: String,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    with_reason(Code::FailedPrecondition, reason, message, metadata)
}

/// The actual size and the maximum, as metadata.
pub(super) fn sizes(
    name: &'static str,
    size: usize,
    max_name: &'static str,
    max: usize,
) -> [(&'static str, String); 2] {
    [(name, size.to_string()), (max_name, max.to_string())]
}

/// Adds an `ErrorInfo` without a reason to the headers of a failed call that have only a code and a message, so that
/// every failure has the same form, including those of the middleware.
pub(crate) fn explain(headers: &mut HeaderMap) {
    // Looked at first, because reading a status copies all headers.
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return;
    }
    let code = status.code();
    let message = Some(status.message()).filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| code.description());
    let explained = with_reason(code, ErrorReason::Unspecified, message, []);
    // Headers that were parsed from valid ones cannot fail to encode, so the error is ignored.
    let _ = explained.add_header(headers);
}

/// The status with one more detail.
pub(super) fn with_detail<M: Name>(status: &Status, detail: &M) -> Status {
    let mut message = to_message(status);
    message.details.push(Any {
        type_url: format!("type.googleapis.com/{}", M::full_name()),
        value: detail.encode_to_vec(),
    });
    Status::with_details(status.code(), status.message(), message.encode_to_vec().into())
}

/// The status as a message inside of a response.
pub(crate) fn to_message(status: &Status) -> tonic_types::Status {
    tonic_types::Status::decode(status.details())
        .ok()
        .filter(|message| message.code != 0)
        .unwrap_or_else(|| tonic_types::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        })
}

/// A status with a reason that is given by its name.
pub(super) fn explained(code: Code, reason: &str, message: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

/// A text of at most so many bytes.
pub(super) fn cut(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.floor_char_boundary(bytes_max);
    format!("{}…", text.get(..end).unwrap_or_default())
}
