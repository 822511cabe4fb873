//! `ReadHistory`: past changes of relationships, with who made them.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::status;
use crate::api::token::ZedTokens;
use crate::database::{Consistency, HistoryPage, HistoryQuery, PastChange};
use crate::proto::encode;
use crate::proto::kilwa::v1 as proto;
use tonic::Status;

pub(crate) async fn read(
    context: &ServiceContext,
    access: &CallAccess,
    request: proto::ReadHistoryRequest,
) -> Result<proto::ReadHistoryResponse, Status> {
    let (query, before) = convert::history(request)?;
    let before = before.map(|token| context.tokens.start(&token)).transpose()?;
    let filter = query.filter.map(|filter| access.narrow(filter)).transpose()?;
    let query = HistoryQuery { filter, within: access.scope(), ..query };

    let tokens = context.tokens;
    let reading = context.workers.run(move |job| {
        let view = job.view(Consistency::FullyConsistent)?;
        let before = before.map(|start| start.position(view.revision()));
        let page = view.history(&HistoryQuery { before, ..query });
        Ok(response(tokens, page.map_err(status::from_database)?))
    });
    reading.await
}

fn response(tokens: ZedTokens, page: HistoryPage) -> proto::ReadHistoryResponse {
    let HistoryPage { changes, next, kept_after } = page;
    proto::ReadHistoryResponse {
        entries: changes.into_iter().map(|change| entry(tokens, change)).collect(),
        next: next.map(|position| tokens.position_token(&position)),
        kept_after: kept_after.map(encode::timestamp),
    }
}

fn entry(tokens: ZedTokens, change: PastChange) -> proto::HistoryEntry {
    let PastChange { revision, update, writer, metadata } = change;
    proto::HistoryEntry {
        schema_updated: update.is_none(),
        update: update.as_ref().map(encode::update),
        time: Some(encode::timestamp(revision.time())),
        written_at: Some(tokens.token(revision)),
        written_by: writer.as_deref().unwrap_or_default().to_owned(),
        optional_transaction_metadata: metadata.as_ref().map(encode::structure),
    }
}
