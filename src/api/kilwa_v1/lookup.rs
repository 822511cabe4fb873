//! `kilwa.v1.LookupService`.

use crate::api::authzed_v1::lookup_resources::lookup_resources_within;
use crate::api::bounded_stream::BoundedStream;
use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::middleware::operations::Operations;
use crate::proto::authzed::api::v1::LookupResourcesResponse;
use crate::proto::kilwa::v1 as proto;
use crate::proto::kilwa::v1::lookup_service_server::LookupService;
use tonic::{Request, Response, Status};

/// Lookups that the protocol of `SpiceDB` does not have.
#[derive(Clone, Debug)]
pub(crate) struct LookupCalls {
    context: ServiceContext,
}

impl LookupCalls {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[tonic::async_trait]
impl LookupService for LookupCalls {
    type LookupResourcesWithinStream = BoundedStream<LookupResourcesResponse>;

    async fn lookup_resources_within(
        &self,
        request: Request<proto::LookupResourcesWithinRequest>,
    ) -> Result<Response<Self::LookupResourcesWithinStream>, Status> {
        let operations = Operations::default();
        let access = CallAccess::of(&request);
        let request = request.into_inner();
        let lookup = lookup_resources_within(&self.context, &access, operations.clone(), request)?;
        Ok(operations.respond(lookup.stream(&self.context)))
    }
}
