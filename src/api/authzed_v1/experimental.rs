//! `authzed.api.v1.ExperimentalService`.

use crate::api::authzed_v1::counters;
use crate::api::authzed_v1::export;
use crate::api::authzed_v1::import;
use crate::api::authzed_v1::permissions::Permissions;
use crate::api::authzed_v1::schema::SchemaCalls;
use crate::api::bounded_stream::BoundedStream;
use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::experimental_service_server::ExperimentalService;
use crate::proto::authzed::api::v1::permissions_service_server::PermissionsService as _;
use crate::proto::authzed::api::v1::schema_service_server::SchemaService as _;
use tonic::{Request, Response, Status, Streaming};

/// Calls outside of the stable API.
///
/// What has a stable twin is served by it; the messages of both are the same on the wire, and one type here.
#[derive(Clone, Debug)]
pub(crate) struct Experimental {
    context: ServiceContext,
    permissions: Permissions,
    schemas: SchemaCalls,
}

impl Experimental {
    pub(crate) fn new(
        context: ServiceContext,
        permissions: Permissions,
        schemas: SchemaCalls,
    ) -> Self {
        Self { context, permissions, schemas }
    }
}

#[tonic::async_trait]
impl ExperimentalService for Experimental {
    type BulkExportRelationshipsStream = BoundedStream<proto::BulkExportRelationshipsResponse>;

    async fn bulk_import_relationships(
        &self,
        request: Request<Streaming<proto::BulkImportRelationshipsRequest>>,
    ) -> Result<Response<proto::BulkImportRelationshipsResponse>, Status> {
        let access = CallAccess::of(&request);
        let num_loaded = import::import(&self.context, &access, request).await?;
        Ok(Response::new(proto::BulkImportRelationshipsResponse { num_loaded }))
    }

    async fn bulk_export_relationships(
        &self,
        request: Request<proto::BulkExportRelationshipsRequest>,
    ) -> Result<Response<Self::BulkExportRelationshipsStream>, Status> {
        let access = CallAccess::of(&request);
        let export = export::export(&self.context, &access, request.into_inner().into())?;
        Ok(access.respond(export.stream(&self.context)))
    }

    async fn bulk_check_permission(
        &self,
        request: Request<proto::CheckBulkPermissionsRequest>,
    ) -> Result<Response<proto::CheckBulkPermissionsResponse>, Status> {
        self.permissions.check_bulk_permissions(request).await
    }

    async fn experimental_reflect_schema(
        &self,
        request: Request<proto::ReflectSchemaRequest>,
    ) -> Result<Response<proto::ReflectSchemaResponse>, Status> {
        self.schemas.reflect_schema(request).await
    }

    async fn experimental_computable_permissions(
        &self,
        request: Request<proto::ComputablePermissionsRequest>,
    ) -> Result<Response<proto::ComputablePermissionsResponse>, Status> {
        self.schemas.computable_permissions(request).await
    }

    async fn experimental_dependent_relations(
        &self,
        request: Request<proto::DependentRelationsRequest>,
    ) -> Result<Response<proto::DependentRelationsResponse>, Status> {
        self.schemas.dependent_relations(request).await
    }

    async fn experimental_diff_schema(
        &self,
        request: Request<proto::DiffSchemaRequest>,
    ) -> Result<Response<proto::DiffSchemaResponse>, Status> {
        self.schemas.diff_schema(request).await
    }

    async fn experimental_register_relationship_counter(
        &self,
        request: Request<proto::ExperimentalRegisterRelationshipCounterRequest>,
    ) -> Result<Response<proto::ExperimentalRegisterRelationshipCounterResponse>, Status> {
        Ok(Response::new(counters::register(&self.context, request.into_inner()).await?))
    }

    async fn experimental_count_relationships(
        &self,
        request: Request<proto::ExperimentalCountRelationshipsRequest>,
    ) -> Result<Response<proto::ExperimentalCountRelationshipsResponse>, Status> {
        Ok(Response::new(counters::count(&self.context, request.into_inner()).await?))
    }

    async fn experimental_unregister_relationship_counter(
        &self,
        request: Request<proto::ExperimentalUnregisterRelationshipCounterRequest>,
    ) -> Result<Response<proto::ExperimentalUnregisterRelationshipCounterResponse>, Status> {
        Ok(Response::new(counters::unregister(&self.context, request.into_inner()).await?))
    }
}
