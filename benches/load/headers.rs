//! The headers of an official client: those of grpc-python, which the clients of most languages share.

use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::header::{HeaderName, HeaderValue, USER_AGENT};
use tonic::codegen::http::{Request, Response};
use tonic::transport::{Channel, Error};

const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A channel whose calls carry these headers.
#[derive(Clone)]
pub(crate) struct OfficialHeaders(Channel);

impl OfficialHeaders {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(channel)
    }
}

impl Service<Request<Body>> for OfficialHeaders {
    type Response = Response<Body>;
    type Error = Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity, deflate, gzip"));
        let agent = "grpc-python/1.66.1 grpc-c/43.0.0 (linux; chttp2)";
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        self.0.call(request)
    }
}
