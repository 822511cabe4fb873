//! Panics of handlers: each ends its own call, and that with an error like others.

use crate::api::status;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use tonic::Status;

/// The result of a poll, or the error that stands for its panic. What was polled must not be polled again then.
pub(crate) fn caught<T>(poll: impl FnOnce() -> T) -> Result<T, Status> {
    // The panic itself is logged where it happens. Its message stays out of the answer, because it may have parts of the data.
    catch_unwind(AssertUnwindSafe(poll)).map_err(|_panic| status::panicked())
}

/// The output of a future, or the error that stands for its panic.
pub(crate) async fn output_or_fault<T>(
    future: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = caught(|| future.as_mut().poll(context));
        polled.unwrap_or_else(|fault| Poll::Ready(Err(fault)))
    })
    .await
}
