//! Many checks at one revision.

use crate::api::bulk_end::BulkEnd;
use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert::trace::TraceEncoder;
use crate::api::convert::{self, CheckArguments};
use crate::api::status;
use crate::engine::{CheckQuery, CheckResult, Statistics};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::check_bulk_permissions_pair::Response as Answer;
use crate::proto::encode;
use crate::schema;
use std::sync::Arc;
use tonic::Status;

/// Answers every item, or those up to the end. An error of one check is the answer to that item.
pub(crate) async fn check(
    context: &ServiceContext,
    (access, end): (CallAccess, BulkEnd),
    mut request: proto::CheckBulkPermissionsRequest,
    tracing: bool,
) -> Result<(proto::CheckBulkPermissionsResponse, Vec<Statistics>), Status> {
    let (tokens, traces) = (context.tokens, context.traces.clone());
    let consistency = tokens.consistency(request.consistency.take())?;
    let (items, limits) = (request.items, context.limits);
    let metrics = Arc::clone(&context.metrics);

    context
        .workers
        .run(move |job| {
            let view = job.view(consistency)?;
            let arguments = convert::bulk_items(&items, limits)?;
            let (queries, refusals) = allowed(&access, &arguments, &end);
            let answers = view.check_until(&queries, tracing, &|answer| end.is_after(answer));
            job.require_wanted()?;
            for checked in answers.iter().flatten() {
                metrics.evaluations().record(checked);
            }
            let statistics = answers.iter().flatten().map(|checked| checked.statistics).collect();
            let mut answers = answers.into_iter();
            // After the end there is no answer.
            let answer = |refusal: Option<Status>| match refusal {
                Some(refusal) => Some(Err(refusal)),
                None => answers.next().map(|answer| answer.map_err(status::from_database)),
            };
            let answers: Vec<Result<CheckResult, Status>> =
                refusals.into_iter().map_while(answer).collect();
            let mut schema = tracing.then(|| schema::format::canonical(view.schema()));
            let pairs = items
                .into_iter()
                .zip(answers)
                .map(|(request, answer)| pair(request, answer, (&traces, &access), &mut schema))
                .collect();
            let checked_at = Some(tokens.token(view.revision()));
            Ok((proto::CheckBulkPermissionsResponse { checked_at, pairs }, statistics))
        })
        .await
}

/// The queries that the caller may ask and, for every item in order, the refusal of those that it may not. A refusal may be the
/// end.
fn allowed<'a>(
    access: &CallAccess,
    arguments: &'a [CheckArguments],
    end: &BulkEnd,
) -> (Vec<CheckQuery<'a>>, Vec<Option<Status>>) {
    let mut refusals = Vec::new();
    for check in arguments {
        let refusal = access.require_check(check).err();
        let ends = refusal.is_some() && end.is_after_refusal();
        refusals.push(refusal);
        if ends {
            break;
        }
    }
    let allowed = arguments.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_none());
    (allowed.map(|(check, _)| check.query()).collect(), refusals)
}

/// Only the first trace carries the schema: in each of 10,000, it would be most of the response.
fn pair(
    request: proto::CheckBulkPermissionsRequestItem,
    answer: Result<CheckResult, Status>,
    (traces, access): (&TraceEncoder, &CallAccess),
    schema: &mut Option<String>,
) -> proto::CheckBulkPermissionsPair {
    let response = match answer {
        Ok(CheckResult { permissionship, trace, .. }) => {
            Answer::Item(proto::CheckBulkPermissionsResponseItem {
                permissionship: encode::permissionship(&permissionship).into(),
                partial_caveat_info: encode::partial_caveat_info(&permissionship),
                debug_trace: trace
                    .map(|trace| traces.information(&trace, &schema.take().unwrap_or_default())),
            })
        }
        Err(error) => Answer::Error(access.item_error(error)),
    };
    proto::CheckBulkPermissionsPair { request: Some(request), response: Some(response) }
}
