//! The accept loop: accepts connections up to the limit, and continues when the system refuses one.

use super::registry::{Registry, Ticket};
use crate::telemetry::Throttle;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long to wait after a failed accept; twice as long after each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// The longest wait after a failed accept.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How often one kind of trouble is logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Serves connections until the sender of `stopped` says so or is dropped, then until every connection has ended. Dropping
/// the future cuts them off.
pub(super) async fn listen<F>(
    listener: TcpListener,
    serve: impl Fn(TcpStream, Ticket) -> F,
    registry: Arc<Registry>,
    mut stopped: watch::Receiver<()>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = backoff.accept(&listener) => match accepted {
                Ok(stream) => {
                    serve_or_close(stream, &serve, &registry, &mut connections).await;
                }
                Err(error) => {
                    // A connection without a key has the descriptor that one with a key could use.
                    registry.make_room();
                    log_refused(&error);
                }
            }
        }
    }

    drop(listener);
    registry.drain();
    while connections.join_next().await.is_some() {}
}

/// Serves a new connection, or closes it when it gets no slot.
async fn serve_or_close<F>(
    stream: TcpStream,
    serve: &impl Fn(TcpStream, Ticket) -> F,
    registry: &Arc<Registry>,
    connections: &mut JoinSet<()>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
    let Ok(ticket) = registry.admit().await else {
        // Closed at once: a connection that waits in the backlog would delay those that arrive once a slot is free.
        drop(stream);
        if let Some(suppressed) = THROTTLE.admit(Instant::now().into_std()) {
            let max = registry.max();
            tracing::warn!(
                max,
                suppressed,
                "a connection was closed because as many are open as --grpc-max-connections allows"
            );
        }
        return;
    };

    // Answers are small and are waited for. Where this fails the connection is gone already.
    let _ = stream.set_nodelay(true);
    connections.spawn(Box::pin(serve(stream, ticket)));
}

fn log_refused(error: &io::Error) {
    static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
    if let Some(suppressed) = THROTTLE.admit(Instant::now().into_std()) {
        tracing::error!(
            %error,
            suppressed,
            "no connection can be accepted; trying again (is the limit of open files too low? see ulimit -n)"
        );
    }
}

/// Accepts, and waits longer and longer while that fails.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
    retry_at: Option<Instant>,
}

impl Backoff {
    /// The next connection. Fails when the system refuses it; the next call then waits first.
    async fn accept(&mut self, listener: &TcpListener) -> io::Result<TcpStream> {
        if let Some(at) = self.retry_at {
            tokio::time::sleep_until(at).await;
            self.retry_at = None;
        }
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    self.failures = 0;
                    return Ok(stream);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    self.retry_at = Some(Instant::now() + delay(self.failures));
                    self.failures = self.failures.saturating_add(1);
                    return Err(error);
                }
            }
        }
    }
}

fn delay(failures: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(BACKOFF_MAX)
}

/// Whether the failure says nothing about the next connection.
fn concerns_one_connection(error: &io::Error) -> bool {
    [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionRefused,
        ErrorKind::Interrupted,
    ]
    .contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_second() {
        assert_eq!(delay(0), BACKOFF_MIN);
        assert_eq!(delay(1), BACKOFF_MIN * 2);
        assert_eq!(delay(40), BACKOFF_MAX);
    }
}
