//! Permission checks.

use super::call_error::{CallError, describe};
use super::connection::Connection;
use super::decode;
use super::evidence::{evidence, traced_schema};
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::encode;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};
use crate::schema::Schema;
use crate::validation::Evidence;
use tonic::Code;

/// Maximum number of checks that a server evaluates in one call.
const CHECKS_MAX: usize = 10_000;

/// A check: whether a subject has a permission on a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionCheck {
    /// The object whose permission is checked.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// The subject.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckAnswer {
    /// Whether the subject has the permission.
    pub permissionship: Permissionship,
    /// How the result was evaluated, if the call requested it.
    pub evidence: Option<Evidence>,
}

impl CheckAnswer {
    pub(super) fn new(
        permissionship: Permissionship,
        debug: Option<wire::DebugInformation>,
        schema: Option<&Schema>,
    ) -> Self {
        let trace = debug.and_then(|debug| debug.check);
        Self { permissionship, evidence: trace.map(|trace| evidence(&trace, schema)) }
    }
}

impl Connection {
    /// Evaluates one check; the second value is the token of the revision that was read.
    pub fn check(
        &self,
        check: &PermissionCheck,
        consistency: &ReadConsistency,
        tracing: bool,
    ) -> Result<(CheckAnswer, String), CallError> {
        let request = wire::CheckPermissionRequest {
            consistency: Some(consistency.to_message()),
            resource: Some(encode::object(&check.resource)),
            permission: check.permission.clone(),
            subject: Some(encode::subject(&check.subject)),
            context: encode::optional_context(&check.context),
            with_tracing: tracing,
        };
        let response = self.wait(self.permissions().check_permission(request))?;

        let schema = traced_schema(response.debug_trace.as_ref());
        let answer = CheckAnswer::new(
            decode::permissionship(response.permissionship, response.partial_caveat_info),
            response.debug_trace,
            schema.as_ref(),
        );
        Ok((answer, decode::token(response.checked_at)))
    }

    /// Evaluates many checks at one revision. The answers have the order of the checks; an error is that of its check alone.
    pub fn check_each(
        &self,
        checks: &[PermissionCheck],
        consistency: &ReadConsistency,
        tracing: bool,
    ) -> Result<Vec<Result<CheckAnswer, String>>, CallError> {
        let mut answers = Vec::new();
        let mut consistency = consistency.clone();
        for part in checks.chunks(CHECKS_MAX) {
            let item = |check: &PermissionCheck| wire::CheckBulkPermissionsRequestItem {
                resource: Some(encode::object(&check.resource)),
                permission: check.permission.clone(),
                subject: Some(encode::subject(&check.subject)),
                context: encode::optional_context(&check.context),
            };
            let request = wire::CheckBulkPermissionsRequest {
                consistency: Some(consistency.to_message()),
                items: part.iter().map(item).collect(),
                with_tracing: tracing,
            };

            let response = self.wait(self.permissions().check_bulk_permissions(request))?;
            answers.extend(read_pairs(response.pairs));
            // Later calls read the revision of the first one.
            if let Some(checked_at) = response.checked_at {
                consistency = ReadConsistency::AtExactSnapshot(checked_at.token);
            }
        }
        Ok(answers)
    }
}

/// The answers of a bulk check. Only the first trace carries the schema, which explains all of them.
fn read_pairs(pairs: Vec<wire::CheckBulkPermissionsPair>) -> Vec<Result<CheckAnswer, String>> {
    use wire::check_bulk_permissions_pair::Response;
    let mut schema = None;
    let read = |pair: wire::CheckBulkPermissionsPair| match pair.response {
        Some(Response::Item(item)) => {
            schema = traced_schema(item.debug_trace.as_ref()).or(schema.take());
            let permissionship =
                decode::permissionship(item.permissionship, item.partial_caveat_info);
            Ok(CheckAnswer::new(permissionship, item.debug_trace, schema.as_ref()))
        }
        Some(Response::Error(status)) => {
            Err(describe(Code::from(status.code), None, &status.message))
        }
        None => Err("the server sent no answer".to_owned()),
    };
    pairs.into_iter().map(read).collect()
}
