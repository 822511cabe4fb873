//! `authzed.api.v1.SchemaService`.

use super::core::Core;
use super::from_proto;
use super::proto::authzed::api::v1 as proto;
use super::proto::authzed::api::v1::schema_service_server::SchemaService;
use super::status;
use crate::database::Consistency;
use tonic::{Request, Response, Status};

/// The schema.
#[derive(Clone, Debug)]
pub(super) struct Schemas {
    core: Core,
}

impl Schemas {
    pub(super) fn new(core: Core) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl SchemaService for Schemas {
    async fn read_schema(
        &self,
        _: Request<proto::ReadSchemaRequest>,
    ) -> Result<Response<proto::ReadSchemaResponse>, Status> {
        let tokens = self.core.tokens;
        let response = self.core.workers.run(move |job| {
            let view = job.view(Consistency::FullyConsistent)?;
            let text = view.schema_text().filter(|_| !view.schema().definitions().is_empty());
            let text = text.ok_or_else(|| {
                Status::not_found("no schema has been defined; please call WriteSchema to start")
            })?;
            Ok(proto::ReadSchemaResponse {
                schema_text: text.to_owned(),
                read_at: Some(tokens.token(view.revision())),
            })
        });
        Ok(Response::new(response.await?))
    }

    async fn write_schema(
        &self,
        request: Request<proto::WriteSchemaRequest>,
    ) -> Result<Response<proto::WriteSchemaResponse>, Status> {
        let text = from_proto::schema_text(request.into_inner())?;
        let revision = self
            .core
            .workers
            .run(move |job| job.database.write_schema(job.now, &text).map_err(status::of_database))
            .await?;
        let written_at = Some(self.core.tokens.token(revision));
        Ok(Response::new(proto::WriteSchemaResponse { written_at }))
    }

    async fn reflect_schema(
        &self,
        _: Request<proto::ReflectSchemaRequest>,
    ) -> Result<Response<proto::ReflectSchemaResponse>, Status> {
        Err(status::unserved("ReflectSchema"))
    }

    async fn computable_permissions(
        &self,
        _: Request<proto::ComputablePermissionsRequest>,
    ) -> Result<Response<proto::ComputablePermissionsResponse>, Status> {
        Err(status::unserved("ComputablePermissions"))
    }

    async fn dependent_relations(
        &self,
        _: Request<proto::DependentRelationsRequest>,
    ) -> Result<Response<proto::DependentRelationsResponse>, Status> {
        Err(status::unserved("DependentRelations"))
    }

    async fn diff_schema(
        &self,
        _: Request<proto::DiffSchemaRequest>,
    ) -> Result<Response<proto::DiffSchemaResponse>, Status> {
        Err(status::unserved("DiffSchema"))
    }
}
