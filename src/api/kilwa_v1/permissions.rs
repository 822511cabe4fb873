//! `kilwa.v1.PermissionsService`.

use crate::api::authzed_v1::permissions::with_operations;
use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::database::{DatabaseError, ListPermissionsQuery, View};
use crate::engine::{CheckResult, Statistics};
use crate::metrics::EvaluationMetrics;
use crate::proto::authzed::api::v1::ZedToken;
use crate::proto::encode;
use crate::proto::kilwa::v1 as proto;
use crate::proto::kilwa::v1::permission_result::Response as Outcome;
use crate::proto::kilwa::v1::permissions_service_server::PermissionsService;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Lists of permissions, and revisions by time.
#[derive(Clone, Debug)]
pub(crate) struct KilwaPermissions {
    context: ServiceContext,
}

impl KilwaPermissions {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[tonic::async_trait]
impl PermissionsService for KilwaPermissions {
    async fn list_permissions(
        &self,
        request: Request<proto::ListPermissionsRequest>,
    ) -> Result<Response<proto::ListPermissionsResponse>, Status> {
        let access = CallAccess::of(&request);
        let mut request = request.into_inner();
        let tokens = self.context.tokens;
        let consistency = tokens.consistency(request.consistency.take())?;
        let listing = convert::listing(request, self.context.limits);
        let metrics = Arc::clone(&self.context.metrics);
        let answer = self.context.workers.run(move |job| {
            let view = job.view(consistency)?;
            let checked_at = tokens.token(view.revision());
            list(&view, checked_at, &listing?, (&access, metrics.evaluations()))
        });
        let (response, statistics) = answer.await?;
        Ok(with_operations(response, &statistics))
    }

    async fn read_revision_at(
        &self,
        request: Request<proto::ReadRevisionAtRequest>,
    ) -> Result<Response<proto::ReadRevisionAtResponse>, Status> {
        let time = convert::time(request.into_inner())?;
        let revision = self
            .context
            .workers
            .run(move |job| job.database.revision_at(time, job.now).map_err(status::from_database));
        let token = Some(self.context.tokens.token_as_of(revision.await?, time));
        Ok(Response::new(proto::ReadRevisionAtResponse { token }))
    }
}

/// The answers, with what they cost. What no answer can be without is wrong with the whole call.
fn list(
    view: &View<'_>,
    checked_at: ZedToken,
    listing: &ListPermissionsQuery,
    (access, metrics): (&CallAccess, &EvaluationMetrics),
) -> Result<(proto::ListPermissionsResponse, Vec<Statistics>), Status> {
    let ListPermissionsQuery { resource, subject, permissions, .. } = listing;
    access.require_object(resource.object_type(), resource.object_id())?;
    access.require_object(subject.object_type(), subject.object_id())?;
    for permission in permissions {
        access.require_pair(resource, permission, subject)?;
    }
    let mut answers = view.permissions(listing).map_err(status::from_database)?;
    // Where the request names none, the answer has those that the caller may ask for.
    answers.retain(|(permission, _)| access.require_pair(resource, permission, subject).is_ok());
    let statistics = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    let statistics = statistics
        .inspect(|checked| metrics.record(checked))
        .map(|checked| checked.statistics)
        .collect();
    let permissions = answers.into_iter().map(|answer| message(answer, access)).collect();
    Ok((proto::ListPermissionsResponse { checked_at: Some(checked_at), permissions }, statistics))
}

fn message(
    (permission, answer): (String, Result<CheckResult, DatabaseError>),
    access: &CallAccess,
) -> proto::PermissionResult {
    let response = match answer {
        Ok(CheckResult { permissionship, .. }) => Outcome::Item(proto::PermissionResultItem {
            permissionship: encode::permissionship(&permissionship).into(),
            partial_caveat_info: encode::partial_caveat_info(&permissionship),
        }),
        Err(error) => Outcome::Error(access.item_error(status::from_database(error))),
    };
    proto::PermissionResult { permission, response: Some(response) }
}
