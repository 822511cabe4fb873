//! Streams of results: produced piece by piece, at the pace of the client, and no longer than it listens.

use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// How many results may wait for the client.
const WAITING_MAX: usize = 64;
/// The same for results that are pages of thousands.
const PAGES_WAITING_MAX: usize = 2;

/// What a streaming call answers.
pub(super) type Results<T> = ReceiverStream<Result<T, Status>>;

/// Where a producer puts its results.
#[derive(Debug)]
pub(super) struct Sink<T> {
    sender: mpsc::Sender<Result<T, Status>>,
    idle_max: Duration,
}

impl<T> Sink<T> {
    /// Hands a result to the client, as soon as it takes it.
    pub(super) async fn send(&self, item: T) -> Result<(), Status> {
        in_time(self.idle_max, async {
            // A closed channel ends the producer by itself.
            let _ = self.sender.send(Ok(item)).await;
            Ok(())
        })
        .await
    }

    /// The outcome of work towards the next result, unless it takes too long.
    pub(super) async fn wait<O>(
        &self,
        work: impl Future<Output = Result<O, Status>>,
    ) -> Result<O, Status> {
        in_time(self.idle_max, work).await
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
/// `idle_max` for one result, the producer is dropped where it stands.
pub(super) fn stream<T, P, F>(idle_max: Duration, produce: P) -> Results<T>
where
    T: Send + 'static,
    P: FnOnce(Sink<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    produced(WAITING_MAX, idle_max, produce)
}

/// The same for large results, of which only few may wait.
pub(super) fn pages<T, P, F>(idle_max: Duration, produce: P) -> Results<T>
where
    T: Send + 'static,
    P: FnOnce(Sink<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    produced(PAGES_WAITING_MAX, idle_max, produce)
}

fn produced<T, P, F>(waiting_max: usize, idle_max: Duration, produce: P) -> Results<T>
where
    T: Send + 'static,
    P: FnOnce(Sink<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(waiting_max);
    let producing = produce(Sink { sender: sender.clone(), idle_max });
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

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_hours(1);

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
