//! `CheckBulkPermissions` from the bytes of its message: without contexts and traces, which most have not.
//!
//! The response repeats every item of the request, which is copied as it came. What is not of the usual form is left to the
//! service, which then reads the same bytes.

use crate::api::authzed_v1::check_answer::is_usual_call;
use crate::api::authzed_v1::check_bulk;
use crate::api::bulk_end::BulkEnd;
use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::middleware::message_body;
use crate::api::middleware::operations::Operations;
use crate::api::middleware::received_body::ReceivedBody;
use crate::proto::admit_decoding;
use crate::proto::authzed::api::v1::CheckBulkPermissionsRequest;
use crate::proto::check_fields::{self, BulkCheck};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

/// Longer messages are left to the service, which asks while it reads them whether the caller still waits. Shorter ones take a few
/// milliseconds.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

const PATH: &str = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";

/// A service whose usual bulk checks are answered here.
#[derive(Clone, Debug)]
pub(crate) struct FastBulk<S> {
    inner: S,
    context: Arc<ServiceContext>,
}

impl<S> FastBulk<S> {
    pub(crate) fn new(inner: S, context: ServiceContext) -> Self {
        Self { inner, context: Arc::new(context) }
    }
}

impl<S: NamedService> NamedService for FastBulk<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for FastBulk<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Service<Request<Body>, Future = BoxFuture<Response<Body>, Infallible>>,
    S: Clone + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_usual_call(&request, PATH) {
            return self.inner.call(request);
        }

        let (mut inner, context) = (self.inner.clone(), Arc::clone(&self.context));
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = ReceivedBody::receive(body).await;
            match usual_message(&body) {
                Ok(Some(bulk)) => Ok(answer(&context, &parts, bulk).await),
                Ok(None) => inner.call(Request::from_parts(parts, Body::new(body))).await,
                Err(refusal) => Ok(refusal.into_http()),
            }
        })
    }
}

/// The message of a body, if it is one of the usual form. Refuses one that takes too much memory.
fn usual_message(body: &ReceivedBody) -> Result<Option<BulkCheck>, Status> {
    let message = body.message().filter(|message| message.len() <= MESSAGE_BYTES_MAX);
    let Some(message) = message else { return Ok(None) };
    admit_decoding::<CheckBulkPermissionsRequest>(&message)?;
    Ok(check_fields::bulk_check(&message))
}

/// The response to a usual message.
async fn answer(context: &ServiceContext, call: &Parts, bulk: BulkCheck) -> Response<Body> {
    let access = CallAccess::of_extensions(&call.extensions);
    let end = call.extensions.get::<BulkEnd>().cloned().unwrap_or_default();
    match check_bulk::check_encoded(context, (access, end), bulk).await {
        Ok((message, statistics)) => {
            let mut response = message_body::response(message).map(Body::new);
            response.extensions_mut().insert(Operations::of(&statistics));
            response
        }
        Err(status) => status.into_http(),
    }
}
