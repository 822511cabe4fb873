//! Errors as HTTP responses.

use super::headers::{JSON, REQUEST_ID};
use super::json_output;
use crate::api::{NO_KEY, WRONG_KEY, broken_off};
use axum::body::Body;
use serde_json::{Value, json};
use std::error::Error;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tonic::codegen::http::{Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What clients get that asked for too much, without a delay of the server's own.
const RETRY_SECONDS: u64 = 1;

/// How callers of AuthZEN show who they are.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"kilwa\"");

/// What callers without a key read from the gateway of SpiceDB.
const SPICEDB_NO_KEY: &str = "invalid preshared key: rpc error: code = Unauthenticated desc = Request unauthenticated with bearer";

const VIOLATIONS: &str = "type.googleapis.com/buf.validate.Violations";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// A limit on requests over HTTP. Answers that it refused carry it in their extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpLimit {
    /// The size of a body.
    Body,
    /// The size of all bodies in progress.
    Bodies,
    /// The time for which nothing of a body comes.
    BodyIdle,
    /// The levels of the JSON in a body.
    JsonDepth,
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) struct Failure {
    http: StatusCode,
    status: Status,
    request_id: Option<HeaderValue>,
    is_in_stream: bool,
    limit: Option<HttpLimit>,
}

impl Failure {
    /// The failure of a call.
    pub(super) fn from_status(status: Status, request_id: Option<HeaderValue>) -> Self {
        let http = http_status(status.code());
        Self { http, status, request_id, is_in_stream: false, limit: None }
    }

    fn new(code: Code, message: impl Into<String>) -> Self {
        Self::from_status(Status::new(code, message), None)
    }

    /// A body that is not the JSON of the request.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// No method has the path.
    pub(super) fn unknown_path() -> Self {
        Self::new(Code::NotFound, "Not Found")
    }

    /// The path is called with another verb.
    pub(super) fn wrong_method() -> Self {
        Self::new(Code::Unimplemented, "Method Not Allowed")
    }

    /// The client no longer waits.
    pub(super) fn late() -> Self {
        Self::new(Code::DeadlineExceeded, "context deadline exceeded")
    }

    /// Whether it says that the time of the call is over.
    pub(super) fn is_late(&self) -> bool {
        self.status.code() == Code::DeadlineExceeded
    }

    /// A service ended a call without an answer, or with one too many.
    pub(super) fn no_answer() -> Self {
        Self::new(Code::Internal, "the service gave no answer that has the form of its method")
    }

    /// The bodies of all requests take too much memory.
    pub(super) fn bodies_too_large() -> Self {
        let message = "the bodies of all requests are longer than --http-max-bodies-size allows: try again later";
        Self { limit: Some(HttpLimit::Bodies), ..Self::new(Code::ResourceExhausted, message) }
    }

    /// The client broke off the body.
    pub(super) fn broken_body(error: Box<dyn Error + Send + Sync>) -> Self {
        let status = match error.downcast::<Status>() {
            Ok(status) => *status,
            Err(error) => broken_off(error),
        };
        Self::from_status(status, None)
    }

    /// The body is too long, for the limit that a flag sets, or for one that none does.
    pub(super) fn body_too_large(bytes_max: usize, flag: Option<&str>) -> Self {
        let set = flag.map(|flag| format!(", which {flag} sets")).unwrap_or_default();
        let message = format!("the body of the request is longer than {bytes_max} bytes{set}");
        let failure = Self::new(Code::ResourceExhausted, message);
        let limit = Some(HttpLimit::Body);
        Self { http: StatusCode::PAYLOAD_TOO_LARGE, limit, ..failure }
    }

    /// The rest of the body does not come.
    pub(super) fn body_too_slow() -> Self {
        let message = "nothing more of the body of the request came in the time that --http-body-idle-timeout sets";
        let failure = Self::new(Code::DeadlineExceeded, message);
        let limit = Some(HttpLimit::BodyIdle);
        Self { http: StatusCode::REQUEST_TIMEOUT, limit, ..failure }
    }

    /// The JSON of the body has too many levels.
    pub(super) fn json_too_deep(depth_max: usize) -> Self {
        let message = format!(
            "the body is JSON of more than {depth_max} levels, which --http-max-json-depth sets"
        );
        Self { limit: Some(HttpLimit::JsonDepth), ..Self::malformed(message) }
    }

    /// The same as the only line of a stream.
    pub(super) fn in_stream(self) -> Self {
        Self { is_in_stream: true, ..self }
    }

    /// The same with an id, unless it has one.
    pub(super) fn or_request_id(self, request_id: Option<HeaderValue>) -> Self {
        Self { request_id: self.request_id.or(request_id), ..self }
    }

    /// The JSON of the status.
    pub(super) fn value(&self) -> Value {
        let mut value = json_output::status(self.status.details()).unwrap_or_else(|| {
            let code = i32::from(self.status.code());
            json!({"code": code, "message": self.status.message(), "details": []})
        });
        if let Some(message) = gateway_message(&value)
            && let Some(shown) = value.get_mut("message")
        {
            *shown = Value::from(message);
        }
        if let Some(details) = value.get_mut("details").and_then(Value::as_array_mut) {
            details.retain(|detail| !is_empty_detail(detail));
            // The same fields again, for clients of gRPC that know this form alone.
            if details.iter().any(|detail| is_of(detail, VIOLATIONS)) {
                details.retain(|detail| !is_of(detail, BAD_REQUEST));
            }
        }
        if self.is_in_stream { json!({"error": value}) } else { value }
    }

    /// The status with which the call ends.
    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// Its code.
    pub(super) fn code(&self) -> Code {
        self.status.code()
    }

    /// Its text.
    pub(super) fn message(&self) -> &str {
        self.status.message()
    }

    /// Its HTTP status.
    pub(super) fn http_status(&self) -> u16 {
        self.http.as_u16()
    }

    /// The response whose body is the text alone, as AuthZEN has it.
    pub(super) fn text_response(self) -> Response<Body> {
        let text = Value::from(self.status.message()).to_string();
        // There, 403 is for those who have shown who they are.
        let is_stranger = self.status.message() == WRONG_KEY;
        let mut response = self.response(false);
        if is_stranger {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        *response.body_mut() = Body::from(text);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
        }
        response
    }

    /// The response, without a body for the verb HEAD.
    pub(super) fn response(self, is_head: bool) -> Response<Body> {
        let body = if is_head { Body::empty() } else { Body::from(self.value().to_string()) };
        let mut response = Response::new(body);
        *response.status_mut() = self.http;
        if let Some(limit) = self.limit {
            response.extensions_mut().insert(limit);
        }

        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if self.http == StatusCode::UNAUTHORIZED
            && let Ok(message) = HeaderValue::from_str(shown_message(&self.status))
        {
            headers.insert(WWW_AUTHENTICATE, message);
        }
        if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&self.http) {
            let delay = self.status.get_details_retry_info().and_then(|info| info.retry_delay);
            let seconds = delay.map_or(RETRY_SECONDS, |delay| {
                delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
            });
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(id) = self.request_id {
            headers.insert(REQUEST_ID, id);
        }
        response
    }
}

/// The text of errors for which the gateway of SpiceDB has words that programs may look for: a missing key, and the rules that
/// fields break.
fn gateway_message(status: &Value) -> Option<String> {
    let message = status.get("message")?.as_str()?;
    if message == NO_KEY {
        return Some(SPICEDB_NO_KEY.to_owned());
    }
    let details = status.get("details")?.as_array()?;
    let violations = details.iter().find(|detail| is_of(detail, VIOLATIONS))?;
    let violations = violations.get("violations")?.as_array()?;
    let mut lines = violations.iter().filter_map(violation_line);
    let first = lines.next()?;
    let others = message.rsplit_once("\n - and ").map(|(_, others)| format!("and {others}"));
    let more: Vec<_> = lines.chain(others).collect();
    if more.is_empty() {
        return Some(format!("validation error: {first}"));
    }
    Some(format!("validation errors:\n - {first}\n - {}", more.join("\n - ")))
}

/// The text of a status as the gateway's header shows it.
fn shown_message(status: &Status) -> &str {
    if status.message() == NO_KEY { SPICEDB_NO_KEY } else { status.message() }
}

/// `updates[0].operation: must not be in list [0]`.
fn violation_line(violation: &Value) -> Option<String> {
    let elements = violation.get("field")?.get("elements")?.as_array()?;
    let names = elements.iter().filter_map(|element| {
        let name = element.get("fieldName")?.as_str()?;
        let index = element.get("index").and_then(Value::as_str);
        Some(index.map_or_else(|| name.to_owned(), |index| format!("{name}[{index}]")))
    });
    let path = names.collect::<Vec<_>>().join(".");
    Some(format!("{path}: {}", violation.get("message")?.as_str()?))
}

/// Whether a detail is a message of this type.
fn is_of(detail: &Value, type_url: &str) -> bool {
    detail.get("@type").is_some_and(|found| found == type_url)
}

/// Whether a detail names no reason, as that of an error without one.
fn is_empty_detail(detail: &Value) -> bool {
    detail.get("reason").is_some_and(|reason| reason == "ERROR_REASON_UNSPECIFIED")
}

/// The HTTP status of a code, as gRPC gateways choose it.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // "Client closed request", which no standard names.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_status_of_the_gateway_of_spicedb() {
        let statuses = (0..=16).map(|code| http_status(Code::from_i32(code)).as_u16());
        let expected =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        assert_eq!(statuses.collect::<Vec<_>>(), expected);
    }
}
