//! The counters of `authzed.api.v1.ExperimentalService`.

use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::database::{Consistency, RegisterCounter, UnregisterCounter};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::experimental_count_relationships_response::CounterResult;
use prost::Message as _;
use tonic::Status;

pub(crate) async fn register(
    context: &ServiceContext,
    request: proto::ExperimentalRegisterRelationshipCounterRequest,
) -> Result<proto::ExperimentalRegisterRelationshipCounterResponse, Status> {
    let bytes = request.encoded_len();
    let (name, filter) = convert::counter(request)?;
    context.workers.write(bytes, RegisterCounter { name, filter }, None).await?;
    Ok(proto::ExperimentalRegisterRelationshipCounterResponse {})
}

pub(crate) async fn count(
    context: &ServiceContext,
    request: proto::ExperimentalCountRelationshipsRequest,
) -> Result<proto::ExperimentalCountRelationshipsResponse, Status> {
    let name = convert::counter_name(request.name)?;
    let counted = context.workers.run(move |job| {
        let view = job.view(Consistency::FullyConsistent)?;
        let count = view.count(&name).map_err(status::from_database)?;
        Ok((count, view.revision()))
    });
    let (relationship_count, revision) = counted.await?;
    let read_at = Some(context.tokens.token(revision));
    let value = proto::ReadCounterValue { relationship_count, read_at };
    let counter_result = Some(CounterResult::ReadCounterValue(value));
    Ok(proto::ExperimentalCountRelationshipsResponse { counter_result })
}

pub(crate) async fn unregister(
    context: &ServiceContext,
    request: proto::ExperimentalUnregisterRelationshipCounterRequest,
) -> Result<proto::ExperimentalUnregisterRelationshipCounterResponse, Status> {
    let name = convert::counter_name(request.name)?;
    context.workers.write(name.len(), UnregisterCounter { name }, None).await?;
    Ok(proto::ExperimentalUnregisterRelationshipCounterResponse {})
}
