//! Questions.

use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::api::status;
use crate::engine::CheckQuery;
use crate::proto::authzed::api::v1::{
    CheckBulkPermissionsRequestItem, CheckPermissionRequest, ErrorReason, ObjectReference,
    SubjectReference,
};
use crate::proto::decode::{object, optional_relation, subject};
use crate::proto::decode_context::context;
use crate::proto::field_errors::Field;
use crate::relationship::{Context, ObjectRef, Subject};
use prost::Message as _;
use prost_types::Struct;
use tonic::{Code, Status};

/// A question that owns its parts.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) resource: ObjectRef,
    pub(crate) permission: String,
    pub(crate) subject: Subject,
    pub(crate) context: Context,
}

impl Asked {
    /// The question as the engine takes it.
    pub(crate) fn question(&self) -> CheckQuery<'_> {
        CheckQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
        }
    }
}

/// The parts of a question as messages hold them.
pub(crate) struct Parts {
    pub(crate) resource: Option<ObjectReference>,
    pub(crate) permission: String,
    pub(crate) subject: Option<SubjectReference>,
    pub(crate) context: Option<Struct>,
}

/// The question of a check.
pub(crate) fn check(
    request: CheckPermissionRequest,
    limits: RequestLimits,
) -> Result<Asked, Status> {
    let CheckPermissionRequest { resource, permission, subject, context, .. } = request;
    let mut violations = Violations::default();
    let asked =
        asked(&mut violations, None, limits, Parts { resource, permission, subject, context });
    violations.finish(asked)
}

/// The questions of a bulk check, in order. The items stay, for they are repeated in the answer.
pub(crate) fn bulk_items(
    items: &[CheckBulkPermissionsRequestItem],
    limits: RequestLimits,
) -> Result<Vec<Asked>, Status> {
    if items.len() > limits.checks_max {
        return Err(too_many_checks(items.len(), limits.checks_max));
    }
    let mut violations = Violations::default();
    let field = Field::root("items");
    let mut read = Vec::with_capacity(items.len());
    for (index, item) in items.iter().cloned().enumerate() {
        let CheckBulkPermissionsRequestItem { resource, permission, subject, context } = item;
        let parts = Parts { resource, permission, subject, context };
        read.extend(asked(&mut violations, Some(field.item(index)), limits, parts));
    }
    violations.finish(Some(read))
}

/// The question that such parts make.
pub(crate) fn asked(
    violations: &mut Violations,
    parent: Option<Field<'_>>,
    limits: RequestLimits,
    parts: Parts,
) -> Option<Asked> {
    let at = |name| parent.as_ref().map_or_else(|| Field::root(name), |parent| parent.at(name));
    require_small(violations, limits, parts.context.as_ref());
    let resource = object(violations, at("resource"), parts.resource);
    let permission = optional_relation(violations, at("permission"), parts.permission);
    let subject = subject(violations, at("subject"), parts.subject);
    let context = context(violations, at("context"), parts.context);
    Some(Asked {
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
        violations.refuse(Status::invalid_argument(format!(
            "request caveat context should have less than {maximum} bytes but had {size}"
        )));
    }
}

pub(crate) fn too_many_checks(count: usize, maximum: usize) -> Status {
    status::with_reason(
        Code::InvalidArgument,
        ErrorReason::Unspecified,
        format!("check count of {count} is greater than maximum allowed of {maximum}"),
        [("check_count", count.to_string()), ("maximum_checks_allowed", maximum.to_string())],
    )
}
