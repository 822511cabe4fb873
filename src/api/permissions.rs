//! `authzed.api.v1.PermissionsService`.

use super::core::Core;
use super::debug_trailer::DebugTrailer;
use super::edge::Operations;
use super::export::Export;
use super::from_proto;
use super::lookup_resources::LookupResources;
use super::proto::authzed::api::v1 as proto;
use super::proto::authzed::api::v1::permissions_service_server::PermissionsService;
use super::read::Read;
use super::status;
use super::stream::{Results, pages, stream};
use super::{bulk, delete, expand, import, lookup_subjects, to_proto};
use crate::engine::{CheckResult, Statistics};
use crate::schema;
use prost::Message as _;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

/// Asks for a trace, as older clients do.
const TRACE_ASKED: &str = "io.spicedb.requestdebuginfo";

/// Relationships and questions.
#[derive(Clone, Debug)]
pub(super) struct Permissions {
    core: Core,
}

impl Permissions {
    pub(super) fn new(core: Core) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl PermissionsService for Permissions {
    type ReadRelationshipsStream = Results<proto::ReadRelationshipsResponse>;
    type LookupResourcesStream = Results<proto::LookupResourcesResponse>;
    type LookupSubjectsStream = Results<proto::LookupSubjectsResponse>;
    type ExportBulkRelationshipsStream = Results<proto::ExportBulkRelationshipsResponse>;

    async fn check_permission(
        &self,
        request: Request<proto::CheckPermissionRequest>,
    ) -> Result<Response<proto::CheckPermissionResponse>, Status> {
        let asks_for_trailer = trace_asked(request.metadata());
        let tracing = asks_for_trailer || request.get_ref().with_tracing;
        let mut request = request.into_inner();
        let (tokens, teller) = (self.core.tokens, self.core.teller.clone());
        let consistency = tokens.consistency(request.consistency.take())?;
        let asked = from_proto::check(request, self.core.limits);
        if !tracing
            && let Ok(asked) = &asked
            && let Some((revision, checked)) =
                self.core.workers.at_once(|database, now, stopwatch| {
                    database.check_at_once(consistency, now, stopwatch, &asked.question())
                })
        {
            let checked = checked.map_err(status::of_database)?;
            let response = check_response(tokens.token(revision), &checked);
            return Ok(with_operations(response, &[checked.statistics]));
        }
        let (response, statistics) = self
            .core
            .workers
            .run(move |job| {
                let view = job.view(consistency)?;
                let asked = asked?;
                let checked = view
                    .check(&asked.question(), tracing, job.interrupted)
                    .map_err(status::of_database)?;
                let mut response = check_response(tokens.token(view.revision()), &checked);
                response.debug_trace = checked.trace.as_ref().map(|trace| {
                    teller.information(trace, &schema::format::canonical(view.schema()))
                });
                Ok((response, checked.statistics))
            })
            .await?;
        let trace = response.debug_trace.as_ref().filter(|_| asks_for_trailer);
        let trailer = trace.and_then(DebugTrailer::of);
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
        let tracing = trace_asked(request.metadata()) || request.get_ref().with_tracing;
        let (response, statistics) = bulk::check(&self.core, request.into_inner(), tracing).await?;
        Ok(with_operations(response, &statistics))
    }

    async fn read_relationships(
        &self,
        request: Request<proto::ReadRelationshipsRequest>,
    ) -> Result<Response<Self::ReadRelationshipsStream>, Status> {
        let read = Read::new(&self.core, request.into_inner())?;
        let core = self.core.clone();
        Ok(Response::new(stream(self.core.streams, |sink| read.send(core, sink))))
    }

    async fn write_relationships(
        &self,
        request: Request<proto::WriteRelationshipsRequest>,
    ) -> Result<Response<proto::WriteRelationshipsResponse>, Status> {
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let write = from_proto::write(request, self.core.limits)?;
        let (revision, ()) = self.core.workers.write(bytes, write).await?;
        let written_at = Some(self.core.tokens.token(revision));
        Ok(Response::new(proto::WriteRelationshipsResponse { written_at }))
    }

    async fn delete_relationships(
        &self,
        request: Request<proto::DeleteRelationshipsRequest>,
    ) -> Result<Response<proto::DeleteRelationshipsResponse>, Status> {
        let deleted = delete::delete(&self.core, request.into_inner()).await?;
        Ok(Response::new(deleted))
    }

    async fn expand_permission_tree(
        &self,
        request: Request<proto::ExpandPermissionTreeRequest>,
    ) -> Result<Response<proto::ExpandPermissionTreeResponse>, Status> {
        let (response, statistics) = expand::expand(&self.core, request.into_inner()).await?;
        Ok(with_operations(response, &[statistics]))
    }

    async fn lookup_resources(
        &self,
        request: Request<proto::LookupResourcesRequest>,
    ) -> Result<Response<Self::LookupResourcesStream>, Status> {
        let operations = Operations::default();
        let lookup = LookupResources::new(&self.core, operations.clone(), request.into_inner())?;
        let core = self.core.clone();
        let results = stream(self.core.streams, |sink| lookup.send(core, sink));
        Ok(operations.of(results))
    }

    async fn lookup_subjects(
        &self,
        request: Request<proto::LookupSubjectsRequest>,
    ) -> Result<Response<Self::LookupSubjectsStream>, Status> {
        let lookup = lookup_subjects::Lookup::new(&self.core, request.into_inner())?;
        let (core, operations) = (self.core.clone(), lookup.operations());
        let mut response = Response::new(stream(self.core.streams, |sink| lookup.send(core, sink)));
        response.extensions_mut().insert(operations);
        Ok(response)
    }

    async fn import_bulk_relationships(
        &self,
        request: Request<Streaming<proto::ImportBulkRelationshipsRequest>>,
    ) -> Result<Response<proto::ImportBulkRelationshipsResponse>, Status> {
        let num_loaded = import::import(&self.core, request.into_inner()).await?;
        Ok(Response::new(proto::ImportBulkRelationshipsResponse { num_loaded }))
    }

    async fn export_bulk_relationships(
        &self,
        request: Request<proto::ExportBulkRelationshipsRequest>,
    ) -> Result<Response<Self::ExportBulkRelationshipsStream>, Status> {
        let export = Export::new(&self.core, request.into_inner())?;
        let core = self.core.clone();
        Ok(Response::new(pages(self.core.streams, |sink| export.send(core, sink))))
    }
}

fn trace_asked(metadata: &MetadataMap) -> bool {
    metadata.contains_key(TRACE_ASKED)
}

/// The answer to a check, without a trace.
fn check_response(
    checked_at: proto::ZedToken,
    checked: &CheckResult,
) -> proto::CheckPermissionResponse {
    proto::CheckPermissionResponse {
        checked_at: Some(checked_at),
        permissionship: to_proto::permissionship(&checked.permissionship).into(),
        partial_caveat_info: to_proto::partial_caveat_info(&checked.permissionship),
        debug_trace: None,
        optional_expires_at: None,
    }
}

/// A response that tells in its trailers what it cost.
pub(super) fn with_operations<M>(message: M, statistics: &[Statistics]) -> Response<M> {
    let operations = Operations::default();
    for Statistics { visits, cache_hits, .. } in statistics {
        operations.add(*visits, *cache_hits);
    }
    operations.of(message)
}
