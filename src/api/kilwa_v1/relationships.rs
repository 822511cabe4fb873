//! `kilwa.v1.RelationshipsService`.

use crate::api::call_access::{CallAccess, caller_name};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::kilwa_v1::history;
use crate::api::status;
use crate::database::{Consistency, ReferenceCounts, RelationDiff};
use crate::proto::authzed::api::v1::Relationship as RelationshipMessage;
use crate::proto::encode;
use crate::proto::kilwa::v1 as proto;
use crate::proto::kilwa::v1::relationships_service_server::RelationshipsService;
use crate::relationship::Relationship;
use prost::Message as _;
use tonic::{Request, Response, Status};

/// Writes that are more than their updates.
#[derive(Clone, Debug)]
pub(crate) struct Relationships {
    context: ServiceContext,
}

impl Relationships {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[tonic::async_trait]
impl RelationshipsService for Relationships {
    async fn write_relationships(
        &self,
        request: Request<proto::WriteRelationshipsRequest>,
    ) -> Result<Response<proto::WriteRelationshipsResponse>, Status> {
        let (access, writer) = (CallAccess::of(&request), caller_name(&request));
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let write = convert::kilwa_write(request, self.context.limits)?;
        access.require_updates(&write.updates)?;
        access.require_prerequisites(&write.preconditions, &write.permissions)?;
        let (written_at, ()) = self.context.write(bytes, write, writer).await?;
        Ok(Response::new(proto::WriteRelationshipsResponse { written_at: Some(written_at) }))
    }

    async fn set_relation(
        &self,
        request: Request<proto::SetRelationRequest>,
    ) -> Result<Response<proto::SetRelationResponse>, Status> {
        let (access, writer) = (CallAccess::of(&request), caller_name(&request));
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let mut request = convert::set_relation(request, self.context.limits)?;
        let (resource, relation) = (&request.resource, &request.relation);
        access.require_node(resource.object_type(), resource.object_id(), relation)?;
        for (subject, _) in &request.subjects {
            access.require_pair(resource, relation, subject)?;
        }
        access.require_prerequisites(&request.preconditions, &request.permissions)?;
        request.within = access.scope();
        let (written_at, set) = self.context.write(bytes, request, writer).await?;
        let RelationDiff { added, changed, removed } = set;
        Ok(Response::new(proto::SetRelationResponse {
            written_at: Some(written_at),
            added: messages(&added),
            changed: messages(&changed),
            removed: messages(&removed),
        }))
    }

    async fn delete_object(
        &self,
        request: Request<proto::DeleteObjectRequest>,
    ) -> Result<Response<proto::DeleteObjectResponse>, Status> {
        let (access, writer) = (CallAccess::of(&request), caller_name(&request));
        let request = request.into_inner();
        let (bytes, is_dry_run) = (request.encoded_len(), request.dry_run);
        let mut request = convert::delete_object(request, self.context.limits)?;
        access.require_object(request.object.object_type(), request.object.object_id())?;
        access.require_prerequisites(&request.preconditions, &request.permissions)?;
        request.within = access.scope();
        let (deleted_at, ReferenceCounts { as_resource, as_subject }) = if is_dry_run {
            let tokens = self.context.tokens;
            let counting = self.context.workers.run(move |job| {
                let view = job.view(Consistency::FullyConsistent)?;
                let mentions = view.count_references(&request.object, request.within.as_deref());
                Ok((tokens.token(view.revision()), mentions.map_err(status::from_database)?))
            });
            counting.await?
        } else {
            self.context.write(bytes, request, writer).await?
        };

        Ok(Response::new(proto::DeleteObjectResponse {
            deleted_at: Some(deleted_at),
            as_resource_count: as_resource,
            as_subject_count: as_subject,
        }))
    }

    async fn read_history(
        &self,
        request: Request<proto::ReadHistoryRequest>,
    ) -> Result<Response<proto::ReadHistoryResponse>, Status> {
        let access = CallAccess::of(&request);
        Ok(Response::new(history::read(&self.context, &access, request.into_inner()).await?))
    }
}

fn messages(relationships: &[Relationship]) -> Vec<RelationshipMessage> {
    relationships.iter().map(encode::relationship).collect()
}
