//! `kilwa.v1.LookupService`.

use crate::api::authzed_v1::lookup_resources::LookupResources;
use crate::api::context::ServiceContext;
use crate::api::middleware::layer::Operations;
use crate::api::result_stream::{Results, stream};
use crate::proto::authzed::api::v1::LookupResourcesResponse;
use crate::proto::kilwa::v1 as proto;
use crate::proto::kilwa::v1::lookup_service_server::LookupService;
use tonic::{Request, Response, Status};

/// Lookups that the protocol of `SpiceDB` does not have.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    context: ServiceContext,
}

impl Lookups {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[tonic::async_trait]
impl LookupService for Lookups {
    type LookupResourcesWithinStream = Results<LookupResourcesResponse>;

    async fn lookup_resources_within(
        &self,
        request: Request<proto::LookupResourcesWithinRequest>,
    ) -> Result<Response<Self::LookupResourcesWithinStream>, Status> {
        let operations = Operations::default();
        let lookup =
            LookupResources::within(&self.context, operations.clone(), request.into_inner())?;
        let context = self.context.clone();
        let results = stream(self.context.streams, |sink| lookup.send(context, sink));
        Ok(operations.of(results))
    }
}
