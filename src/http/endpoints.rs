//! What answers a request: the path decides.

use super::cors::{self, Cors};
use super::failure::Failure;
use super::gateway::{Gateway, RouteError};
use super::health;
use super::options::HttpOptions;
use super::request_body::{BodyLimits, RequestBody};
use axum::body::Body;
use std::error::Error;
use std::sync::Arc;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Method, Request, Response};
use tonic::service::Routes;

const HEALTH: &str = "/healthz";

/// Answers HTTP requests with the gRPC services of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoints(Arc<EndpointState>);

#[derive(Debug)]
struct EndpointState {
    cors: Cors,
    bodies: BodyLimits,
    gateway: Gateway,
}

impl Endpoints {
    /// All that is served over HTTP. Fails when the protocol's descriptors cannot be read.
    pub fn new(options: &HttpOptions) -> Result<Self, RouteError> {
        Ok(Self(Arc::new(EndpointState {
            cors: Cors::new(&options.cors_allowed_origins),
            bodies: BodyLimits::new(options),
            gateway: Gateway::new(usize::from(options.json_depth_max))?,
        })))
    }

    /// The answer to a request. Dropping the future, or the body of the answer, cancels the call.
    pub async fn answer<B>(&self, services: Routes, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let state = &self.0;
        let origin = state.cors.allowed_origin(request.headers());
        if let Some(origin) = &origin
            && let Some(answer) = cors::preflight(&request, origin)
        {
            return answer;
        }
        let mut response = state.answer(services, request).await;
        if let Some(origin) = origin {
            cors::expose(response.headers_mut(), origin);
        }
        response
    }
}

impl EndpointState {
    async fn answer<B>(&self, services: Routes, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if head.uri.path() == HEALTH {
            return match head.method {
                Method::GET => health::answer(services).await,
                _ => Failure::wrong_method().response(head.method == Method::HEAD),
            };
        }
        let body = RequestBody::new(body, &self.bodies);
        self.gateway.answer(services, head, body).await
    }
}
