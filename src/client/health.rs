//! Health checks: whether a server serves requests.

use super::call_error::CallError;
use super::connection::Connection;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

impl Connection {
    /// Whether the server reports that it serves. `service` is a name that it reports health for, empty for the server as
    /// a whole; an unknown name is an error. Servers answer without a key.
    pub fn is_serving(&self, service: &str) -> Result<bool, CallError> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let response = self.wait(HealthClient::new(self.channel()).check(request))?;
        Ok(response.status() == ServingStatus::Serving)
    }
}
