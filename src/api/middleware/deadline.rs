//! Deadlines of calls.

use crate::api::middleware::stream_methods::is_stream_method;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::codegen::http::header::{HeaderMap, HeaderName};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Ends when the time of a call is over. Its timer starts when something waits for it, as most answers are there at once.
pub(super) struct Deadline {
    end: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn at(end: Instant) -> Self {
        Self { end, timer: None }
    }

    /// Ready when the time is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(self.end)));
        timer.as_mut().poll(context)
    }
}

/// How much earlier than the client's deadline the server gives up, so that its answer still arrives.
const DEADLINE_MARGIN: Duration = Duration::from_millis(2);

/// The time that a call has: what its client waits, or else what the server allows a call with a single request and a
/// single response. Streams have limits of their own, which know whether the client or the server is idle.
pub(super) fn of_call(headers: &HeaderMap, path: &str, allowed: Duration) -> Option<Duration> {
    requested(headers).or_else(|| (!is_stream_method(path)).then_some(allowed))
}

/// How long the client waits, as it said.
fn requested(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (amount, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if amount.len() > 8 {
        return None;
    }
    let amount: u64 = amount.parse().ok()?;
    let waits = match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    Some(waits.saturating_sub(DEADLINE_MARGIN))
}

/// The result of a future, unless the deadline passes first.
pub(super) async fn before<F: Future>(
    deadline: &mut Option<Deadline>,
    future: F,
) -> Option<F::Output> {
    match deadline {
        None => Some(future.await),
        Some(deadline) => tokio::select! {
            biased;
            output = future => Some(output),
            () = poll_fn(|context| deadline.poll(context)) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::codegen::http::header::HeaderValue;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_str(text).unwrap());
            requested(&headers)
        };
        let less = |duration: Duration| Some(duration.saturating_sub(DEADLINE_MARGIN));
        assert_eq!(read("3H"), less(Duration::from_hours(3)));
        assert_eq!(read("99999999S"), less(Duration::from_secs(99_999_999)));
        assert_eq!(read("1n"), Some(Duration::ZERO));
        for text in ["", "5", "S", "5x", "-5S", "123456789S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
