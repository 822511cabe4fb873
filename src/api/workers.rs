//! The bridge from async to sync: work on the database runs on blocking threads, one request on one thread.

use crate::api::collection_totals::CollectionTotals;
use crate::api::database_slot::DatabaseSlot;
use crate::api::overload::{ConcurrencyLimiter, OverloadOptions, OverloadStatus, WorkInProgress};
use crate::api::sealed_token::StoreBytes;
use crate::api::status;
use crate::api::work_slots::{WorkSlots, WorkTimes, processor_time};
use crate::database::{Consistency, Database, View};
use crate::engine::{CacheStatistics, Stopwatch};
use crate::relationship::Timestamp;
use crate::store::{self, IsInterrupted, StoreStatistics, WriteStop};
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tonic::Status;

/// How long a read may use a processor before it gives its slot to others: most end earlier, and one that takes seconds must not
/// hold them up.
const SLOT_TIME: Duration = Duration::from_millis(10);

/// Returns the current time; called once for each piece of work.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The purpose of a piece of work. Each purpose has its own threads, so that none can use up those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reads: checks, lookups, and reads of relationships and schemas.
    Read,
    /// The next page of a read that has begun. On the threads of reads.
    NextPage,
    /// Examining writes, each for some milliseconds. None of them waits for the writer there.
    Write,
    /// Examining writes that take longer.
    SlowWrite,
    /// Preparing large imports, one after the other. Those that wait hold no thread.
    Import,
    /// Reading the change log for watchers.
    Watch,
    /// Maintenance by the server itself.
    Upkeep,
}

impl Purpose {
    /// Whether waiting for this work tells that the server is overloaded. Slow writes wait for one another, watches for
    /// changes, and upkeep has no caller.
    fn shows_load(self) -> bool {
        self.is_read() || self == Self::Write
    }

    /// Whether it is on the threads of reads.
    fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::NextPage)
    }
}

/// The threads for one kind of work.
struct Permits {
    semaphore: Arc<Semaphore>,
    max: u32,
}

impl Permits {
    fn new(max: u16) -> Self {
        Self { semaphore: Arc::new(Semaphore::new(usize::from(max))), max: u32::from(max) }
    }

    /// How many threads are taken. Each is until its work has ended, also when no one waits for it any more.
    fn taken(&self) -> usize {
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        max.saturating_sub(self.semaphore.available_permits())
    }

    /// Waits until all work has ended, and refuses what comes later.
    async fn close(&self) {
        let all = self.semaphore.acquire_many(self.max).await;
        self.semaphore.close();
        drop(all);
    }
}

/// Runs work on a database, on at most so many threads at once.
pub struct Workers {
    store: StoreBytes,
    slot: DatabaseSlot,
    reads: Permits,
    /// Of reads that have just begun.
    slots: Arc<WorkSlots>,
    writes: Permits,
    slow_writes: Permits,
    imports: Permits,
    watches: Permits,
    upkeep: Permits,
    limiter: Arc<ConcurrencyLimiter>,
    stopping: Arc<AtomicBool>,
    /// Changes with each commit. Only the change feeds wait for it, because every write wakes those that do.
    commits: Arc<watch::Sender<()>>,
    /// Whether watches have to end, because the server is about to.
    ending: watch::Sender<bool>,
    clock: Clock,
    collections: Arc<Mutex<CollectionTotals>>,
}

/// The context of a piece of work.
pub(crate) struct WorkerJob<'j> {
    pub(crate) database: &'j Database,
    pub(crate) now: Timestamp,
    /// The time since the work began.
    pub(crate) stopwatch: Stopwatch<'j>,
    /// Whether the caller no longer waits for the result. Long work calls it often.
    pub(crate) interrupted: &'j dyn Fn() -> bool,
}

impl<'j> WorkerJob<'j> {
    /// Requires that the caller still waits. Work in a loop of its own calls it often.
    pub(crate) fn require_wanted(&self) -> Result<(), Status> {
        if (self.interrupted)() { Err(status::interrupted()) } else { Ok(()) }
    }

    /// The view with the consistency of a request.
    pub(crate) fn view(&self, consistency: Consistency) -> Result<View<'j>, Status> {
        self.view_at(consistency, self.now)
    }

    /// The same without relationships that expired by another time. Every view of a call comes from here, so that none can
    /// outlast its caller.
    pub(crate) fn view_at(
        &self,
        consistency: Consistency,
        now: Timestamp,
    ) -> Result<View<'j>, Status> {
        let view = self.database.view(consistency, now).map_err(status::from_database)?;
        Ok(view.timed_by(self.stopwatch).interrupted_by(self.interrupted))
    }
}

/// What a piece of work holds until it has ended, or has lasted for long.
struct BegunWork {
    started: Instant,
    /// The processor time of the thread when it began.
    used_before: Duration,
    load: Cell<Option<(Option<OwnedSemaphorePermit>, Option<WorkInProgress>)>>,
}

impl BegunWork {
    /// Lets others begin, and counts no more, once it has lasted for so long that it would hold them up.
    fn release_if_long(&self) {
        // Work that lasts asks often: what has been given back is not looked at again.
        let Some(load) = self.load.take() else { return };
        let is_long =
            self.started.elapsed() > SLOT_TIME && processor_time() > self.used_before + SLOT_TIME;
        if !is_long {
            self.load.set(Some(load));
        }
    }
}

/// Set when the future that waits for the work is dropped: the client went away, or its deadline has passed.
pub(crate) struct Abandoned(pub(crate) Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Workers {
    /// Workers on this database, on at most `threads_max` threads at once for reads, and a quarter of that for writes, for
    /// slow writes and for watches.
    pub fn new(database: Database, threads_max: u16, clock: Clock) -> Self {
        let commits = Arc::new(watch::Sender::default());
        let committed = Arc::clone(&commits);
        database.on_commit(move |_| committed.send_modify(|()| {}));

        Self {
            store: database.store_id().0,
            slot: DatabaseSlot::new(database),
            reads: Permits::new(threads_max),
            slots: Arc::new(WorkSlots::new(usize::from(threads_max))),
            writes: Permits::new(threads_max.div_ceil(4)),
            slow_writes: Permits::new(threads_max.div_ceil(4)),
            imports: Permits::new(1),
            watches: Permits::new(threads_max.div_ceil(4)),
            upkeep: Permits::new(1),
            limiter: Arc::new(ConcurrencyLimiter::new(OverloadOptions::default())),
            stopping: Arc::default(),
            commits,
            ending: watch::Sender::default(),
            clock,
            collections: Arc::default(),
        }
    }

    /// The same with other options of the overload protection.
    #[must_use]
    pub fn with_overload(self, options: OverloadOptions) -> Self {
        Self { limiter: Arc::new(ConcurrencyLimiter::new(options)), ..self }
    }

    /// The state of the overload protection.
    pub fn overload_status(&self) -> OverloadStatus {
        self.limiter.status()
    }

    /// What refuses calls beyond those that the server can answer in time.
    pub(crate) fn limiter(&self) -> &Arc<ConcurrencyLimiter> {
        &self.limiter
    }

    /// Waits for a free thread, runs `work` on it and gives back its result.
    ///
    /// Dropping the future interrupts the work.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T, Status>
    where
        T: Send + 'static,
        W: FnOnce(&WorkerJob<'_>) -> Result<T, Status> + Send + 'static,
    {
        self.run_for(Purpose::Read, work).await
    }

    /// The same for work of another kind.
    pub(crate) async fn run_for<T, W>(&self, purpose: Purpose, work: W) -> Result<T, Status>
    where
        T: Send + 'static,
        W: FnOnce(&WorkerJob<'_>) -> Result<T, Status> + Send + 'static,
    {
        let asked = Instant::now();
        let limiter = purpose.shows_load().then(|| Arc::clone(&self.limiter));
        let in_progress = (purpose == Purpose::NextPage).then(|| self.limiter.begin_work());
        let permit = self.permit(purpose).await?;
        let slot = if purpose.is_read() { self.slots.take().await } else { None };
        let waited = asked.elapsed();

        let database = self.slot.open_database().await?;
        let ending = self.slot.interruption();
        let (abandoned, stopping) = (Arc::<AtomicBool>::default(), Arc::clone(&self.stopping));

        let _guard = Abandoned(Arc::clone(&abandoned));
        let now = (self.clock)();
        let (resumed, slots) = (limiter.clone(), Arc::clone(&self.slots));
        let queued = Instant::now();
        let running = tokio::task::spawn_blocking(move || {
            let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
            let started = Instant::now();
            let begun = BegunWork {
                started,
                used_before: processor_time(),
                load: Cell::new(Some((slot, in_progress))),
            };
            let interrupted = || {
                begun.release_if_long();
                set(&abandoned) || set(&stopping) || set(&ending)
            };
            let stopwatch = || started.elapsed();
            let waited = waited + (started - queued);
            let measured = limiter.is_some().then(WorkTimes::start);
            let in_time = match &limiter {
                Some(limiter) if purpose == Purpose::Read => limiter.require_in_time(waited),
                Some(_) | None => Ok(()),
            };
            let result = in_time.and_then(|()| {
                work(&WorkerJob {
                    database: &database,
                    now,
                    stopwatch: &stopwatch,
                    interrupted: &interrupted,
                })
            });
            if let (Some(limiter), Some(times)) = (limiter, measured) {
                let delay = times.end(&slots);
                limiter.record_work(waited + delay);
            }
            // Before the permit: `close` acquires all permits and then expects that no work holds the database.
            drop(database);
            drop(begun);
            drop(permit);
            // Work that was interrupted for it says so in words of its own.
            let result =
                if result.is_err() && set(&ending) { Err(status::reopening()) } else { result };
            (result, Instant::now())
        });

        // A panic is logged where it happens. Its message, which may have parts of the data, stays out of the answer.
        let (result, ended) = running.await.map_err(|_panic| status::panicked())?;
        if let Some(limiter) = resumed {
            limiter.record_turn(ended.elapsed());
        }
        result
    }

    /// Does a piece of work on the calling thread, which must not be held up: it has to be short and need no disk. `None`
    /// when it turns out not to be; then it is for [`Self::run`].
    pub(crate) fn at_once<T>(
        &self,
        work: impl FnOnce(&Database, Timestamp, Stopwatch<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.stopping.load(Ordering::Relaxed) {
            return None;
        }
        let now = (self.clock)();
        let started = Instant::now();
        let stopwatch = || started.elapsed();
        // What panics here does so again where it costs no connection.
        let work = |database: &Database| {
            catch_unwind(AssertUnwindSafe(|| work(database, now, &stopwatch))).ok().flatten()
        };
        self.slot.with_database(work).flatten()
    }

    /// Whether the caller no longer waits for its work: the call was abandoned, or the server stops.
    pub(crate) fn interruption(&self, abandoned: &Abandoned) -> IsInterrupted {
        let (abandoned, stopping) = (Arc::clone(&abandoned.0), Arc::clone(&self.stopping));
        Arc::new(move || abandoned.load(Ordering::Relaxed) || stopping.load(Ordering::Relaxed))
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The clock of writes.
    pub(crate) fn write_clock(&self) -> store::WriteClock {
        let (clock, started) = (Arc::clone(&self.clock), Instant::now());
        store::WriteClock::new(move || clock(), move || started.elapsed())
    }

    /// How often the database's change log has been read; 0 once it is closed.
    pub fn change_log_reads(&self) -> u64 {
        self.slot.database().map_or(0, |database| database.change_log_reads())
    }

    /// Changes with each commit.
    pub(crate) fn commits(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }

    /// Whether watches have to end.
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    /// Ends every watch. Watches would otherwise end only with their clients, and delay the shutdown.
    pub fn end_watches(&self) {
        self.ending.send_replace(true);
    }

    /// Ends every piece of work and closes the database. Later work is refused.
    pub async fn close(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(database) = self.slot.database() {
            database.close_writes();
        }
        let Self { reads, writes, slow_writes, imports, watches, upkeep, .. } = self;
        for permits in [reads, writes, slow_writes, imports, watches, upkeep] {
            permits.close().await;
        }
        self.slot.take();
    }

    /// Drops old history. What goes wrong is logged; it is tried again next time.
    pub async fn collect_garbage(&self) {
        self.collect_garbage_at((self.clock)()).await;
    }

    /// The same for a time that may lie before the present one.
    pub async fn collect_garbage_at(&self, time: Timestamp) {
        let totals = Arc::clone(&self.collections);
        let collecting = self.run_for(Purpose::Upkeep, move |job| {
            let collected = job.database.collect_garbage(time);
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.add(collected.as_ref().ok(), (job.stopwatch)());
            match collected {
                Ok(collected) => tracing::debug!(?collected, "garbage collected"),
                Err(error) => tracing::error!(%error, "garbage cannot be collected"),
            }
            Ok(())
        });
        // Refused only while the server shuts down.
        let _ = collecting.await;
    }

    /// The id of the store, as tokens carry it.
    pub(crate) fn store_bytes(&self) -> StoreBytes {
        self.store
    }

    async fn permit(&self, purpose: Purpose) -> Result<OwnedSemaphorePermit, Status> {
        let permits = match purpose {
            Purpose::Read | Purpose::NextPage => &self.reads,
            Purpose::Write => &self.writes,
            Purpose::SlowWrite => &self.slow_writes,
            Purpose::Import => &self.imports,
            Purpose::Watch => &self.watches,
            Purpose::Upkeep => &self.upkeep,
        };
        let semaphore = Arc::clone(&permits.semaphore);
        semaphore.acquire_owned().await.map_err(|_| status::shutting_down())
    }

    /// The database, once it is open.
    pub(crate) async fn open_database(&self) -> Result<Arc<Database>, Status> {
        self.slot.open_database().await
    }

    /// What the garbage collections have dropped.
    pub fn collections(&self) -> CollectionTotals {
        *self.collections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many queries reached a limit on their work; 0 while the database is closed.
    pub fn limited_queries(&self) -> u64 {
        self.slot.database().map_or(0, |database| database.limited_queries())
    }

    /// How many threads work on requests, by the kind of work, and the most that may.
    pub fn busy_threads(&self) -> [(&'static str, usize, u32); 4] {
        let Self { reads, writes, slow_writes, watches, .. } = self;
        let kinds =
            [("read", reads), ("write", writes), ("slow_write", slow_writes), ("watch", watches)];
        kinds.map(|(kind, permits)| (kind, permits.taken(), permits.max))
    }

    /// Figures of the store and of the cache of checks; `None` while the database is closed.
    pub fn statistics(&self) -> Option<(StoreStatistics, CacheStatistics)> {
        let figures =
            |database: &Database| (database.store_statistics(), database.cache_statistics());
        self.slot.with_database(figures)
    }

    /// Why writes are refused until the database is reopened; `None` while they are accepted.
    pub fn writes_stopped(&self) -> Option<WriteStop> {
        self.slot.database()?.writes_stopped()
    }

    /// Why writes other than deletions are refused for lack of disk space or file descriptors; `None` while they are
    /// accepted.
    pub fn shortage(&self) -> Option<String> {
        self.slot.database()?.shortage().map(|shortage| shortage.to_string())
    }

    /// Closes the database and opens it again, if a probe shows that its folder can be written. New work waits meanwhile.
    /// An error says what prevents it; the database stays open then, unless opening it failed, in which case the next call
    /// tries that again.
    pub async fn reopen(&self) -> Result<(), String> {
        self.slot.reopen().await
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads_max", &self.reads.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::DatabaseOptions;
    use crate::store::{Store, StoreOptions};
    use std::path::Path;
    use tokio::sync::oneshot;
    use tonic::Code;

    fn open(dir: &Path) -> Workers {
        let store = Store::open(dir, &StoreOptions::default()).unwrap();
        let database = Database::new(store, DatabaseOptions::default());
        let now = Timestamp::from_unix(0, 0).unwrap();
        Workers::new(database, 1, Arc::new(move || now))
    }

    /// Signals its start, works until it is interrupted, and signals its end.
    fn endless(
        started: oneshot::Sender<()>,
        ended: oneshot::Sender<()>,
    ) -> impl FnOnce(&WorkerJob<'_>) -> Result<(), Status> + Send + 'static {
        move |job| {
            started.send(()).unwrap();
            while !(job.interrupted)() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
            Err(Status::cancelled("interrupted"))
        }
    }

    #[tokio::test]
    async fn work_ends_when_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let workers = open(dir.path());
        let (started, starts) = oneshot::channel();
        let (ended, ends) = oneshot::channel();
        tokio::select! {
            _ = workers.run(endless(started, ended)) => panic!("it is endless"),
            started = starts => started.unwrap(),
        }
        ends.await.unwrap();
        // Its thread is free again.
        assert_eq!(workers.run(|_| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn closing_ends_all_work_and_closes_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let workers = Arc::new(open(dir.path()));
        let (started, starts) = oneshot::channel();
        let (ended, _ends) = oneshot::channel();
        let working = Arc::clone(&workers);
        let result = tokio::spawn(async move { working.run(endless(started, ended)).await });
        starts.await.unwrap();
        workers.close().await;
        assert_eq!(result.await.unwrap().unwrap_err().code(), Code::Cancelled);
        let refused = workers.run(|_| Ok(())).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        drop(open(dir.path()));
    }

    #[tokio::test]
    async fn what_is_done_at_once_may_panic_and_ends_with_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let workers = open(dir.path());
        assert_eq!(workers.at_once(|_, _, _| Some(7)), Some(7));
        assert_eq!(workers.at_once(|_, _, _| -> Option<()> { panic!("a test") }), None);
        assert_eq!(workers.at_once(|_, _, _| Some(7)), Some(7));
        workers.close().await;
        assert_eq!(workers.at_once(|_, _, _| Some(7)), None);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_takes_no_thread_away() {
        let dir = tempfile::tempdir().unwrap();
        let workers = open(dir.path());
        let panicked = workers.run(|_| -> Result<(), Status> { panic!("a test") }).await;
        assert_eq!(panicked.unwrap_err().code(), Code::Internal);
        workers.run(|_| Ok(())).await.unwrap();
    }
}
