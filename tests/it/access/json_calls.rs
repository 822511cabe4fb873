//! Calls of any method as JSON over HTTP.

use super::calls::Answer;
use crate::http_support::{HttpAnswer, routes, send};
use prost_reflect::{DynamicMessage, MethodDescriptor, Value as FieldValue};
use serde_json::{Deserializer, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The kinds of changes that a watch names: relationships, and checkpoints.
const UPDATES: i32 = 1;
const CHECKPOINTS: i32 = 3;

/// How a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Json,
}

/// The methods that can be called so, by their path in gRPC.
#[derive(Debug)]
pub(super) struct JsonMethods(BTreeMap<String, (MethodDescriptor, String)>);

static METHODS: LazyLock<JsonMethods> = LazyLock::new(|| {
    let paths = routes().into_iter().map(|(method, route)| {
        let service = method.parent_service().full_name().to_owned();
        (format!("/{service}/{}", method.name()), (method, route))
    });
    JsonMethods(paths.collect())
});

impl JsonMethods {
    pub(super) fn all() -> &'static Self {
        &METHODS
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Calls the method of a path and reads all of the answer.
    pub(super) async fn call(
        &self,
        endpoint: &str,
        key: &str,
        path: &str,
        message: &[u8],
    ) -> Answer {
        self.read_until(endpoint, [key, path], message, |_| false).await
    }

    /// Starts a watch and reads the answer up to its first line. There is one in any case: a checkpoint is asked for.
    pub(super) async fn begin(
        &self,
        endpoint: &str,
        key: &str,
        path: &str,
        message: &[u8],
    ) -> Answer {
        let (method, _) = &self.0[path];
        let mut message = DynamicMessage::decode(method.input(), message).unwrap();
        let kinds = message.get_field_by_name("optional_update_kinds").unwrap().into_owned();
        let FieldValue::List(mut kinds) = kinds else { panic!("{kinds:?}") };
        // Without any kind, relationships are meant.
        if kinds.is_empty() {
            kinds.push(FieldValue::EnumNumber(UPDATES));
        }
        kinds.push(FieldValue::EnumNumber(CHECKPOINTS));
        message.set_field_by_name("optional_update_kinds", FieldValue::List(kinds));
        let message = prost::Message::encode_to_vec(&message);
        self.read_until(endpoint, [key, path], &message, |_| true).await
    }

    /// Calls the method of a path and reads its answer up to the first line after which `is_last` holds for all lines.
    pub(super) async fn read_until(
        &self,
        endpoint: &str,
        [key, path]: [&str; 2],
        message: &[u8],
        is_last: impl Fn(&[u8]) -> bool,
    ) -> Answer {
        let (method, route) = &self.0[path];
        let message = DynamicMessage::decode(method.input(), message).unwrap();
        let json = serde_json::to_string(&message).unwrap();
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str())];
        let is_endless = method.name() == "Watch";
        let received = send(endpoint, ["POST", route], &headers, &json, |received| {
            // Each line is a part of the body of its own.
            is_endless && received.ends_with(b"\n\r\n") && is_last(received)
        });
        answer(&received.await)
    }
}

/// What has come, as an answer to the same call over gRPC.
fn answer(received: &[u8]) -> Answer {
    let http = HttpAnswer::parse(received);
    let head = received.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8(received[..head].to_vec()).unwrap();
    let mut answer = Answer { headers, messages: Vec::new(), error: None };

    for value in Deserializer::from_str(&http.body).into_iter::<Value>() {
        let value = value.unwrap_or_else(|error| panic!("{error}: {http:?}"));
        let is_whole = http.status != 200 && value["code"].is_u64();
        let in_stream = value.get("error").filter(|error| error.is_object());
        let failed = if is_whole { Some(&value) } else { in_stream };
        match failed {
            Some(error) => answer.error = Some(status(error)),
            None => answer.messages.push(value.to_string().into_bytes()),
        }
    }

    let code = answer.error.as_ref().map_or(Code::Ok, Status::code);
    if answer.messages.is_empty() {
        let denied = code == Code::PermissionDenied;
        assert_eq!(
            (http.status == 200, http.status == 403),
            (code == Code::Ok, denied),
            "{http:?}"
        );
    } else {
        assert_eq!(http.status, 200, "{http:?}");
    }
    answer
}

/// The status of a call that failed. Its details are the JSON of all of them.
fn status(error: &Value) -> Status {
    let code = Code::from_i32(error["code"].as_i64().unwrap().try_into().unwrap());
    let message = error["message"].as_str().unwrap();
    let details = error["details"].as_array().unwrap();
    let of_role = details.iter().find(|detail| detail["reason"] == "ACCESS_DENIED");
    let Some(info) = of_role else {
        return Status::with_details(code, message, error["details"].to_string().into());
    };
    let metadata: HashMap<String, String> =
        serde_json::from_value(info["metadata"].clone()).unwrap();
    let domain = info["domain"].as_str().unwrap();
    Status::with_error_details(
        code,
        message,
        ErrorDetails::with_error_info("ACCESS_DENIED", domain, metadata),
    )
}
