//! The queue of an audit log, and the thread that writes it.

use super::event::EventEncoder;
use super::options::{AuditOptions, AuditSource, AuditTarget, WhenFull};
use super::record::CallRecord;
use super::rotating_file::RotatingFile;
use super::whole_lines::WholeLines;
use crate::telemetry::Throttle;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many records are written at once at most.
const BATCH_MAX: usize = 256;
/// How many bytes are written at once, with the record that exceeds them.
const WRITE_BYTES: usize = 1 << 20;
/// How long the thread lets records gather once there is one: to wake it costs a call more than all else about its record.
const GATHER_TIME: Duration = Duration::from_millis(5);
/// How long the thread waits after a failed write.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often the log of the server says that records cannot be written, or were dropped.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// How long the end of the server waits for the queue to be written.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// An audit log. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog(Arc<AuditHandle>);

struct AuditHandle {
    queue: Sender<AuditMessage>,
    state: Arc<AuditState>,
    /// The thread that writes.
    thread: Thread,
    when_full: WhenFull,
    now: fn() -> Duration,
}

#[derive(Debug, Default)]
struct AuditState {
    dropped: AtomicU64,
    /// Whether the file is to be opened anew.
    reopens: AtomicBool,
    /// Whether the thread lets records gather, and may be woken before its time.
    gathers: AtomicBool,
}

/// Room in the queue for the record of one call.
pub struct AuditSlot {
    log: AuditLog,
    /// The room is reserved where calls without room are refused.
    permit: Option<OwnedPermit<AuditMessage>>,
}

/// The queue is full, and calls are to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditFull;

/// An audit log that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file.
    #[error("the audit log `{}` cannot be opened: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output.
    #[error("the audit log cannot be written to standard output: {0}")]
    Standard(io::Error),
    /// Its thread.
    #[error("the thread of the audit log cannot be started: {0}")]
    Thread(io::Error),
}

/// What waits in the queue.
enum AuditMessage {
    Call(Box<CallRecord>),
    /// To be answered when everything before it has been written.
    Flush(oneshot::Sender<()>),
}

/// Where the lines go.
enum AuditOutput {
    Standard(WholeLines),
    File(RotatingFile),
}

impl AuditLog {
    /// Starts a log; none where the options name no target.
    pub fn start(options: &AuditOptions, source: AuditSource) -> Result<Option<Self>, AuditError> {
        let output = match &options.target {
            None => return Ok(None),
            Some(AuditTarget::StandardOutput) => {
                let output = io::stdout().as_fd().try_clone_to_owned();
                AuditOutput::Standard(WholeLines::of_shared(File::from(
                    output.map_err(AuditError::Standard)?,
                )))
            }
            Some(AuditTarget::File(path)) => {
                let file = RotatingFile::open(path, options.file_bytes_max, options.old_files_max);
                let failed = |source| AuditError::File { path: path.clone(), source };
                AuditOutput::File(file.map_err(failed)?)
            }
        };

        let now = source.now;
        let (queue, records) = mpsc::channel(options.queue_length.max(1));
        let state = Arc::<AuditState>::default();
        let mut writer = AuditWriter {
            records,
            output,
            events: EventEncoder::new(source),
            state: Arc::clone(&state),
        };
        let thread = thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || writer.run()).map_err(AuditError::Thread)?;
        let (thread, when_full) = (thread.thread().clone(), options.when_full);
        Ok(Some(Self(Arc::new(AuditHandle { queue, state, thread, when_full, now }))))
    }

    /// Reserves room for the record of a call, if calls without it are refused.
    pub fn begin(&self) -> Result<AuditSlot, AuditFull> {
        let permit = match self.0.when_full {
            WhenFull::Drop => None,
            WhenFull::Refuse => {
                Some(self.0.queue.clone().try_reserve_owned().map_err(|_| AuditFull)?)
            }
        };
        Ok(AuditSlot { log: self.clone(), permit })
    }

    /// A slot without reserved room: its record may be dropped, whatever the choice. For calls without a caller, which must not
    /// use up the room of others, and for calls that last long.
    pub fn begin_unreserved(&self) -> AuditSlot {
        AuditSlot { log: self.clone(), permit: None }
    }

    /// How many records were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.state.dropped.load(Ordering::Relaxed)
    }

    /// Opens the file anew before the next record, after another program has moved it.
    pub fn reopen(&self) {
        self.0.state.reopens.store(true, Ordering::Relaxed);
    }

    /// Waits until everything so far has been written, for some seconds at most.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        let flushing = async {
            if self.0.queue.send(AuditMessage::Flush(done)).await.is_ok() {
                self.0.end_gathering();
                // An error says that the thread has ended, and nothing more will be written.
                let _ = is_done.await;
            }
        };
        if tokio::time::timeout(FLUSH_MAX, flushing).await.is_err() {
            tracing::error!("the audit log could not be written to its end");
        }
    }

    fn count_dropped(&self) {
        static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
        let dropped = self.0.state.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if THROTTLE.admit(Instant::now().into_std()).is_some() {
            tracing::error!(
                dropped,
                "records of the audit log are dropped: they come faster than they can be written"
            );
        }
    }
}

impl AuditSlot {
    /// The time for the record, since the start of 1970.
    pub fn now(&self) -> Duration {
        (self.log.0.now)()
    }

    /// Gives the record to the log.
    pub fn record(self, record: impl Into<Box<CallRecord>>) {
        let message = AuditMessage::Call(record.into());
        match self.permit {
            Some(permit) => {
                permit.send(message);
            }
            None => {
                if self.log.0.queue.try_send(message).is_err() {
                    self.log.count_dropped();
                }
            }
        }
        self.log.0.mind_room();
    }
}

impl AuditHandle {
    /// Wakes the thread before its time when the queue is half full.
    fn mind_room(&self) {
        let is_half_full = || self.queue.capacity() <= self.queue.max_capacity() / 2;
        if self.state.gathers.load(Ordering::Relaxed) && is_half_full() {
            self.end_gathering();
        }
    }

    fn end_gathering(&self) {
        if self.state.gathers.swap(false, Ordering::Relaxed) {
            self.thread.unpark();
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("state", &self.0.state).finish_non_exhaustive()
    }
}

impl fmt::Debug for AuditSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditSlot").finish_non_exhaustive()
    }
}

/// The thread of a log.
struct AuditWriter {
    records: Receiver<AuditMessage>,
    output: AuditOutput,
    events: EventEncoder,
    state: Arc<AuditState>,
}

impl AuditWriter {
    /// Writes until the log has no handle any more.
    fn run(&mut self) {
        let (mut batch, mut lines) = (Vec::with_capacity(BATCH_MAX), Vec::new());
        while self.records.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            self.gather(&mut batch);
            for message in batch.drain(..) {
                match message {
                    AuditMessage::Call(record) => self.events.write(&record, &mut lines),
                    AuditMessage::Flush(done) => {
                        self.write(&mut lines);
                        // Fails when no one waits any more.
                        let _ = done.send(());
                    }
                }
                if lines.len() >= WRITE_BYTES {
                    self.write(&mut lines);
                }
            }
            self.write(&mut lines);
        }
    }

    /// Lets more records come, unless there are many or someone waits for these.
    fn gather(&mut self, batch: &mut Vec<AuditMessage>) {
        let is_awaited = batch.iter().any(|message| matches!(message, AuditMessage::Flush(_)));
        if is_awaited || !self.records.is_empty() || self.records.is_closed() {
            return;
        }

        self.state.gathers.store(true, Ordering::Relaxed);
        // One that is woken for nothing writes a little early.
        thread::park_timeout(GATHER_TIME);
        self.state.gathers.store(false, Ordering::Relaxed);
        while batch.len() < BATCH_MAX
            && let Ok(message) = self.records.try_recv()
        {
            batch.push(message);
        }
    }

    /// Takes lines and writes them, again and again until they are written. Meanwhile the queue fills, and calls see that.
    fn write(&mut self, lines: &mut Vec<u8>) {
        static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
        while let Err(error) = self.try_write(lines) {
            if THROTTLE.admit(Instant::now().into_std()).is_some() {
                tracing::error!(%error, "the audit log cannot be written");
            }
            if self.records.is_closed() {
                break;
            }
            thread::sleep(RETRY_PAUSE);
        }
        lines.clear();
        lines.shrink_to(WRITE_BYTES);
    }

    fn try_write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        match &mut self.output {
            AuditOutput::Standard(output) => output.append(lines),
            AuditOutput::File(file) => {
                if self.state.reopens.swap(false, Ordering::Relaxed) {
                    file.reopen()?;
                }
                file.write(lines)
            }
        }
    }
}
