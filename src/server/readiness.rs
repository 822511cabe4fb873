//! Whether a server is ready, from the health that it reports by gRPC.

use super::clock::CLOCK_HEALTH_NAME;
use crate::api::WRITES_HEALTH;
use std::fmt;
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as _;
use tonic_health::server::{HealthReporter, HealthService};

/// Health names, each with what is said when it does not serve.
const REQUIRED: [(&str, &str); 3] = [
    ("", "the server is stopping\n"),
    (WRITES_HEALTH, "writes are stopped\n"),
    (CLOCK_HEALTH_NAME, "the clock is not believed\n"),
];

/// Whether a server is ready.
#[derive(Clone)]
pub(super) struct Readiness {
    health: HealthReporter,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

impl Readiness {
    /// The readiness that follows this health.
    pub(super) fn new(health: &HealthReporter) -> Self {
        Self { health: health.clone() }
    }

    /// Why the server is not ready; `None` when it is.
    pub(super) async fn obstacle(&self) -> Option<&'static str> {
        let service = HealthService::from_health_reporter(self.health.clone());
        for (name, obstacle) in REQUIRED {
            let request = Request::new(HealthCheckRequest { service: name.to_owned() });
            let status = service.check(request).await.map(|response| response.get_ref().status());
            if !matches!(status, Ok(ServingStatus::Serving)) {
                return Some(obstacle);
            }
        }
        None
    }
}
