//! `/healthz`: whether the server serves.

use super::failure::Failure;
use super::grpc_call::{self, CallHeaders};
use super::headers::JSON;
use axum::body::Body;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderMap};
use tonic::codegen::http::{Extensions, Response, StatusCode};
use tonic::service::Routes;

/// An encoded response of the health service whose field 1, the status, is SERVING.
const SERVING: &[u8] = &[8, 1];

/// Whether the server serves, as its health service says.
pub(super) async fn answer(services: Routes) -> Response<Body> {
    let headers = CallHeaders::new(&HeaderMap::new(), Extensions::new());
    // The empty message asks for the whole server.
    let messages = grpc_call::frame(&[]);
    let check = "/grpc.health.v1.Health/Check";

    let mut answers = grpc_call::send(services, check, headers, messages.into()).await;
    match answers.next().await {
        Ok(Some(message)) => {
            let (status, text) = if message == SERVING {
                (StatusCode::OK, "{\"status\":\"SERVING\"}")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"NOT_SERVING\"}")
            };
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        Ok(None) => Failure::no_answer().response(false),
        Err(failure) => failure.response(false),
    }
}
