//! The counters of `authzed.api.v1.ExperimentalService`.

use super::core::Core;
use super::proto::authzed::api::v1 as proto;
use super::proto::authzed::api::v1::experimental_count_relationships_response::CounterResult;
use super::{from_proto, status};
use crate::database::{Consistency, RegisterCounter, UnregisterCounter};
use prost::Message as _;
use tonic::Status;

pub(super) async fn register(
    core: &Core,
    request: proto::ExperimentalRegisterRelationshipCounterRequest,
) -> Result<proto::ExperimentalRegisterRelationshipCounterResponse, Status> {
    let bytes = request.encoded_len();
    let (name, filter) = from_proto::counter(request)?;
    core.workers.write(bytes, RegisterCounter { name, filter }).await?;
    Ok(proto::ExperimentalRegisterRelationshipCounterResponse {})
}

pub(super) async fn count(
    core: &Core,
    request: proto::ExperimentalCountRelationshipsRequest,
) -> Result<proto::ExperimentalCountRelationshipsResponse, Status> {
    let name = from_proto::counter_name(request.name)?;
    let counted = core.workers.run(move |job| {
        let view = job.view(Consistency::FullyConsistent)?;
        let count = view.count(&name, job.interrupted).map_err(status::of_database)?;
        Ok((count, view.revision()))
    });
    let (relationship_count, revision) = counted.await?;
    let read_at = Some(core.tokens.token(revision));
    let value = proto::ReadCounterValue { relationship_count, read_at };
    let counter_result = Some(CounterResult::ReadCounterValue(value));
    Ok(proto::ExperimentalCountRelationshipsResponse { counter_result })
}

pub(super) async fn unregister(
    core: &Core,
    request: proto::ExperimentalUnregisterRelationshipCounterRequest,
) -> Result<proto::ExperimentalUnregisterRelationshipCounterResponse, Status> {
    let name = from_proto::counter_name(request.name)?;
    core.workers.write(name.len(), UnregisterCounter { name }).await?;
    Ok(proto::ExperimentalUnregisterRelationshipCounterResponse {})
}
