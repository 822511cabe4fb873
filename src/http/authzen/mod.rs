//! AuthZEN: the Authorization API 1.0 of the OpenID Foundation, on top of the services.

mod action_page;
mod evaluation;
mod input;
mod mapping;
mod metadata;
mod reason;
mod search;

use super::failure::Failure;
use super::grpc_call::{self, CallHeaders, MessageStream, PendingMessages};
use super::headers::{JSON, REQUEST_ID};
use super::options::AuthzenOptions;
use super::request_body::RequestBody;
use crate::api::BulkEnd;
use crate::settings_file::SettingsFileError;
use axum::body::Body;
use evaluation::EvaluationPlan;
use mapping::{AuthzenMapping, SharedMapping};
use metadata::PdpMetadata;
use search::{SearchKind, SearchPlan};
use serde_json::Value;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{Method, Response, StatusCode};
use tonic::service::Routes;

pub use metadata::BaseUrlError;

/// The longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
const CHECK_BULK: &str = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";
const LOOKUP_SUBJECTS: &str = "/authzed.api.v1.PermissionsService/LookupSubjects";
const LOOKUP_RESOURCES: &str = "/authzed.api.v1.PermissionsService/LookupResources";
const LIST_PERMISSIONS: &str = "/kilwa.v1.PermissionsService/ListPermissions";

/// Why AuthZEN cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AuthzenError {
    /// The mapping file.
    #[error(transparent)]
    Mapping(#[from] SettingsFileError),
    /// The base URL.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
}

/// The policy decision point.
#[derive(Debug)]
pub(super) struct Authzen {
    mapping: SharedMapping,
    metadata: Option<PdpMetadata>,
}

/// A path that requests are posted to.
#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Evaluation,
    Evaluations,
    Search(SearchKind),
}

/// How the answers of a call become the response.
#[derive(Debug)]
enum Plan {
    Evaluation(EvaluationPlan),
    Search(SearchPlan),
}

impl Endpoint {
    fn find(path: &str) -> Option<Self> {
        match path {
            "/access/v1/evaluation" => Some(Self::Evaluation),
            "/access/v1/evaluations" => Some(Self::Evaluations),
            "/access/v1/search/subject" => Some(Self::Search(SearchKind::Subject)),
            "/access/v1/search/resource" => Some(Self::Search(SearchKind::Resource)),
            "/access/v1/search/action" => Some(Self::Search(SearchKind::Action)),
            _ => None,
        }
    }

    fn grpc_path(self) -> &'static str {
        match self {
            Self::Evaluation | Self::Evaluations => CHECK_BULK,
            Self::Search(SearchKind::Subject) => LOOKUP_SUBJECTS,
            Self::Search(SearchKind::Resource) => LOOKUP_RESOURCES,
            Self::Search(SearchKind::Action) => LIST_PERMISSIONS,
        }
    }

    fn plan(
        self,
        body: &[u8],
        mapping: Arc<AuthzenMapping>,
        end: &BulkEnd,
    ) -> Result<(Plan, Vec<u8>), Failure> {
        let planned = match self {
            Self::Evaluation => EvaluationPlan::new(body, &mapping, false, end)
                .map(|(plan, request)| (Plan::Evaluation(plan), request)),
            Self::Evaluations => EvaluationPlan::new(body, &mapping, true, end)
                .map(|(plan, request)| (Plan::Evaluation(plan), request)),
            Self::Search(kind) => SearchPlan::new(kind, body, mapping)
                .map(|(plan, request)| (Plan::Search(plan), request)),
        };
        planned.map_err(Failure::malformed)
    }
}

impl Authzen {
    /// The decision point with these options.
    pub(super) fn new(options: &AuthzenOptions) -> Result<Self, AuthzenError> {
        let metadata = options.base_url.as_deref().map(PdpMetadata::new).transpose()?;
        Ok(Self { mapping: SharedMapping::new(options.mapping_file.clone())?, metadata })
    }

    /// The mapping file, if there is one.
    pub(super) fn mapping_file(&self) -> Option<&Path> {
        self.mapping.file()
    }

    /// Reads the mapping file again. Without success everything stays as it is.
    pub(super) fn reload(&self) -> Result<(), SettingsFileError> {
        self.mapping.reload()
    }

    /// Whether it has a path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.endpoint(path).is_some() || self.metadata_at(path).is_some()
    }

    /// The endpoint of a path, with the path of the base URL in front of it or without: a proxy may take it off.
    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let base = self.metadata.as_ref().map_or("", PdpMetadata::base_path);
        Endpoint::find(path).or_else(|| Endpoint::find(path.strip_prefix(base)?))
    }

    fn metadata_at(&self, path: &str) -> Option<&PdpMetadata> {
        self.metadata.as_ref().filter(|metadata| metadata.path() == path)
    }

    /// The answer to a request for one of its paths.
    pub(super) async fn answer<B>(
        &self,
        services: Routes,
        head: Parts,
        body: RequestBody<B>,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = head.uri.path();
        let request_id = head.headers.get(REQUEST_ID).cloned();
        if let Some(metadata) = self.metadata_at(path) {
            return match head.method {
                // The connection sends no body to a request with HEAD.
                Method::GET | Method::HEAD => {
                    response(StatusCode::OK, metadata.text().to_owned(), request_id)
                }
                _ => wrong_method("GET, HEAD", request_id),
            };
        }
        let Some(endpoint) = self.endpoint(path) else {
            return Failure::unknown_path().response(false);
        };
        if head.method != Method::POST {
            return wrong_method("POST", request_id);
        }

        let headers = CallHeaders::new(&head.headers, head.extensions);
        let answered = if is_json(&head.headers) {
            self.call(services, endpoint, headers, body.at_most(BODY_BYTES_MAX)).await
        } else {
            Err(Failure::malformed("the content type must be `application/json`"))
        };
        match answered {
            Ok(answer) => response(StatusCode::OK, answer.to_string(), request_id),
            Err(failure) => failure.or_request_id(request_id).text_response(),
        }
    }

    async fn call<B>(
        &self,
        services: Routes,
        endpoint: Endpoint,
        mut headers: CallHeaders,
        body: RequestBody<B>,
    ) -> Result<Value, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mapping = self.mapping.current();
        let end = BulkEnd::default();
        headers.extend(end.clone());
        let (planned, mut plan) = oneshot::channel();
        let messages = async move {
            let text = body.read().await?;
            let (plan, request) = endpoint.plan(text.bytes(), mapping, &end)?;
            // No one waits for it when the request was given up.
            let _ = planned.send(plan);
            Ok(grpc_call::frame(&request))
        };
        let (messages, mut failed) = PendingMessages::new(headers.admitted(), messages);
        let path = endpoint.grpc_path();
        let answers = grpc_call::send(services, path, headers, Body::new(messages)).await;

        let answered = collect(answers).await;
        match (plan.try_recv(), answered) {
            (Ok(Plan::Evaluation(plan)), answered) => plan.answer(answered),
            (Ok(Plan::Search(plan)), answered) => plan.answer(answered),
            (Err(_), Err(failure)) => Err(failed.try_recv().unwrap_or(failure)),
            (Err(_), Ok(_)) => Err(failed.try_recv().unwrap_or_else(|_| Failure::no_answer())),
        }
    }
}

/// All messages of a call, of which every endpoint asks for a bounded number.
async fn collect(mut answers: MessageStream) -> Result<Vec<Vec<u8>>, Failure> {
    let mut messages = Vec::new();
    while let Some(message) = answers.next().await? {
        messages.push(message);
    }
    Ok(messages)
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = content_type.and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn wrong_method(allowed: &'static str, request_id: Option<HeaderValue>) -> Response<Body> {
    let text = Value::from(format!("the method must be one of: {allowed}")).to_string();
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, text, request_id);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn response(status: StatusCode, text: String, request_id: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    if let Some(id) = request_id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
