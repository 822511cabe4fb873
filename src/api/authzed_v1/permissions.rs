//! `authzed.api.v1.PermissionsService`.

use crate::api::authzed_v1::check_answer::{NotAtOnce, TRACE_ASKED, check_at_once, check_response};
use crate::api::authzed_v1::check_bulk;
use crate::api::authzed_v1::delete;
use crate::api::authzed_v1::expand;
use crate::api::authzed_v1::export;
use crate::api::authzed_v1::import;
use crate::api::authzed_v1::lookup_resources::lookup_resources;
use crate::api::authzed_v1::lookup_subjects::lookup_subjects;
use crate::api::authzed_v1::read;
use crate::api::bounded_stream::BoundedStream;
use crate::api::bulk_end::BulkEnd;
use crate::api::call_access::{CallAccess, caller_name};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::middleware::debug_trailer::DebugTrailer;
use crate::api::middleware::operations::Operations;
use crate::api::status;
use crate::engine::Statistics;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::permissions_service_server::PermissionsService;
use crate::schema;
use prost::Message as _;
use std::sync::Arc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

/// Calls about relationships and permissions.
#[derive(Clone, Debug)]
pub(crate) struct Permissions {
    context: ServiceContext,
}

impl Permissions {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[tonic::async_trait]
impl PermissionsService for Permissions {
    type ReadRelationshipsStream = BoundedStream<proto::ReadRelationshipsResponse>;
    type LookupResourcesStream = BoundedStream<proto::LookupResourcesResponse>;
    type LookupSubjectsStream = BoundedStream<proto::LookupSubjectsResponse>;
    type ExportBulkRelationshipsStream = BoundedStream<proto::ExportBulkRelationshipsResponse>;

    async fn check_permission(
        &self,
        request: Request<proto::CheckPermissionRequest>,
    ) -> Result<Response<proto::CheckPermissionResponse>, Status> {
        let access = CallAccess::of(&request);
        let asks_for_trailer = trace_requested(request.metadata());
        let tracing = asks_for_trailer || request.get_ref().with_tracing;
        if tracing {
            access.require_traces()?;
        }
        let was_tried = request.extensions().get::<NotAtOnce>().is_some();
        let mut request = request.into_inner();
        let (tokens, traces) = (self.context.tokens, self.context.traces.clone());
        let consistency = tokens.consistency(request.consistency.take())?;
        let arguments = convert::check(request, self.context.limits);
        if let Ok(arguments) = &arguments {
            access.require_check(arguments)?;
        }
        if !tracing
            && !was_tried
            && let Ok(arguments) = &arguments
            && let Some(checked) = check_at_once(&self.context, consistency, arguments)
        {
            let (revision, checked) = checked.map_err(status::from_database)?;
            self.context.metrics.evaluations().record(&checked);
            let response = check_response(tokens.token(revision), &checked.permissionship);
            return Ok(with_operations(response, &[checked.statistics]));
        }
        let metrics = Arc::clone(&self.context.metrics);
        let (response, statistics) = self
            .context
            .workers
            .run(move |job| {
                let view = job.view(consistency)?;
                let arguments = arguments?;
                let checked =
                    view.check(&arguments.query(), tracing).map_err(status::from_database)?;
                metrics.evaluations().record(&checked);
                let mut response =
                    check_response(tokens.token(view.revision()), &checked.permissionship);
                response.debug_trace = checked.trace.as_ref().map(|trace| {
                    traces.information(trace, &schema::format::canonical(view.schema()))
                });
                Ok((response, checked.statistics))
            })
            .await?;
        let trace = response.debug_trace.as_ref().filter(|_| asks_for_trailer);
        let trailer = trace.and_then(DebugTrailer::from_information);
        let mut response = with_operations(response, &[statistics]);
        if let Some(trailer) = trailer {
            response.extensions_mut().insert(trailer);
        }

        Ok(response)
    }

    async fn check_bulk_permissions(
        &self,
        request: Request<proto::CheckBulkPermissionsRequest>,
    ) -> Result<Response<proto::CheckBulkPermissionsResponse>, Status> {
        let access = CallAccess::of(&request);
        let tracing = trace_requested(request.metadata()) || request.get_ref().with_tracing;
        if tracing {
            access.require_traces()?;
        }
        let end = request.extensions().get::<BulkEnd>().cloned().unwrap_or_default();
        let request = request.into_inner();
        let (response, statistics) =
            check_bulk::check(&self.context, (access, end), request, tracing).await?;
        Ok(with_operations(response, &statistics))
    }

    async fn read_relationships(
        &self,
        request: Request<proto::ReadRelationshipsRequest>,
    ) -> Result<Response<Self::ReadRelationshipsStream>, Status> {
        let access = CallAccess::of(&request);
        let read = read::read(&self.context, &access, request.into_inner())?;
        Ok(access.respond(read.stream(&self.context)))
    }

    async fn write_relationships(
        &self,
        request: Request<proto::WriteRelationshipsRequest>,
    ) -> Result<Response<proto::WriteRelationshipsResponse>, Status> {
        let (access, writer) = (CallAccess::of(&request), caller_name(&request));
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let write = convert::write(request, self.context.limits)?;
        access.require_updates(&write.updates)?;
        access.require_prerequisites(&write.preconditions, &write.permissions)?;
        let (written_at, ()) = self.context.write(bytes, write, writer).await?;
        Ok(Response::new(proto::WriteRelationshipsResponse { written_at: Some(written_at) }))
    }

    async fn delete_relationships(
        &self,
        request: Request<proto::DeleteRelationshipsRequest>,
    ) -> Result<Response<proto::DeleteRelationshipsResponse>, Status> {
        let (access, writer) = (CallAccess::of(&request), caller_name(&request));
        let deleted = delete::delete(&self.context, &access, request.into_inner(), writer).await?;
        Ok(Response::new(deleted))
    }

    async fn expand_permission_tree(
        &self,
        request: Request<proto::ExpandPermissionTreeRequest>,
    ) -> Result<Response<proto::ExpandPermissionTreeResponse>, Status> {
        let access = CallAccess::of(&request);
        let (response, statistics) =
            expand::expand(&self.context, access, request.into_inner()).await?;
        Ok(with_operations(response, &[statistics]))
    }

    async fn lookup_resources(
        &self,
        request: Request<proto::LookupResourcesRequest>,
    ) -> Result<Response<Self::LookupResourcesStream>, Status> {
        let operations = Operations::default();
        let access = CallAccess::of(&request);
        let request = request.into_inner();
        let lookup = lookup_resources(&self.context, &access, operations.clone(), request)?;
        Ok(operations.respond(lookup.stream(&self.context)))
    }

    async fn lookup_subjects(
        &self,
        request: Request<proto::LookupSubjectsRequest>,
    ) -> Result<Response<Self::LookupSubjectsStream>, Status> {
        let operations = Operations::default();
        let access = CallAccess::of(&request);
        let request = request.into_inner();
        let lookup = lookup_subjects(&self.context, &access, operations.clone(), request)?;
        Ok(operations.respond(lookup.stream(&self.context)))
    }

    async fn import_bulk_relationships(
        &self,
        request: Request<Streaming<proto::ImportBulkRelationshipsRequest>>,
    ) -> Result<Response<proto::ImportBulkRelationshipsResponse>, Status> {
        let access = CallAccess::of(&request);
        let num_loaded = import::import(&self.context, &access, request).await?;
        Ok(Response::new(proto::ImportBulkRelationshipsResponse { num_loaded }))
    }

    async fn export_bulk_relationships(
        &self,
        request: Request<proto::ExportBulkRelationshipsRequest>,
    ) -> Result<Response<Self::ExportBulkRelationshipsStream>, Status> {
        let access = CallAccess::of(&request);
        let export = export::export(&self.context, &access, request.into_inner())?;
        Ok(access.respond(export.stream(&self.context)))
    }
}

fn trace_requested(metadata: &MetadataMap) -> bool {
    metadata.contains_key(TRACE_ASKED)
}

/// A response with its cost in the trailers.
pub(crate) fn with_operations<M>(message: M, statistics: &[Statistics]) -> Response<M> {
    Operations::of(statistics).respond(message)
}
