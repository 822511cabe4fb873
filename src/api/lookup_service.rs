//! `kilwa.v1.LookupService`.

use super::core::Core;
use super::edge::Operations;
use super::lookup_resources::LookupResources;
use super::proto::authzed::api::v1::LookupResourcesResponse;
use super::proto::kilwa::v1 as proto;
use super::proto::kilwa::v1::lookup_service_server::LookupService;
use super::stream::{Results, stream};
use tonic::{Request, Response, Status};

/// Lookups that the protocol of `SpiceDB` does not have.
#[derive(Clone, Debug)]
pub(super) struct Lookups {
    core: Core,
}

impl Lookups {
    pub(super) fn new(core: Core) -> Self {
        Self { core }
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
        let lookup = LookupResources::within(&self.core, operations.clone(), request.into_inner())?;
        let core = self.core.clone();
        let results = stream(self.core.streams, |sink| lookup.send(core, sink));
        Ok(operations.of(results))
    }
}
