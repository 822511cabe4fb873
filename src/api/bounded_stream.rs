//! Response streams with a bounded queue between the producer and the client.

use crate::api::fault::output_or_fault;
use crate::api::status;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

/// The response of a streaming call.
pub(crate) type BoundedStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An item in the queue, with the capacity it occupies.
type QueuedItem<T> = (T, OwnedSemaphorePermit);

/// The producer's end of the queue.
#[derive(Debug)]
pub(crate) struct QueueSender<T> {
    // Unbounded, because permits bound its length; the final error needs no permit.
    sender: mpsc::UnboundedSender<Result<QueuedItem<T>, Status>>,
    capacity: Arc<Semaphore>,
    capacity_max: u32,
}

impl<T> QueueSender<T> {
    /// Queues an item as soon as the queue has `weight` units of capacity left. An item that is heavier than the whole queue
    /// occupies all of it.
    pub(crate) async fn send(&self, weight: usize, item: T) -> Result<(), Status> {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).clamp(1, self.capacity_max);
        let permit = Arc::clone(&self.capacity).acquire_many_owned(weight).await;
        let permit =
            permit.map_err(|_| status::server_fault("the queue of the stream is closed"))?;
        // Fails if the client has gone, which ends the producer.
        let _ = self.sender.send(Ok((item, permit)));
        Ok(())
    }
}

/// A stream of the items that `produce` sends, with at most `capacity_max` units queued. An error ends it after the queued
/// items. The producer is dropped when the client goes away.
pub(crate) fn bounded_stream<T, P, F>(capacity_max: u32, produce: P) -> BoundedStream<T>
where
    T: Send + 'static,
    P: FnOnce(QueueSender<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    // The permit is released when the client's side takes the item.
    let items = UnboundedReceiverStream::new(queue(capacity_max, produce));
    Box::pin(items.map(|next| next.map(|(item, _permit)| item)))
}

/// The same for pages of items, which go through the queue as a whole. Each is queued until its last item is taken.
pub(crate) fn paged_stream<T, P, F>(capacity_max: u32, produce: P) -> BoundedStream<T>
where
    T: Send + Unpin + 'static,
    P: FnOnce(QueueSender<Vec<T>>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let pages = queue(capacity_max, produce);
    Box::pin(PageItems { pages, page: Vec::new().into_iter(), permit: None })
}

/// The items of queued pages.
struct PageItems<T> {
    pages: mpsc::UnboundedReceiver<Result<QueuedItem<Vec<T>>, Status>>,
    page: std::vec::IntoIter<T>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<T: Unpin> Stream for PageItems<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.page.next() {
                if self.page.len() == 0 {
                    // The next page may be queued before anyone asks for its first item.
                    self.permit = None;
                }
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(self.pages.poll_recv(context)) {
                Some(Ok((page, permit))) => {
                    self.page = page.into_iter();
                    self.permit = Some(permit);
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The queue that `produce` fills.
fn queue<T, P, F>(
    capacity_max: u32,
    produce: P,
) -> mpsc::UnboundedReceiver<Result<QueuedItem<T>, Status>>
where
    T: Send + 'static,
    P: FnOnce(QueueSender<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let capacity_max = capacity_max.max(1);
    let permits = usize::try_from(capacity_max).unwrap_or(1).min(Semaphore::MAX_PERMITS);
    let (sender, receiver) = mpsc::unbounded_channel();
    let capacity = Arc::new(Semaphore::new(permits));
    let producing = produce(QueueSender { sender: sender.clone(), capacity, capacity_max });

    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            // A stream that a panic ends without an error would look complete.
            result = output_or_fault(producing) => {
                if let Err(status) = result {
                    // Fails if the client has gone: then no one needs the error.
                    let _ = sender.send(Err(status));
                }
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tonic::Code;

    #[tokio::test]
    async fn results_come_in_order_and_an_error_ends_them() {
        let results = bounded_stream(64, async |queue: QueueSender<usize>| {
            for number in 0..1_000 {
                queue.send(1, number).await?;
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
    async fn pages_come_as_their_items_and_wait_as_a_whole() {
        let (sent, mut sends) = mpsc::unbounded_channel();
        let mut stream = paged_stream(4, async move |queue: QueueSender<Vec<usize>>| {
            for page in [vec![], vec![0, 1, 2], vec![3, 4, 5, 6, 7], vec![8]] {
                queue.send(page.len(), page.clone()).await?;
                let _ = sent.send(page);
            }
            Err(Status::aborted("enough"))
        });

        // A page of three leaves no room for one of five, until its last item is taken.
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        assert_eq!(sends.recv().await.unwrap(), [0; 0]);
        assert_eq!(sends.recv().await.unwrap(), [0, 1, 2]);
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        tokio::task::yield_now().await;
        sends.try_recv().unwrap_err();
        assert_eq!(stream.next().await.unwrap().unwrap(), 2);
        assert_eq!(sends.recv().await.unwrap(), [3, 4, 5, 6, 7]);

        let rest: Vec<_> = stream.map(|item| item.map_err(|status| status.code())).collect().await;
        let mut expected: Vec<_> = (3..9).map(Ok).collect();
        expected.push(Err(Code::Aborted));
        assert_eq!(rest, expected);
    }

    #[tokio::test]
    async fn an_item_heavier_than_the_queue_occupies_all_of_it() {
        let stream = bounded_stream(10, async |queue: QueueSender<usize>| {
            for number in 0..3 {
                queue.send(1_000, number).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        });
        let all: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert_eq!(all, [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_producer_that_panics_ends_the_stream_with_an_error() {
        let stream = bounded_stream(10, async |queue: QueueSender<usize>| {
            queue.send(1, 7).await?;
            panic!("a test")
        });
        let all: Vec<_> =
            stream.map(|result| result.map_err(|status| status.code())).collect().await;
        assert_eq!(all, [Ok(7), Err(Code::Internal)]);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_work() {
        let (dropped, gone) = oneshot::channel::<()>();
        let stream = bounded_stream(1, async |_: QueueSender<()>| {
            let _held = dropped;
            std::future::pending().await
        });
        drop(stream);
        gone.await.unwrap_err();
    }
}
