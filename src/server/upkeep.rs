//! The work of a server beside its calls: garbage is collected, and the clock is watched.

use super::clock::{CLOCK_HEALTH_NAME, GuardedClock};
use crate::api::Workers;
use std::time::Duration;
use tokio::time::Instant;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often the clock is read, so that a jump is noticed even without calls.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the log says that the clock is not believed.
const CLOCK_LOG_INTERVAL: Duration = Duration::from_mins(1);
/// Collecting without a pause would take the store for itself.
pub(super) const GARBAGE_COLLECTION_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Never ends.
pub(super) async fn collect_garbage(workers: &Workers, clock: &GuardedClock, interval: Duration) {
    loop {
        tokio::time::sleep(interval.max(GARBAGE_COLLECTION_INTERVAL_MIN)).await;
        if let Some(time) = clock.collectable() {
            workers.collect_garbage_at(time).await;
        }
    }
}

/// Reports whether the clock can be believed, to health checks and, as long as it cannot, again and again to the log. Never
/// ends.
pub(super) async fn watch_clock(clock: &GuardedClock, health: &HealthReporter) {
    let mut logged_at: Option<Instant> = None;
    loop {
        let doubt = clock.doubt();
        let status =
            if doubt.is_some() { ServingStatus::NotServing } else { ServingStatus::Serving };
        health.set_service_status(CLOCK_HEALTH_NAME, status).await;

        match doubt {
            None => {
                if logged_at.take().is_some() {
                    tracing::info!("the clock is believed again");
                }
            }
            Some(doubt) if logged_at.is_none_or(|at| at.elapsed() >= CLOCK_LOG_INTERVAL) => {
                tracing::warn!(
                    "{doubt}; nothing old is dropped until the clock is set right, or the server is restarted with `--accept-clock`"
                );
                logged_at = Some(Instant::now());
            }
            Some(_) => {}
        }

        tokio::time::sleep(CLOCK_INTERVAL).await;
    }
}
