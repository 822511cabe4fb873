//! Reports when writes are refused, and restores them after a failed commit, without a restart.
//!
//! A failed commit leaves the durable state unknown, so the store takes no further write until it has been opened again.
//! Meanwhile reads continue, the health name for writes is `NOT_SERVING`, and an error is logged again and again. As soon
//! as a probe shows that the data folder takes data, the store is closed and opened within the process.
//!
//! A data folder that was removed or replaced stops writes too, because they would go into files that no start finds again. They
//! continue only when the same folder is back: whatever else is at its path is not opened.
//!
//! Writes that are refused before they begin, because of too little disk space or too few file descriptors, need nothing to
//! be restored. They are reported by the same health name and by a log line.

use crate::api::{WRITES_HEALTH, Workers};
use crate::store::WriteStop;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often the store is asked whether it takes writes, and the first pause between two probes.
const INTERVAL: Duration = Duration::from_millis(250);
/// The longest pause between two probes.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A store that stops again sooner than this is opened again later and later.
const STABLE_AFTER: Duration = Duration::from_mins(1);
/// The longest time between a stop and the first probe.
const DELAY_MAX: Duration = Duration::from_mins(1);
/// The first and the longest pause between two log lines.
const REPEAT_FIRST: Duration = Duration::from_secs(10);
const REPEAT_MAX: Duration = Duration::from_mins(5);

/// Watches over the store for as long as the server serves. Never ends.
pub(super) async fn supervise(workers: &Workers, health: &HealthReporter) {
    let mut delay = INTERVAL;
    let mut healed: Option<Instant> = None;
    let mut shortage = ShortageReport::default();
    loop {
        sleep(INTERVAL).await;
        let Some(stop) = workers.writes_stopped() else {
            if let Some(status) = shortage.update(workers.shortage()) {
                health.set_service_status(WRITES_HEALTH, status).await;
            }
            continue;
        };
        health.set_service_status(WRITES_HEALTH, ServingStatus::NotServing).await;

        let again = healed.is_some_and(|healed| healed.elapsed() < STABLE_AFTER);
        delay = if again { (delay * 2).min(DELAY_MAX) } else { INTERVAL };
        restore(workers, &stop, delay).await;

        healed = Some(Instant::now());
        if !shortage.is_on {
            health.set_service_status(WRITES_HEALTH, ServingStatus::Serving).await;
        }
    }
}

/// Done when the store takes writes again.
async fn restore(workers: &Workers, stop: &WriteStop, delay: Duration) {
    let stopped = Instant::now();
    let mut lines = LogSchedule { next: stopped, pause: REPEAT_FIRST };
    let mut obstacle = None;
    let mut pause = delay;
    loop {
        lines.report(stop, obstacle.as_deref());
        sleep(pause).await;
        pause = (pause * 2).min(PROBE_PAUSE_MAX.max(delay));

        obstacle = match workers.reopen().await {
            Ok(()) => break,
            Err(obstacle) => Some(obstacle),
        };
    }
    let stopped_for = stopped.elapsed();
    tracing::info!(?stopped_for, "the store was opened again: writes continue");
}

/// Whether writes are refused for lack of space or descriptors, and when the log said so.
#[derive(Debug, Default)]
struct ShortageReport {
    is_on: bool,
    /// Whether the log has the beginning of this shortage, and so is to have its end.
    is_logged: bool,
    logged: Option<Instant>,
}

impl ShortageReport {
    /// Takes what is short now. Returns the new status of writes if it has changed.
    fn update(&mut self, shortage: Option<String>) -> Option<ServingStatus> {
        if shortage.is_some() == self.is_on {
            return None;
        }
        self.is_on = shortage.is_some();

        // A disk whose free space moves about the reserve must not fill it with log lines.
        let is_due = |logged: Instant| logged.elapsed() >= REPEAT_FIRST;
        if let Some(reason) = shortage {
            self.is_logged = self.logged.is_none_or(is_due);
            if self.is_logged {
                self.logged = Some(Instant::now());
                tracing::warn!(reason, "writes are refused; reads continue");
            }
            return Some(ServingStatus::NotServing);
        }
        if self.is_logged {
            tracing::info!("there is room again: writes are accepted");
        }
        Some(ServingStatus::Serving)
    }
}

/// When the next log line is due.
struct LogSchedule {
    next: Instant,
    pause: Duration,
}

impl LogSchedule {
    fn report(&mut self, stop: &WriteStop, obstacle: Option<&str>) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let reason = stop.reason();
        match stop {
            WriteStop::CommitFailed(_) => tracing::error!(
                reason,
                obstacle,
                "writes are stopped because one could not be committed; reads continue. Check the disk, the free space and \
                 the limits of open files and file sizes; writes continue by themselves as soon as the data folder can be \
                 written"
            ),
            WriteStop::FolderLost(_) => tracing::error!(
                reason,
                obstacle,
                "writes are stopped because the data folder was removed or replaced; reads continue. Do not stop the server: \
                 make a backup first with `kilwa backup create`, and restore it into a new data folder. Writes continue by \
                 themselves only if the same folder is moved back"
            ),
        }

        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(REPEAT_MAX);
    }
}
