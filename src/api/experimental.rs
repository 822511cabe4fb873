//! `authzed.api.v1.ExperimentalService`.

use super::proto::authzed::api::v1 as proto;
use super::proto::authzed::api::v1::experimental_service_server::ExperimentalService;
use super::status;
use super::stream::Results;
use tonic::{Request, Response, Status, Streaming};

/// Calls outside of the stable API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Experimental;

#[tonic::async_trait]
impl ExperimentalService for Experimental {
    type BulkExportRelationshipsStream = Results<proto::BulkExportRelationshipsResponse>;

    async fn bulk_import_relationships(
        &self,
        _: Request<Streaming<proto::BulkImportRelationshipsRequest>>,
    ) -> Result<Response<proto::BulkImportRelationshipsResponse>, Status> {
        Err(status::unserved("BulkImportRelationships"))
    }

    async fn bulk_export_relationships(
        &self,
        _: Request<proto::BulkExportRelationshipsRequest>,
    ) -> Result<Response<Self::BulkExportRelationshipsStream>, Status> {
        Err(status::unserved("BulkExportRelationships"))
    }

    async fn bulk_check_permission(
        &self,
        _: Request<proto::BulkCheckPermissionRequest>,
    ) -> Result<Response<proto::BulkCheckPermissionResponse>, Status> {
        Err(status::unserved("BulkCheckPermission"))
    }

    async fn experimental_reflect_schema(
        &self,
        _: Request<proto::ExperimentalReflectSchemaRequest>,
    ) -> Result<Response<proto::ExperimentalReflectSchemaResponse>, Status> {
        Err(status::unserved("ExperimentalReflectSchema"))
    }

    async fn experimental_computable_permissions(
        &self,
        _: Request<proto::ExperimentalComputablePermissionsRequest>,
    ) -> Result<Response<proto::ExperimentalComputablePermissionsResponse>, Status> {
        Err(status::unserved("ExperimentalComputablePermissions"))
    }

    async fn experimental_dependent_relations(
        &self,
        _: Request<proto::ExperimentalDependentRelationsRequest>,
    ) -> Result<Response<proto::ExperimentalDependentRelationsResponse>, Status> {
        Err(status::unserved("ExperimentalDependentRelations"))
    }

    async fn experimental_diff_schema(
        &self,
        _: Request<proto::ExperimentalDiffSchemaRequest>,
    ) -> Result<Response<proto::ExperimentalDiffSchemaResponse>, Status> {
        Err(status::unserved("ExperimentalDiffSchema"))
    }

    async fn experimental_register_relationship_counter(
        &self,
        _: Request<proto::ExperimentalRegisterRelationshipCounterRequest>,
    ) -> Result<Response<proto::ExperimentalRegisterRelationshipCounterResponse>, Status> {
        Err(status::unserved("ExperimentalRegisterRelationshipCounter"))
    }

    async fn experimental_count_relationships(
        &self,
        _: Request<proto::ExperimentalCountRelationshipsRequest>,
    ) -> Result<Response<proto::ExperimentalCountRelationshipsResponse>, Status> {
        Err(status::unserved("ExperimentalCountRelationships"))
    }

    async fn experimental_unregister_relationship_counter(
        &self,
        _: Request<proto::ExperimentalUnregisterRelationshipCounterRequest>,
    ) -> Result<Response<proto::ExperimentalUnregisterRelationshipCounterResponse>, Status> {
        Err(status::unserved("ExperimentalUnregisterRelationshipCounter"))
    }
}
