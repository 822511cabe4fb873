//! Errors of caveats.

use super::call::interrupted;
use super::details::invalid;
use crate::caveat::CaveatError;
use crate::proto::authzed::api::v1::ErrorReason;
use tonic::Status;

/// The answer to a context that does not fit its caveat.
pub(crate) fn from_caveat(error: &CaveatError) -> Status {
    let message = error.to_string();
    match error {
        CaveatError::UnknownParameter { caveat, parameter }
        | CaveatError::ParameterType { caveat, parameter, .. } => invalid(
            ErrorReason::CaveatParameterTypeError,
            message,
            [("caveat_name", caveat.clone()), ("parameter_name", parameter.clone())],
        ),
        CaveatError::Evaluation { caveat, .. } | CaveatError::Exhausted { caveat, .. } => {
            invalid(ErrorReason::CaveatEvaluationError, message, [("caveat_name", caveat.clone())])
        }
        CaveatError::Interrupted => interrupted(),
    }
}
