//! Many checks at one revision.

use crate::api::bulk_end::BulkEnd;
use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert::trace::TraceEncoder;
use crate::api::convert::{self, CheckArguments};
use crate::api::status;
use crate::api::workers::WorkerJob;
use crate::database::View;
use crate::engine::{CheckQuery, CheckResult, Statistics};
use crate::metrics::CallMetrics;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::check_bulk_permissions_pair::Response as Answer;
use crate::proto::bulk_answer::{self, EncodedBulkAnswer};
use crate::proto::check_fields::BulkCheck;
use crate::schema;
use std::sync::Arc;
use tonic::Status;
use tonic::codegen::Bytes;

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
            let arguments = convert::bulk_items(items.iter().cloned(), limits)?;
            let (answers, statistics) =
                answers((job, &view), &arguments, (&access, &end), tracing, &metrics)?;
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

/// Answers the items as [`check`] does. The response is encoded, with its prefix.
pub(crate) async fn check_encoded(
    context: &ServiceContext,
    (access, end): (CallAccess, BulkEnd),
    request: BulkCheck,
) -> Result<(Bytes, Vec<Statistics>), Status> {
    let tokens = context.tokens;
    let BulkCheck { consistency, items, encoded_items } = request;
    let consistency = tokens.consistency(consistency)?;
    let (limits, metrics) = (context.limits, Arc::clone(&context.metrics));

    context
        .workers
        .run(move |job| {
            let view = job.view(consistency)?;
            let arguments = convert::bulk_items(items.into_iter(), limits)?;
            let (answers, statistics) =
                answers((job, &view), &arguments, (&access, &end), false, &metrics)?;
            let items_bytes = encoded_items.iter().map(Bytes::len).sum();
            let checked_at = tokens.token(view.revision());
            let size = (encoded_items.len(), items_bytes);
            let mut response = EncodedBulkAnswer::new(checked_at, size);
            for (item, answer) in encoded_items.iter().zip(answers) {
                match answer {
                    Ok(checked) => response.push(item, &checked.permissionship),
                    Err(error) => response.push_error(item, access.item_error(error)),
                }
            }
            Ok((response.into_message().into(), statistics))
        })
        .await
}

type ItemAnswer = Result<CheckResult, Status>;

/// The answer to every item up to the end, and what they took.
fn answers(
    (job, view): (&WorkerJob<'_>, &View<'_>),
    arguments: &[CheckArguments],
    (access, end): (&CallAccess, &BulkEnd),
    tracing: bool,
    metrics: &CallMetrics,
) -> Result<(Vec<ItemAnswer>, Vec<Statistics>), Status> {
    let (queries, refusals) = allowed(access, arguments, end);
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
    Ok((refusals.into_iter().map_while(answer).collect(), statistics))
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
                debug_trace: trace
                    .map(|trace| traces.information(&trace, &schema.take().unwrap_or_default())),
                ..bulk_answer::item(&permissionship)
            })
        }
        Err(error) => Answer::Error(access.item_error(error)),
    };
    proto::CheckBulkPermissionsPair { request: Some(request), response: Some(response) }
}
