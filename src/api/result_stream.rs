//! Streams of results: produced piece by piece, at the pace of the client, and no longer than it listens.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// How many results may wait for the client.
const WAITING_MAX: usize = 64;
/// The same for results that are pages of thousands.
const PAGES_WAITING_MAX: usize = 2;

/// What a streaming call answers.
pub(crate) type Results<T> = ReceiverStream<Result<T, Status>>;

/// Where a producer puts its results.
#[derive(Debug)]
pub(crate) struct Sink<T> {
    sender: mpsc::Sender<Result<T, Status>>,
    patience: Patience,
    /// For how long the client has kept the stream waiting, in nanoseconds.
    waited: AtomicU64,
}

/// How long a stream waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For one result.
    pub(crate) idle_max: Duration,
    /// For the client to take results, in total. However often it takes one, the revision that the stream reads is pinned
    /// against garbage collection only for so long.
    pub(crate) client_max: Duration,
}

impl<T> Sink<T> {
    /// Hands a result to the client, as soon as it takes it.
    pub(crate) async fn send(&self, item: T) -> Result<(), Status> {
        let start = Instant::now();
        in_time(self.patience.idle_max, async {
            // A closed channel ends the producer by itself.
            let _ = self.sender.send(Ok(item)).await;
            Ok(())
        })
        .await?;

        let waited = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before = self.waited.fetch_add(waited, Ordering::Relaxed);
        let total = Duration::from_nanos(before.saturating_add(waited));
        if total > self.patience.client_max { Err(self.too_slow()) } else { Ok(()) }
    }

    fn too_slow(&self) -> Status {
        Status::deadline_exceeded(format!(
            "the client took the results too slowly: the stream waited for it for more than {:?} in total; continue from the last cursor",
            self.patience.client_max
        ))
    }

    /// The outcome of work towards the next result, unless it takes too long.
    pub(crate) async fn wait<O>(
        &self,
        work: impl Future<Output = Result<O, Status>>,
    ) -> Result<O, Status> {
        in_time(self.patience.idle_max, work).await
    }
}

async fn in_time<O>(
    idle_max: Duration,
    work: impl Future<Output = Result<O, Status>>,
) -> Result<O, Status> {
    tokio::time::timeout(idle_max, work).await.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!(
            "operation took longer than allowed {idle_max:?} to complete"
        )))
    })
}

/// A stream of what `produce` sends. An error ends it. When the client goes away, or waits or lets wait longer than
/// is allowed for one result or for all, the producer is dropped where it stands.
pub(crate) fn stream<T, P, F>(patience: Patience, produce: P) -> Results<T>
where
    T: Send + 'static,
    P: FnOnce(Sink<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    produced(WAITING_MAX, patience, produce)
}

/// The same for large results, of which only few may wait.
pub(crate) fn pages<T, P, F>(patience: Patience, produce: P) -> Results<T>
where
    T: Send + 'static,
    P: FnOnce(Sink<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    produced(PAGES_WAITING_MAX, patience, produce)
}

fn produced<T, P, F>(waiting_max: usize, patience: Patience, produce: P) -> Results<T>
where
    T: Send + 'static,
    P: FnOnce(Sink<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(waiting_max);
    let waited = AtomicU64::new(0);
    let producing = produce(Sink { sender: sender.clone(), patience, waited });
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            result = producing => {
                if let Err(status) = result {
                    // Nobody listens any more: there is nobody to tell.
                    let _ = sender.send(Err(status)).await;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    const HOUR: Duration = Duration::from_hours(1);
    const SHORT: Patience = Patience { idle_max: Duration::from_millis(1), client_max: HOUR };
    const LONG: Patience = Patience { idle_max: HOUR, client_max: HOUR };

    #[tokio::test]
    async fn results_come_in_order_and_an_error_ends_them() {
        let results = stream(LONG, async |sink: Sink<usize>| {
            for number in 0..1_000 {
                sink.send(number).await?;
            }
            Err(Status::aborted("enough"))
        });
        let all: Vec<_> =
            results.map(|result| result.map_err(|status| status.code())).collect().await;
        let mut expected: Vec<_> = (0..1_000).map(Ok).collect();
        expected.push(Err(Code::Aborted));
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn work_that_takes_too_long_ends_the_stream() {
        let mut results =
            stream(SHORT, async |sink: Sink<()>| sink.wait(std::future::pending()).await);
        let end = results.next().await.unwrap().unwrap_err();
        assert_eq!(end.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_ends_the_stream() {
        let (told, given_up) = oneshot::channel();
        let results = stream(SHORT, async |sink: Sink<usize>| {
            for number in 0..=WAITING_MAX {
                if let Err(status) = sink.send(number).await {
                    let _ = told.send((number, status.code()));
                    return Err(status);
                }
            }
            Ok(())
        });
        assert_eq!(given_up.await.unwrap(), (WAITING_MAX, Code::DeadlineExceeded));
        drop(results);
    }

    #[tokio::test]
    async fn a_client_that_always_reads_a_little_ends_the_stream_in_the_end() {
        let patience = Patience { client_max: Duration::from_millis(20), ..LONG };
        let mut results = produced(1, patience, async |sink: Sink<u32>| {
            for number in 0.. {
                sink.send(number).await?;
            }
            Ok(())
        });
        let end = loop {
            // The pace of the client.
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Err(status) = results.next().await.unwrap() {
                break status;
            }
        };
        assert_eq!(end.code(), Code::DeadlineExceeded);
        assert!(end.message().contains("continue from the last cursor"), "{end:?}");
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_work() {
        let (dropped, gone) = oneshot::channel::<()>();
        let results = stream(LONG, async |sink: Sink<()>| {
            let _held = dropped;
            sink.wait(std::future::pending()).await
        });
        drop(results);
        gone.await.unwrap_err();
    }
}
