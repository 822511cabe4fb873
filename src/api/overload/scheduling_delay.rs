//! How long a thread waited for a processor, as Linux counts it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::str;
use std::time::Duration;

/// Time on the processor, time waiting for one, and the number of time slices, of the thread that opens it; see
/// "schedstat" in the kernel's documentation.
const STATISTICS: &str = "/proc/thread-self/schedstat";
/// Longer than three numbers.
const STATISTICS_BYTES: usize = 96;

thread_local! {
    /// Opened once for each thread: opening it anew costs several times what reading it does. `None` on systems without it.
    static FILE: Option<File> = File::open(STATISTICS).ok();
}

/// The start of a measurement on the calling thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchedulingDelay {
    before: Option<Duration>,
}

impl SchedulingDelay {
    /// Starts to measure on this thread.
    pub(crate) fn start() -> Self {
        Self { before: total() }
    }

    /// How long this thread, which has to be the one that started the measurement, has waited for a processor since
    /// then. Zero where the system does not tell.
    pub(crate) fn elapsed(self) -> Duration {
        let (Some(before), Some(now)) = (self.before, total()) else { return Duration::ZERO };
        now.saturating_sub(before)
    }
}

/// How long this thread has waited for a processor in its life.
fn total() -> Option<Duration> {
    FILE.with(|file| {
        let mut buffer = [0; STATISTICS_BYTES];
        let length = file.as_ref()?.read_at(&mut buffer, 0).ok()?;
        let text = str::from_utf8(buffer.get(..length)?).ok()?;
        let nanoseconds = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    })
}
