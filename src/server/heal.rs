//! Restores writes after a failed commit, without a restart.
//!
//! A failed commit leaves the durable state unknown, so the store takes no further write until it has been opened again.
//! Meanwhile reads continue, the health name for writes is `NOT_SERVING`, and an error is logged again and again. As soon
//! as a probe shows that the data folder takes data, the store is closed and opened within the process.

use crate::api::{WRITES_HEALTH, Workers};
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
    loop {
        sleep(INTERVAL).await;
        let Some(reason) = workers.writes_stopped() else { continue };
        health.set_service_status(WRITES_HEALTH, ServingStatus::NotServing).await;

        let again = healed.is_some_and(|healed| healed.elapsed() < STABLE_AFTER);
        delay = if again { (delay * 2).min(DELAY_MAX) } else { INTERVAL };
        restore(workers, &reason, delay).await;

        healed = Some(Instant::now());
        health.set_service_status(WRITES_HEALTH, ServingStatus::Serving).await;
    }
}

/// Done when the store takes writes again.
async fn restore(workers: &Workers, reason: &str, delay: Duration) {
    let stopped = Instant::now();
    let mut lines = LogSchedule { next: stopped, pause: REPEAT_FIRST };
    let mut obstacle = None;
    let mut pause = delay;
    loop {
        lines.report(reason, obstacle.as_deref());
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

/// When the next log line is due.
struct LogSchedule {
    next: Instant,
    pause: Duration,
}

impl LogSchedule {
    fn report(&mut self, reason: &str, obstacle: Option<&str>) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        tracing::error!(
            reason,
            obstacle,
            "writes are stopped because one could not be committed; reads continue. Check the disk, the free space and \
             the limits of open files and file sizes; writes continue by themselves as soon as the data folder can be \
             written"
        );
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(REPEAT_MAX);
    }
}
