//! JSON over HTTP for the gRPC services, with the routes and forms of the gateway that SpiceDB has.

mod json_input;
mod json_scan;
mod line_stream;
mod routes;

use super::failure::Failure;
use super::grpc_call::{self, CallHeaders, MessageStream, PendingMessages};
use super::headers::{JSON, REQUEST_ID};
use super::json_output;
use super::request_body::{BodyText, RequestBody};
use axum::body::Body;
use json_input::JsonInput;
use line_stream::LineStream;
use prost_reflect::{MessageDescriptor, MethodDescriptor};
use routes::{HttpRoute, RouteTable};
use std::error::Error;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{Method, Response};
use tonic::service::Routes;

pub use routes::RouteError;

/// The type of the answer inside, as clients of SpiceDB's gateway see it.
const INNER_TYPE: HeaderName = HeaderName::from_static("grpc-metadata-content-type");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// Conversions of more bytes than this run on threads of their own, so that they do not delay other requests.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// How many of these run at once; each takes a multiple of its bytes.
const CONVERSIONS_MAX: usize = 4;

/// The methods as routes. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    routes: Arc<RouteTable>,
    depth_max: usize,
    conversions: Arc<Semaphore>,
}

impl Gateway {
    /// A gateway with the routes of the protocol's descriptors.
    pub(super) fn new(depth_max: usize) -> Result<Self, RouteError> {
        let routes = Arc::new(RouteTable::from_descriptors()?);
        Ok(Self { routes, depth_max, conversions: Arc::new(Semaphore::new(CONVERSIONS_MAX)) })
    }

    /// The methods with their paths.
    pub(super) fn methods(&self) -> impl Iterator<Item = (&str, &MethodDescriptor)> {
        self.routes.methods()
    }

    /// The answer of the method that has the path.
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
        let is_head = head.method == Method::HEAD;
        let Some(route) = self.routes.find(head.uri.path()) else {
            return Failure::unknown_path().response(is_head);
        };
        if head.method != Method::POST {
            return Failure::wrong_method().response(is_head);
        }

        let headers = CallHeaders::new(&head.headers, head.extensions);
        let request_id = headers.request_id();
        let called = self.call(services, &route, headers, body).await;
        called.unwrap_or_else(|failure| {
            let failure = if route.streams_response() { failure.in_stream() } else { failure };
            failure.or_request_id(request_id).response(false)
        })
    }

    async fn call<B>(
        &self,
        services: Routes,
        route: &Arc<HttpRoute>,
        headers: CallHeaders,
        body: RequestBody<B>,
    ) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (gateway, input) = (self.clone(), JsonInput::new(route, self.depth_max));
        let messages = async move {
            let text = body.read().await?;
            gateway.frames(input, text).await
        };
        let (messages, mut failed) = PendingMessages::new(headers.admitted(), messages);
        let (path, deadline) = (route.grpc_path(), headers.deadline());
        let mut answers = grpc_call::send(services, path, headers, Body::new(messages)).await;

        let answered = self.response(route, &mut answers).await;
        if answered.is_ok() && is_late(deadline) {
            return Err(Failure::late());
        }
        let metadata = answers.metadata().clone();
        let with_metadata = |mut response: Response<Body>| {
            response.headers_mut().extend(metadata);
            response
        };
        match answered {
            Ok(Answer::Whole(response)) => Ok(with_metadata(response)),
            Ok(Answer::Lines(first)) => {
                let lines = LineStream::new(route.output(), first, answers);
                Ok(with_metadata(success(Body::new(lines))))
            }
            Err(failure) if failure.is_late() && is_late(deadline) => Err(Failure::late()),
            // Its answer has more than the status: that of a body over a limit is none of a call.
            Err(failure) => Err(failed.try_recv().unwrap_or(failure)),
        }
    }

    async fn response(
        &self,
        route: &HttpRoute,
        answers: &mut MessageStream,
    ) -> Result<Answer, Failure> {
        let message = answers.next().await?;
        if route.streams_response() {
            // The first message is waited for, because an error before it decides the status.
            let empty = || Answer::Whole(Response::new(Body::empty()));
            return Ok(message.map_or_else(empty, Answer::Lines));
        }

        let Some(message) = message else { return Err(Failure::no_answer()) };
        // The trailers come after the message: an error there overrules it.
        if answers.next().await?.is_some() {
            return Err(Failure::no_answer());
        }
        let mut response = success(Body::from(self.json(route.output(), message).await?));
        if let Some(id) = answers.request_id() {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(Answer::Whole(response))
    }

    /// The messages of a body, framed for a call.
    async fn frames(&self, input: JsonInput, text: BodyText) -> Result<Vec<u8>, Failure> {
        if text.bytes().len() <= INLINE_BYTES_MAX {
            return input.frames(text.bytes());
        }
        let _permit = self.conversions.acquire().await;
        let read = spawn_blocking(move || input.frames(text.bytes())).await;
        read.unwrap_or_else(|_| Err(Failure::no_answer()))
    }

    /// The JSON of an encoded message.
    async fn json(
        &self,
        message_type: MessageDescriptor,
        message: Vec<u8>,
    ) -> Result<String, Failure> {
        let is_small = message.len() <= INLINE_BYTES_MAX;
        let text = move || json_output::object(message_type, &message).map(|json| json.to_string());
        let text = if is_small {
            text()
        } else {
            let _permit = self.conversions.acquire().await;
            spawn_blocking(text).await.unwrap_or_default()
        };
        text.ok_or_else(Failure::no_answer)
    }
}

/// How a method has answered.
#[derive(Debug)]
enum Answer {
    /// With all there is.
    Whole(Response<Body>),
    /// With the first message of several.
    Lines(Vec<u8>),
}

/// Whether the client no longer waits.
fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

fn success(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(INNER_TYPE, GRPC);
    response
}
