//! Bounded send queue of a watch stream: a bounded number of changes, for a bounded time.

use crate::api::bounded_stream::{BoundedStream, QueueSender, bounded_stream};
use crate::api::status;
use crate::metrics::{CallMetrics, ReachedLimit};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// Limits of watch streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// Interval of the checkpoints that are sent while nothing changes, to watchers that request checkpoints.
    pub heartbeat: Duration,
    /// Maximum number of changes that are queued for one watcher; at least 1.
    pub buffer_length: u32,
    /// How long the queue may stay full before a watcher counts as too slow.
    pub write_timeout: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            buffer_length: 1024,
            write_timeout: Duration::from_secs(1),
        }
    }
}

/// The queue to one watcher.
#[derive(Debug)]
pub(crate) struct WatchQueue<T> {
    queue: QueueSender<T>,
    options: WatchOptions,
    metrics: Arc<CallMetrics>,
}

impl<T> WatchQueue<T> {
    /// Queues a message that holds `changes` changes, as soon as the queue has capacity for them.
    pub(crate) async fn send(&self, changes: usize, item: T) -> Result<(), Status> {
        let WatchOptions { buffer_length, write_timeout, .. } = self.options;
        let sent = tokio::time::timeout(write_timeout, self.queue.send(changes, item)).await;
        sent.unwrap_or_else(|_| {
            self.metrics.limits().record(ReachedLimit::WatchQueue);
            Err(status::watcher_too_slow(buffer_length, write_timeout))
        })
    }
}

/// A stream of the messages that `produce` sends. An error ends it, after the queued messages.
pub(crate) fn watch_stream<T, P, F>(
    (options, metrics): (WatchOptions, Arc<CallMetrics>),
    produce: P,
) -> BoundedStream<T>
where
    T: Send + 'static,
    P: FnOnce(WatchQueue<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    bounded_stream(options.buffer_length, |queue| produce(WatchQueue { queue, options, metrics }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    const OPTIONS: WatchOptions = WatchOptions {
        heartbeat: Duration::from_secs(1),
        buffer_length: 10,
        write_timeout: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn a_client_that_takes_nothing_gets_what_waits_and_then_an_error() {
        let (reported, given_up) = oneshot::channel();
        let metrics = Arc::new(CallMetrics::new());
        let stream = watch_stream((OPTIONS, metrics), async |queue: WatchQueue<usize>| {
            for number in 0.. {
                if let Err(status) = queue.send(3, number).await {
                    let _ = reported.send(());
                    return Err(status);
                }
            }
            Ok(())
        });
        given_up.await.unwrap();
        let all: Vec<_> = stream.collect().await;
        let taken: Vec<_> = all.iter().map_while(|item| item.as_ref().ok().copied()).collect();
        assert_eq!(taken, [0, 1, 2]);
        let end = all.last().unwrap().as_ref().unwrap_err();
        assert_eq!((end.code(), all.len()), (Code::ResourceExhausted, 4));
    }
}
