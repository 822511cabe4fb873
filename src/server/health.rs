//! The services that ask for no key: health, and reflection of the protocol.

use super::clock::CLOCK_HEALTH_NAME;
use super::error::ServerError;
use crate::api::{HEALTH_NAMES, WRITES_HEALTH};
use crate::proto;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The largest message of the services that ask for no key, in bytes: they take a name.
const OPEN_MESSAGE_BYTES_MAX: usize = 16 << 10;

/// What reflection shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownServices {
    /// The services that every server has.
    Usual,
    /// External authorization of Envoy too.
    AlsoEnvoy,
}

/// Health and reflection, which every server has and which ask for no key.
pub(super) async fn usual_routes(
    shown: ShownServices,
) -> Result<(HealthReporter, RoutesBuilder), ServerError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    report(&health, ServingStatus::Serving).await;
    let mut routes = Routes::builder();
    routes.add_service(health_service.max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX));
    add_reflection(&mut routes, shown)?;
    Ok((health, routes))
}

pub(super) async fn report(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES.into_iter().chain([WRITES_HEALTH]) {
        health.set_service_status(name, status).await;
    }
}

/// Ends the health watches, after they have had the last status: open for good, they would take the whole grace period.
pub(super) async fn end_health_watches(health: &HealthReporter) {
    let mut health = health.clone();
    for name in HEALTH_NAMES.into_iter().chain([WRITES_HEALTH, CLOCK_HEALTH_NAME]) {
        health.clear_service_status(name).await;
    }
}

fn add_reflection(routes: &mut RoutesBuilder, shown: ShownServices) -> Result<(), ServerError> {
    let builder = || {
        let builder = tonic_reflection::server::Builder::configure();
        let builder = match shown {
            ShownServices::Usual => builder,
            ShownServices::AlsoEnvoy => {
                builder.register_encoded_file_descriptor_set(proto::ENVOY_FILE_DESCRIPTOR_SET)
            }
        };

        builder
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            )
            // Each of the two versions lists both of them.
            .include_reflection_service(false)
    };
    let v1 = builder().build_v1()?.max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX);
    let v1alpha = builder().build_v1alpha()?.max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX);
    routes.add_service(v1);
    routes.add_service(v1alpha);
    Ok(())
}
