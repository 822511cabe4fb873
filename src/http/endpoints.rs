//! What answers a request: the path decides.

use super::authzen::{Authzen, AuthzenError};
use super::cors::{self, Cors};
use super::failure::Failure;
use super::gateway::{Gateway, RouteError};
use super::health;
use super::openapi::{self, OpenApiDocument};
use super::options::HttpOptions;
use super::request_body::{BodyLimits, RequestBody};
use crate::settings_file::SettingsFileError;
use axum::body::Body;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Method, Request, Response};
use tonic::service::Routes;

const HEALTH: &str = "/healthz";

/// Answers HTTP requests with the gRPC services of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoints(Arc<EndpointState>);

/// Why HTTP requests cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// The descriptors of the methods, which name their routes.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// The options of AuthZEN.
    #[error(transparent)]
    Authzen(#[from] AuthzenError),
}

#[derive(Debug)]
struct EndpointState {
    cors: Cors,
    bodies: BodyLimits,
    gateway: Gateway,
    openapi: OpenApiDocument,
    authzen: Authzen,
}

impl Endpoints {
    /// All that is served over HTTP.
    pub fn new(options: &HttpOptions) -> Result<Self, EndpointsError> {
        let gateway = Gateway::new(usize::from(options.json_depth_max))?;
        Ok(Self(Arc::new(EndpointState {
            cors: Cors::new(&options.cors_allowed_origins),
            bodies: BodyLimits::new(options),
            openapi: OpenApiDocument::new(&gateway)?,
            gateway,
            authzen: Authzen::new(&options.authzen)?,
        })))
    }

    /// The mapping file of AuthZEN, if there is one.
    pub fn mapping_file(&self) -> Option<&Path> {
        self.0.authzen.mapping_file()
    }

    /// Reads the mapping file again. Without success everything stays as it is.
    pub fn reload_mapping(&self) -> Result<(), SettingsFileError> {
        self.0.authzen.reload()
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
        if head.uri.path() == openapi::PATH {
            return self.openapi.response(head.method == Method::HEAD);
        }
        let body = RequestBody::new(body, &self.bodies);
        if self.authzen.has(head.uri.path()) {
            return self.authzen.answer(services, head, body).await;
        }
        self.gateway.answer(services, head, body).await
    }
}
