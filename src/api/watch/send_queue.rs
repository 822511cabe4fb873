//! What waits for a client that watches: a bounded number of changes, for a bounded time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

/// What a watching call answers.
pub(crate) type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How patient a server is with those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// How often a watcher is told that nothing has changed, when it wants to know.
    pub heartbeat: Duration,
    /// The most changes that wait for one watcher; at least 1.
    pub buffer_length: u32,
    /// How long there may be no room for the next ones, before a watcher counts as too slow.
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

/// Where changes wait for a client.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    // Its length is bounded by the permits that lie in it; an error needs none.
    sender: mpsc::UnboundedSender<Result<Waiting<T>, Status>>,
    room: Arc<Semaphore>,
    options: WatchOptions,
}

/// Something that waits for the client, with the room that it takes.
type Waiting<T> = (T, OwnedSemaphorePermit);

impl<T> Outbox<T> {
    /// Puts something into the box that holds `changes` changes, as soon as there is room for them.
    pub(crate) async fn send(&self, changes: usize, item: T) -> Result<(), Status> {
        let length = self.options.buffer_length.max(1);
        let takes = u32::try_from(changes).unwrap_or(u32::MAX).clamp(1, length);
        let room = Arc::clone(&self.room).acquire_many_owned(takes);
        let permit = tokio::time::timeout(self.options.write_timeout, room)
            .await
            .map_err(|_| self.too_slow())?
            .map_err(|_| Status::internal("the watch has no room"))?;
        // A closed channel ends the producer by itself.
        let _ = self.sender.send(Ok((item, permit)));
        Ok(())
    }

    fn too_slow(&self) -> Status {
        let WatchOptions { buffer_length, write_timeout, .. } = self.options;
        Status::resource_exhausted(format!(
            "watch disconnected: the client did not take its changes in time ({buffer_length} waited for {write_timeout:?}); go on from the last `changes_through`"
        ))
    }
}

/// A stream of what `produce` sends. An error ends it, behind what waits. When the client goes away, the producer is
/// dropped where it stands.
pub(crate) fn outgoing<T, P, F>(options: WatchOptions, produce: P) -> Outgoing<T>
where
    T: Send + 'static,
    P: FnOnce(Outbox<T>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = usize::try_from(options.buffer_length.max(1)).unwrap_or(1);
    let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
    let producing = produce(Outbox { sender: sender.clone(), room, options });
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            result = producing => {
                if let Err(status) = result {
                    // Nobody listens any more: there is nobody to tell.
                    let _ = sender.send(Err(status));
                }
            }
        }
    });
    let waiting = UnboundedReceiverStream::new(receiver);
    Box::pin(waiting.map(|next| next.map(|(item, _room)| item)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tonic::Code;

    const OPTIONS: WatchOptions = WatchOptions {
        heartbeat: Duration::from_secs(1),
        buffer_length: 10,
        write_timeout: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn a_client_that_takes_nothing_gets_what_waits_and_then_an_error() {
        let (told, given_up) = oneshot::channel();
        let stream = outgoing(OPTIONS, async |outbox: Outbox<usize>| {
            for number in 0.. {
                if let Err(status) = outbox.send(3, number).await {
                    let _ = told.send(());
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

    #[tokio::test]
    async fn more_changes_than_there_is_room_for_take_all_of_it() {
        let stream = outgoing(OPTIONS, async |outbox: Outbox<usize>| {
            for number in 0..3 {
                outbox.send(1_000, number).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        });
        let all: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert_eq!(all, [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_work() {
        let (dropped, gone) = oneshot::channel::<()>();
        let stream = outgoing(OPTIONS, async |_: Outbox<()>| {
            let _held = dropped;
            std::future::pending().await
        });
        drop(stream);
        gone.await.unwrap_err();
    }
}
