//! The head of the change log, read once for all watchers that have reached it.
//!
//! One task reads each new revision, decodes it and keeps it for a short while. Watchers at the head share what it read;
//! those that it does not concern are not even woken. A watcher that falls out of the bounded window reads for itself
//! again, from a position that is pinned against garbage collection, until it has caught up.
//!
//! There are two feeds: one with expirations and one without, because a position with expirations is also a time.

use crate::api::context::ServiceContext;
use crate::api::convert::WatchFilter;
use crate::api::watch::change_batch::{BatchMatcher, ChangeBatch, PinnedPosition, weight};
use crate::api::workers::{Purpose, WorkerJob};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// How much the window holds at most, as [`weight`] counts it: about its bytes in memory.
const WINDOW_WEIGHT_MAX: usize = 4 << 20;
/// The most batches in the window.
const WINDOW_BATCHES_MAX: usize = 1024;

/// The shared reader of the change log's head.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<FeedState>,
    /// Wakes the task for a read.
    kick: Notify,
    /// Changes with each read.
    progress: watch::Sender<u64>,
    count_max: usize,
}

#[derive(Debug, Default)]
struct FeedState {
    /// How far the task has read; `None` while there is no watcher.
    head: Option<Arc<PinnedPosition>>,
    /// Whether nothing more was there when the task read last.
    complete: bool,
    /// The batches read last, oldest first.
    window: VecDeque<(Arc<ChangeBatch>, usize)>,
    /// The total weight of the window, as [`weight`] counts it.
    weight: usize,
    /// The number of the first batch of the window.
    first: u64,
    seats: BTreeMap<u64, Subscriber>,
    seats_made: u64,
    running: bool,
}

#[derive(Debug)]
struct Subscriber {
    wanted: Arc<WatchFilter>,
    wake: Arc<Notify>,
    stand: WatcherPosition,
}

/// The position of a watcher in the feed.
#[derive(Debug)]
enum WatcherPosition {
    /// It has received everything.
    AtHead,
    /// The batch with this number is the next one that concerns it.
    Waiting(u64),
    /// Its next batch has left the window.
    FellBehind(Arc<PinnedPosition>),
}

/// The next event of a watcher.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    /// These changes.
    ChangeBatch(Arc<ChangeBatch>),
    /// The changes after this position have left the window and must be read from the change log.
    FellBehind(Arc<PinnedPosition>),
}

/// The subscription of a watcher to a feed; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct FeedSubscription {
    feed: Arc<Feed>,
    id: u64,
    wake: Arc<Notify>,
}

impl Feed {
    /// A feed that reads at most `count_max` changes at once.
    pub(crate) fn new(count_max: usize) -> Arc<Self> {
        let state = Mutex::default();
        let progress = watch::Sender::default();
        Arc::new(Self { state, kick: Notify::new(), progress, count_max })
    }

    /// How many changes are read at once.
    pub(crate) fn count_max(&self) -> usize {
        self.count_max
    }

    /// Subscribes a watcher that has read everything up to `position`. Returns the position from which the subscription
    /// delivers; the watcher reads the changes between the two itself. `None` if the feed has not reached `position` yet.
    pub(crate) fn join(
        self: &Arc<Self>,
        context: &ServiceContext,
        position: &Arc<PinnedPosition>,
        wanted: &Arc<WatchFilter>,
    ) -> Option<(FeedSubscription, Arc<PinnedPosition>)> {
        let mut state = self.lock();
        if state.head.is_none() {
            state.complete = true;
            state.head = Some(Arc::clone(position));
        }
        let head = state.head.clone()?;
        if !state.complete || !head.position.reaches(&position.position) {
            self.kick.notify_one();
            return None;
        }

        state.seats_made += 1;
        let (id, wake) = (state.seats_made, Arc::<Notify>::default());
        let seat = Subscriber {
            wanted: Arc::clone(wanted),
            wake: Arc::clone(&wake),
            stand: WatcherPosition::AtHead,
        };
        state.seats.insert(id, seat);
        if !std::mem::replace(&mut state.running, true) {
            tokio::spawn(Arc::clone(self).run(context.clone()));
        }
        drop(state);

        Some((FeedSubscription { feed: Arc::clone(self), id, wake }, head))
    }

    /// Changes whenever the feed has read.
    pub(crate) fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Reads after each commit and expiration, as long as there are watchers.
    async fn run(self: Arc<Self>, context: ServiceContext) {
        let (mut commits, mut ending) = (context.workers.commits(), context.workers.ending());

        loop {
            let Some(head) = self.head() else { return };
            // Before the read, so that a commit that it misses is seen here afterwards.
            commits.mark_unchanged();
            let (from, count_max) = (Arc::clone(&head), self.count_max);
            let read = move |job: &WorkerJob<'_>| ChangeBatch::read(job, from, count_max);
            let read = context.workers.run_for(Purpose::Watch, read).await;
            let (complete, sleep) = match read {
                Ok(batch) => {
                    let next = (batch.complete, batch.sleep);
                    self.publish(&head, batch);
                    next
                }
                Err(error) => {
                    tracing::debug!(%error, "the change feed cannot read");
                    self.dismiss(&head);
                    (true, None)
                }
            };
            if !complete {
                continue;
            }
            tokio::select! {
                changed = commits.changed() => if changed.is_err() { return },
                () = self.kick.notified() => {}
                () = tokio::time::sleep(sleep.unwrap_or_default()), if sleep.is_some() => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }

    /// How far the task has read; `None` if it has to end because there is no watcher.
    fn head(&self) -> Option<Arc<PinnedPosition>> {
        let mut state = self.lock();
        if state.seats.is_empty() {
            state.clear();
            state.running = false;
            return None;
        }
        state.head.clone()
    }

    /// Adds the batch that was read after `head`, and wakes the watchers whose filters it matches.
    fn publish(&self, head: &Arc<PinnedPosition>, batch: ChangeBatch) {
        let mut state = self.lock();
        // The feed may have been cleared meanwhile, and restarted at another position.
        if state.head.as_ref().is_some_and(|now| Arc::ptr_eq(now, head)) {
            debug_assert!(
                batch.through.position.reaches(&head.position),
                "the head of the feed never moves back"
            );
            state.head = Some(Arc::clone(&batch.through));
            state.complete = batch.complete;
            if batch.is_news() {
                state.add(batch);
            }
        }
        drop(state);
        self.progress.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Makes all watchers at the head read for themselves, so that each gets the error as its own.
    fn dismiss(&self, head: &Arc<PinnedPosition>) {
        let mut state = self.lock();
        for seat in state.seats.values_mut() {
            if matches!(seat.stand, WatcherPosition::AtHead) {
                seat.stand = WatcherPosition::FellBehind(Arc::clone(head));
                seat.wake.notify_one();
            }
        }
        drop(state);
        self.progress.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeedState {
    fn add(&mut self, batch: ChangeBatch) {
        let number = self.first + u64::try_from(self.window.len()).unwrap_or_default();
        let matcher = BatchMatcher::new(&batch);
        for seat in self.seats.values_mut() {
            if matches!(seat.stand, WatcherPosition::AtHead) && matcher.concerns(&seat.wanted) {
                seat.stand = WatcherPosition::Waiting(number);
                seat.wake.notify_one();
            }
        }

        let added = weight(&batch);
        self.weight += added;
        self.window.push_back((Arc::new(batch), added));
        while (self.weight > WINDOW_WEIGHT_MAX || self.window.len() > WINDOW_BATCHES_MAX)
            && let Some((oldest, weight)) = self.window.pop_front()
        {
            self.weight -= weight;
            for seat in self.seats.values_mut() {
                if matches!(seat.stand, WatcherPosition::Waiting(next) if next == self.first) {
                    seat.stand = WatcherPosition::FellBehind(Arc::clone(&oldest.from));
                }
            }
            self.first += 1;
        }
    }

    /// The batch with a number, and whether it is the last one.
    fn batch(&self, number: u64) -> Option<(Arc<ChangeBatch>, bool)> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let (batch, _) = self.window.get(index)?;
        Some((Arc::clone(batch), index + 1 == self.window.len()))
    }

    /// Keeps nothing and pins nothing.
    fn clear(&mut self) {
        self.first += u64::try_from(self.window.len()).unwrap_or_default();
        self.window.clear();
        self.weight = 0;
        self.head = None;
    }
}

impl FeedSubscription {
    /// What comes next, as soon as it comes. Batches that do not concern the watcher may be left out.
    pub(crate) async fn next(&self) -> FeedEvent {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// The head of the feed, when nothing waits for the watcher.
    pub(crate) fn head(&self) -> Option<Arc<PinnedPosition>> {
        let state = self.feed.lock();
        let seat = state.seats.get(&self.id)?;
        state.head.clone().filter(|_| matches!(seat.stand, WatcherPosition::AtHead))
    }

    fn try_next(&self) -> Option<FeedEvent> {
        let mut state = self.feed.lock();
        let next = match &state.seats.get(&self.id)?.stand {
            WatcherPosition::AtHead => return None,
            WatcherPosition::FellBehind(position) => {
                return Some(FeedEvent::FellBehind(Arc::clone(position)));
            }
            WatcherPosition::Waiting(number) => *number,
        };
        let (batch, is_last) = state.batch(next)?;
        if let Some(seat) = state.seats.get_mut(&self.id) {
            seat.stand =
                if is_last { WatcherPosition::AtHead } else { WatcherPosition::Waiting(next + 1) };
        }
        Some(FeedEvent::ChangeBatch(batch))
    }
}

impl Drop for FeedSubscription {
    fn drop(&mut self) {
        let mut state = self.feed.lock();
        state.seats.remove(&self.id);
        if state.seats.is_empty() {
            // At once, for the task may sleep for long and its pins hold up garbage collection.
            state.clear();
            self.feed.kick.notify_one();
        }
    }
}
