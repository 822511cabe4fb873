//! Checks.

use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::api::status;
use crate::engine::CheckQuery;
use crate::proto::authzed::api::v1::{
    CheckBulkPermissionsRequest, CheckBulkPermissionsRequestItem, CheckPermissionRequest,
    ObjectReference, SubjectReference,
};
use crate::proto::decode::{object, optional_relation, subject};
use crate::proto::decode_context::context;
use crate::proto::field_errors::Field;
use crate::relationship::{Context, ObjectRef, Subject};
use prost::Message as _;
use prost_types::Struct;
use tonic::Status;

/// The arguments of a check.
#[derive(Debug)]
pub(crate) struct CheckArguments {
    pub(crate) resource: ObjectRef,
    pub(crate) permission: String,
    pub(crate) subject: Subject,
    pub(crate) context: Context,
}

impl CheckArguments {
    /// The query of the engine.
    pub(crate) fn query(&self) -> CheckQuery<'_> {
        CheckQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
        }
    }
}

/// The fields that messages with a check have in common.
pub(crate) struct CheckMessage {
    pub(crate) resource: Option<ObjectReference>,
    pub(crate) permission: String,
    pub(crate) subject: Option<SubjectReference>,
    pub(crate) context: Option<Struct>,
}

/// The arguments of a check.
pub(crate) fn check(
    request: CheckPermissionRequest,
    limits: RequestLimits,
) -> Result<CheckArguments, Status> {
    let CheckPermissionRequest { resource, permission, subject, context, .. } = request;
    let mut violations = Violations::of::<CheckPermissionRequest>();
    let arguments = check_arguments(
        &mut violations,
        None,
        limits,
        CheckMessage { resource, permission, subject, context },
    );
    violations.finish(arguments)
}

/// The arguments of a bulk check, in order.
pub(crate) fn bulk_items(
    items: impl ExactSizeIterator<Item = CheckBulkPermissionsRequestItem>,
    limits: RequestLimits,
) -> Result<Vec<CheckArguments>, Status> {
    if items.len() > limits.checks_max {
        return Err(status::too_many_checks(items.len(), limits.checks_max));
    }
    let mut violations = Violations::of::<CheckBulkPermissionsRequest>();
    let field = Field::root("items");
    let mut read = Vec::with_capacity(items.len());
    for (index, item) in items.enumerate() {
        let CheckBulkPermissionsRequestItem { resource, permission, subject, context } = item;
        let parts = CheckMessage { resource, permission, subject, context };
        read.extend(check_arguments(&mut violations, Some(field.item(index)), limits, parts));
    }
    violations.finish(Some(read))
}

/// The arguments of a check, from its fields.
pub(crate) fn check_arguments(
    violations: &mut Violations,
    parent: Option<Field<'_>>,
    limits: RequestLimits,
    parts: CheckMessage,
) -> Option<CheckArguments> {
    let at = |name| parent.as_ref().map_or_else(|| Field::root(name), |parent| parent.at(name));
    require_small(violations, limits, parts.context.as_ref());
    let resource = object(violations, at("resource"), parts.resource);
    let permission = optional_relation(violations, at("permission"), parts.permission);
    let subject = subject(violations, at("subject"), parts.subject);
    let context = context(violations, at("context"), parts.context);
    Some(CheckArguments {
        resource: resource?,
        permission: permission?,
        subject: subject?,
        context: context?,
    })
}

pub(crate) fn require_small(
    violations: &mut Violations,
    limits: RequestLimits,
    context: Option<&Struct>,
) {
    let Some(maximum) = limits.context_bytes_max else { return };
    let size = context.map_or(0, Struct::encoded_len);
    if size > maximum {
        violations.refuse(status::invalid_request(format!(
            "request caveat context should have less than {maximum} bytes but had {size}"
        )));
    }
}
