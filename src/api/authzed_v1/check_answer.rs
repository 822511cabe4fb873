//! What the service and its fast path have in common of a check: how it is answered from memory, and how the answer reads.

use crate::api::context::ServiceContext;
use crate::api::convert::CheckArguments;
use crate::api::middleware::compression::GRPC_ENCODING;
use crate::database::{Consistency, DatabaseError};
use crate::engine::CheckResult;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::encode;
use crate::relationship::{Permissionship, Revision};
use tonic::codegen::http::Request;

/// Asks for a trace, as older clients do.
pub(crate) const TRACE_ASKED: &str = "io.spicedb.requestdebuginfo";

/// Whether a call of this path asks for no trace, and its message is not compressed: then a fast path may answer it.
pub(crate) fn is_usual_call<B>(request: &Request<B>, path: &str) -> bool {
    let headers = request.headers();
    request.uri().path() == path
        && !headers.contains_key(TRACE_ASKED)
        && !headers.contains_key(GRPC_ENCODING)
}

/// In the extensions of a check that cannot be answered from memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotAtOnce;

/// The revision and the result of a check, if it can be answered from memory.
pub(crate) fn check_at_once(
    context: &ServiceContext,
    consistency: Consistency,
    arguments: &CheckArguments,
) -> Option<Result<(Revision, CheckResult), DatabaseError>> {
    let checked = context.workers.at_once(|database, now, stopwatch| {
        database.check_in_memory(consistency, now, stopwatch, &arguments.query())
    });
    checked.map(|(revision, checked)| checked.map(|checked| (revision, checked)))
}

/// The answer to a check, without a trace.
pub(crate) fn check_response(
    checked_at: proto::ZedToken,
    permissionship: &Permissionship,
) -> proto::CheckPermissionResponse {
    proto::CheckPermissionResponse {
        checked_at: Some(checked_at),
        permissionship: encode::permissionship(permissionship).into(),
        partial_caveat_info: encode::partial_caveat_info(permissionship),
        debug_trace: None,
        optional_expires_at: None,
    }
}
