//! Requests of the history.

use super::limit::result_limit;
use super::relationships::filter;
use super::violations::Violations;
use crate::database::HistoryQuery;
use crate::proto::authzed::api::v1::ZedToken;
use crate::proto::decode::timestamp;
use crate::proto::field_errors::Field;
use crate::proto::kilwa::v1 as proto;
use tonic::Status;

/// The most changes of one answer.
const LIMIT_MAX: u32 = 1_000;

/// A query of the history, and the token before which it reads.
pub(crate) fn history(
    request: proto::ReadHistoryRequest,
) -> Result<(HistoryQuery, Option<ZedToken>), Status> {
    let mut violations = Violations::of::<proto::ReadHistoryRequest>();
    let limit = result_limit(request.optional_limit, LIMIT_MAX).unwrap_or_else(|refusal| {
        violations.refuse(refusal);
        None
    });
    let field = Field::root("optional_relationship_filter");
    let filter = request
        .optional_relationship_filter
        .and_then(|message| filter(&mut violations, field, message));
    let mut time = |name, message: Option<prost_types::Timestamp>| {
        message.and_then(|message| timestamp(&mut violations, Field::root(name), message))
    };
    let since = time("optional_since", request.optional_since);
    let until = time("optional_until", request.optional_until);

    let count_max = usize::try_from(limit.unwrap_or(LIMIT_MAX)).unwrap_or(usize::MAX);
    let query = HistoryQuery { filter, since, until, count_max, ..HistoryQuery::default() };
    let before = request.optional_before.filter(|token| !token.token.is_empty());
    violations.finish(Some((query, before)))
}
