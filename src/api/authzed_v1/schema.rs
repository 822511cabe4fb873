//! `authzed.api.v1.SchemaService`.

use crate::api::call_access::caller_name;
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::convert::reflection;
use crate::api::status;
use crate::database::{Consistency, WriteSchema};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::schema_service_server::SchemaService;
use crate::schema::diff::changes;
use crate::schema::reflection::{Reflection, reflect};
use crate::schema::{self, Schema};
use tonic::{Request, Response, Status};

/// The schema.
#[derive(Clone, Debug)]
pub(crate) struct SchemaCalls {
    context: ServiceContext,
}

impl SchemaCalls {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }

    /// The result of `ask` for the schema at the revision of a request.
    async fn ask<T: Send + 'static>(
        &self,
        consistency: Option<proto::Consistency>,
        ask: impl FnOnce(&Schema, Option<proto::ZedToken>) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let tokens = self.context.tokens;
        let consistency = tokens.consistency(consistency)?;
        let answer = self.context.workers.run(move |job| {
            let view = job.view(consistency)?;
            ask(view.schema(), Some(tokens.token(view.revision())))
        });
        Ok(Response::new(answer.await?))
    }
}

#[tonic::async_trait]
impl SchemaService for SchemaCalls {
    async fn read_schema(
        &self,
        _: Request<proto::ReadSchemaRequest>,
    ) -> Result<Response<proto::ReadSchemaResponse>, Status> {
        let tokens = self.context.tokens;
        let response = self.context.workers.run(move |job| {
            let view = job.view(Consistency::FullyConsistent)?;
            let text = view.schema_text().filter(|_| !view.schema().definitions().is_empty());
            let text = text.ok_or_else(status::no_schema)?;
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
        let writer = caller_name(&request);
        let text = convert::schema_text(request.into_inner())?;
        let (bytes, schema) = (text.len(), WriteSchema::new(text));
        let (written_at, ()) = self.context.write(bytes, schema, writer).await?;
        Ok(Response::new(proto::WriteSchemaResponse { written_at: Some(written_at) }))
    }

    async fn reflect_schema(
        &self,
        request: Request<proto::ReflectSchemaRequest>,
    ) -> Result<Response<proto::ReflectSchemaResponse>, Status> {
        let proto::ReflectSchemaRequest { consistency, optional_filters } = request.into_inner();
        let ask = move |schema: &Schema, read_at| {
            let filters = convert::reflection_filters(&optional_filters)?;
            let Reflection { definitions, caveats } = reflect(schema, filters.as_deref());
            Ok(proto::ReflectSchemaResponse {
                definitions: definitions.into_iter().map(reflection::definition).collect(),
                caveats: caveats.into_iter().map(reflection::caveat).collect(),
                read_at,
            })
        };
        self.ask(consistency, ask).await
    }

    async fn computable_permissions(
        &self,
        request: Request<proto::ComputablePermissionsRequest>,
    ) -> Result<Response<proto::ComputablePermissionsResponse>, Status> {
        let mut request = request.into_inner();
        let consistency = request.consistency.take();
        let ask = move |schema: &Schema, read_at| {
            let relation = Some(request.relation_name.as_str()).filter(|name| !name.is_empty());
            let found = schema.dependents(&request.definition_name, relation);
            let found = found.map_err(|name| status::from_unknown_name(&name))?;
            let mut permissions = reflection::references(schema, &found);
            let start = &request.optional_definition_name_filter;
            permissions.retain(|permission| permission.definition_name.starts_with(start));
            Ok(proto::ComputablePermissionsResponse { permissions, read_at })
        };
        self.ask(consistency, ask).await
    }

    async fn dependent_relations(
        &self,
        request: Request<proto::DependentRelationsRequest>,
    ) -> Result<Response<proto::DependentRelationsResponse>, Status> {
        let mut request = request.into_inner();
        let consistency = request.consistency.take();
        let ask = move |schema: &Schema, read_at| {
            let found = schema.dependencies(&request.definition_name, &request.permission_name);
            let found = found.map_err(|error| status::from_dependency(&error))?;
            let relations = reflection::references(schema, &found);
            Ok(proto::DependentRelationsResponse { relations, read_at })
        };
        self.ask(consistency, ask).await
    }

    async fn diff_schema(
        &self,
        request: Request<proto::DiffSchemaRequest>,
    ) -> Result<Response<proto::DiffSchemaResponse>, Status> {
        let mut request = request.into_inner();
        let consistency = request.consistency.take();
        let ask = move |schema: &Schema, read_at| {
            let text = convert::comparison_schema(request)?;
            let other =
                schema::compile(&text).map_err(|faults| status::from_diagnostics(&faults))?;
            let diffs = changes(schema, &other).into_iter().map(reflection::change).collect();
            Ok(proto::DiffSchemaResponse { diffs, read_at })
        };
        self.ask(consistency, ask).await
    }
}
