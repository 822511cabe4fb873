//! Streams of results that are read page by page, all at one revision.
//!
//! A stream reads a page on a worker thread, sends its messages at the pace of the client, and reads the next page. Its
//! revision is pinned against garbage collection from the first page to the last. What differs between reads, exports and
//! lookups is their [`PageSource`].

use crate::api::bounded_stream::{BoundedStream, QueueSender, paged_stream};
use crate::api::context::{ServiceContext, StreamTimeouts};
use crate::api::cursor::{CursorPosition, CursorScope, CursorWriter};
use crate::api::status;
use crate::api::workers::{Purpose, Workers};
use crate::database::{Consistency, View, ViewPin};
use crate::proto::authzed::api::v1::{Cursor, ZedToken};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

/// Where the pages of a stream come from.
pub(crate) trait PageSource: Send + Sized + 'static {
    /// A message of the stream.
    type Message: Send + Unpin + 'static;

    /// Maximum number of messages that are queued for the client.
    const QUEUED_MAX: u32;

    /// Reads the next page. A page without messages need not be the last one: it gives the worker thread to others in between.
    fn read_page(
        &mut self,
        reader: &PageReader<'_, '_>,
    ) -> Result<ResultPage<Self::Message>, Status>;
}

/// A page of a stream.
#[derive(Debug)]
pub(crate) struct ResultPage<M> {
    pub(crate) messages: Vec<M>,
    pub(crate) is_last: bool,
}

/// The database at the revision of a stream.
pub(crate) struct PageReader<'r, 'v> {
    pub(crate) view: &'r View<'v>,
    /// Token of the stream's revision.
    pub(crate) read_at: ZedToken,
    scope: CursorScope,
    cursors: CursorWriter,
}

impl PageReader<'_, '_> {
    /// The cursor to continue after the result at a position.
    pub(crate) fn cursor(&self, position: &[u8]) -> Cursor {
        let cursor = self.cursors.cursor(position);
        debug_assert!(
            self.scope.position(&cursor).is_ok_and(|read| read.revision == self.view.revision()),
            "a cursor resumes its own call, at its own revision"
        );
        cursor
    }
}

/// How many results the client still requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemainingResults(Option<usize>);

impl RemainingResults {
    /// As many as the limit of a request; all without one.
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self(limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// How many of them fit into a page of at most `page_max`.
    pub(crate) fn page_size(self, page_max: usize) -> usize {
        self.0.unwrap_or(usize::MAX).min(page_max)
    }

    /// Subtracts the results of a page.
    pub(crate) fn subtract(&mut self, count: usize) {
        self.0 = self.0.map(|remaining| remaining.saturating_sub(count));
    }

    pub(crate) fn is_exhausted(self) -> bool {
        self.0 == Some(0)
    }
}

/// A stream before its next page.
pub(crate) struct PagedRead<S> {
    scope: CursorScope,
    /// The revision of the next page.
    consistency: Consistency,
    pin: Option<ViewPin>,
    // An invalid request is refused after the view is opened: SpiceDB reports an unreadable revision first.
    source: Result<S, Status>,
}

impl<S: PageSource> PagedRead<S> {
    /// A stream for a request whose cursor is `cursor`. `source` reads the rest of the request and receives the position of the
    /// last result that the client has.
    ///
    /// A cursor determines the revision, whatever consistency the request has.
    pub(crate) fn new(
        scope: CursorScope,
        consistency: Consistency,
        cursor: Option<&Cursor>,
        source: impl FnOnce(Option<Vec<u8>>) -> Result<S, Status>,
    ) -> Self {
        let resumed = cursor.map(|cursor| scope.position(cursor)).transpose();
        let consistency = match &resumed {
            Ok(Some(CursorPosition { revision, .. })) => consistency.exactly(*revision),
            Ok(None) | Err(_) => consistency,
        };
        let source = resumed.and_then(|resumed| source(resumed.map(|resumed| resumed.position)));
        Self { scope, consistency, pin: None, source }
    }

    /// The response that reads and sends all pages.
    pub(crate) fn stream(self, context: &ServiceContext) -> BoundedStream<S::Message> {
        let (context, timeouts) = (context.clone(), context.streams);
        paged_stream(S::QUEUED_MAX, move |queue| {
            self.send(context, ResultSender { queue, timeouts, client_waited: AtomicU64::new(0) })
        })
    }

    async fn send(
        self,
        context: ServiceContext,
        sender: ResultSender<S::Message>,
    ) -> Result<(), Status> {
        let part_max = usize::try_from(S::QUEUED_MAX / 2).unwrap_or(1).max(1);
        let mut next = Some(self);
        while let Some(read) = next.take() {
            let (messages, rest) = sender.wait(read.next_messages(&context)).await?;
            let mut messages = messages.into_iter();
            loop {
                // Two parts fit into the queue: one is sent while the client takes the other.
                let part: Vec<_> = messages.by_ref().take(part_max).collect();
                if part.is_empty() {
                    break;
                }
                sender.send(part).await?;
            }
            next = rest;
        }
        Ok(())
    }

    /// The messages of the next page that has any, and the stream after it; no stream after the last page.
    async fn next_messages(
        mut self,
        context: &ServiceContext,
    ) -> Result<(Vec<S::Message>, Option<Self>), Status> {
        loop {
            let (ResultPage { messages, is_last }, rest) = self.read_page(context).await?;
            if is_last {
                return Ok((messages, None));
            }
            if !messages.is_empty() {
                return Ok((messages, Some(rest)));
            }
            self = rest;
        }
    }

    async fn read_page(
        self,
        context: &ServiceContext,
    ) -> Result<(ResultPage<S::Message>, Self), Status> {
        let tokens = context.tokens;
        let workers: &Workers = &context.workers;
        let purpose = if self.pin.is_some() { Purpose::NextPage } else { Purpose::Read };
        let reading = workers.run_for(purpose, move |job| {
            let Self { scope, consistency, pin, source } = self;
            let view = job.view(consistency)?;
            // Pinned by the first page, so that the last one can still be read.
            let pin = pin.unwrap_or_else(|| view.pin());
            let mut source = source?;

            let read_at = tokens.token(view.revision());
            let cursors = scope.cursors(view.revision());
            let page = source.read_page(&PageReader { view: &view, read_at, scope, cursors })?;
            let consistency = view.pinned();
            Ok((page, Self { scope, consistency, pin: Some(pin), source: Ok(source) }))
        });
        reading.await
    }
}

/// Sends results, and measures how long the client takes.
struct ResultSender<T> {
    queue: QueueSender<Vec<T>>,
    timeouts: StreamTimeouts,
    /// How long the client has kept the stream waiting, in nanoseconds.
    client_waited: AtomicU64,
}

impl<T> ResultSender<T> {
    /// Queues results together as soon as the client has received enough of those before.
    async fn send(&self, part: Vec<T>) -> Result<(), Status> {
        let StreamTimeouts { idle_max, client_max } = self.timeouts;
        // One producer adds to it, so no ordering is needed.
        let before = Duration::from_nanos(self.client_waited.load(Ordering::Relaxed));
        let left = client_max.saturating_sub(before);
        let start = Instant::now();
        let sending = self.queue.send(part.len(), part);
        match tokio::time::timeout(left.min(idle_max), sending).await {
            Ok(sent) => sent?,
            Err(_) if idle_max <= left => return Err(status::stream_idle(idle_max)),
            Err(_) => return Err(status::client_too_slow(client_max)),
        }

        let waited = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.client_waited.fetch_add(waited, Ordering::Relaxed);
        Ok(())
    }

    /// The outcome of work towards the next result, within the time that a stream may go without one.
    async fn wait<O>(&self, work: impl Future<Output = Result<O, Status>>) -> Result<O, Status> {
        let idle_max = self.timeouts.idle_max;
        let outcome = tokio::time::timeout(idle_max, work).await;
        outcome.unwrap_or_else(|_| Err(status::stream_idle(idle_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    const HOUR: Duration = Duration::from_hours(1);
    const QUEUED_MAX: u32 = 64;

    fn stream<F: Future<Output = Result<(), Status>> + Send + 'static>(
        queued_max: u32,
        (idle_max, client_max): (Duration, Duration),
        produce: impl FnOnce(ResultSender<u32>) -> F,
    ) -> BoundedStream<u32> {
        let timeouts = StreamTimeouts { idle_max, client_max };
        paged_stream(queued_max, |queue| {
            produce(ResultSender { queue, timeouts, client_waited: AtomicU64::new(0) })
        })
    }

    #[tokio::test]
    async fn work_that_takes_too_long_ends_the_stream() {
        let timeouts = (Duration::from_millis(1), HOUR);
        let mut results =
            stream(QUEUED_MAX, timeouts, async |sender| sender.wait(std::future::pending()).await);
        let end = results.next().await.unwrap().unwrap_err();
        assert_eq!(end.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_ends_the_stream() {
        let (reported, given_up) = oneshot::channel();
        let timeouts = (Duration::from_millis(1), HOUR);
        let results = stream(QUEUED_MAX, timeouts, async |sender| {
            for number in 0..=QUEUED_MAX {
                if let Err(status) = sender.send(vec![number]).await {
                    let _ = reported.send((number, status.code()));
                    return Err(status);
                }
            }
            Ok(())
        });
        assert_eq!(given_up.await.unwrap(), (QUEUED_MAX, Code::DeadlineExceeded));
        drop(results);
    }

    #[tokio::test]
    async fn a_client_that_always_reads_a_little_ends_the_stream_in_the_end() {
        let mut results = stream(1, (HOUR, Duration::from_millis(20)), async |sender| {
            for number in 0.. {
                sender.send(vec![number]).await?;
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
}
