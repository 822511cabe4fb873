//! Requests of `kilwa.v1.PermissionsService`.

use crate::api::convert::checks::require_small;
use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::api::status;
use crate::database::ListPermissionsQuery;
use crate::proto::decode::{object, subject, timestamp};
use crate::proto::decode_context::context;
use crate::proto::field_errors::Field;
use crate::proto::kilwa::v1 as proto;
use crate::relationship::{NameKind, Timestamp, require_name};
use tonic::Status;

/// The arguments of a request for the permissions of a subject.
pub(crate) fn listing(
    request: proto::ListPermissionsRequest,
    limits: RequestLimits,
) -> Result<ListPermissionsQuery, Status> {
    let count = request.permissions.len();
    if count > limits.checks_max {
        return Err(status::too_many_checks(count, limits.checks_max));
    }
    let mut violations = Violations::of::<proto::ListPermissionsRequest>();
    require_small(&mut violations, limits, request.context.as_ref());
    let resource = object(&mut violations, Field::root("resource"), request.resource);
    let subject = subject(&mut violations, Field::root("subject"), request.subject);

    let context = context(&mut violations, Field::root("context"), request.context);
    let field = Field::root("permissions");
    for (index, name) in request.permissions.iter().enumerate() {
        violations.note(field.item(index), require_name(NameKind::Relation, name));
    }
    let permissions = request.permissions;
    let parts = resource.zip(subject).zip(context);

    violations.finish(parts.map(|((resource, subject), context)| ListPermissionsQuery {
        resource,
        subject,
        context,
        permissions,
    }))
}

/// The time whose token is asked for.
pub(crate) fn time(request: proto::ReadRevisionAtRequest) -> Result<Timestamp, Status> {
    let mut violations = Violations::of::<proto::ReadRevisionAtRequest>();
    let field = Field::root("time");
    let time = violations.require(field, request.time);
    let time = time.and_then(|message| timestamp(&mut violations, field, message));
    violations.finish(time)
}
