//! A fixed reference server: bare hyper that answers every call with bytes of a check's size, and makes no decision.
//!
//! It says what a call costs on a machine at the least, with the same HTTP/2 library as the server has. It stays as it is when the server changes. Calls are answered in the task of
//! their connection, all that arrived together, so that the answers leave in one write: a task for each call would cost more than all else.

use super::messages::{begin_message, end_message};
use super::protobuf::{write_nested, write_number, write_text};
use http_body::{Body, Frame};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::mem::take;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// What only this server answers without an error.
pub(super) const IDENTITY_PATH: &str = "/kilwa.bench.Reference/Identify";
/// A token of the length that those of the server have.
const TOKEN: &str = "a-token-of-the-length-that-those-of-a-server-have";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");

/// Why the reference server does not serve.
#[derive(Debug, Error)]
#[error("the reference server cannot listen at {address}: {error}")]
pub struct ReferenceError {
    address: SocketAddr,
    error: io::Error,
}

/// Serves until the process ends; `listening` hears where.
pub fn serve(
    address: SocketAddr,
    listening: impl FnOnce(SocketAddr),
) -> Result<Infallible, ReferenceError> {
    let failed = |error| ReferenceError { address, error };
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        listening(listener.local_addr().map_err(failed)?);
        let answer = answer();
        loop {
            // A connection that ends before it is accepted concerns no other.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_connection(stream, answer.clone()));
            }
        }
    })
}

/// The message of every answer: that of a check, with a yes.
fn answer() -> Bytes {
    let mut message = Vec::new();
    begin_message(&mut message);
    write_nested(&mut message, 1, |out| write_text(out, 1, TOKEN));
    write_number(&mut message, 2, 2);
    end_message(&mut message);
    message.into()
}

async fn serve_connection(stream: TcpStream, answer: Bytes) {
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| {
        let body = ReferenceBody { message: Some(answer.clone()), has_trailers: true };
        async move {
            read_whole(request.into_body()).await;
            let mut response = Response::new(body);
            response.headers_mut().insert(CONTENT_TYPE, GRPC);
            Ok::<_, Infallible>(response)
        }
    });

    let executor = InlineExecutor::default();
    let connection = http2::Builder::new(executor.clone())
        .max_concurrent_streams(10_000)
        .serve_connection(TokioIo::new(stream), service);
    // A client that leaves is no matter.
    drop(executor.drive(pin!(connection)).await);
}

async fn read_whole(mut body: Incoming) {
    while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {}
}

/// The body of every answer.
struct ReferenceBody {
    message: Option<Bytes>,
    has_trailers: bool,
}

impl Body for ReferenceBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if take(&mut self.has_trailers) {
            let trailers = HeaderMap::from_iter([(GRPC_STATUS, OK)]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }
}

/// A call until its response has been sent.
type ReferenceCall = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the calls of a connection, to poll them in its task.
#[derive(Clone, Default)]
struct InlineExecutor(Arc<Mutex<Vec<ReferenceCall>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for InlineExecutor {
    fn execute(&self, call: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(call));
    }
}

impl InlineExecutor {
    /// Polls a connection and its calls. Calls that are not ready at once get tasks of their own.
    async fn drive<C: Future>(&self, mut connection: Pin<&mut C>) -> C::Output {
        poll_fn(|context| {
            loop {
                let polled = connection.as_mut().poll(context);
                let calls = take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
                let has_calls = !calls.is_empty();
                for mut call in calls {
                    if call.as_mut().poll(context).is_pending() {
                        tokio::spawn(call);
                    }
                }
                if polled.is_ready() || !has_calls {
                    return polled;
                }
            }
        })
        .await
    }
}
