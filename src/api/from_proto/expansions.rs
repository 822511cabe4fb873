//! What is to be expanded.

use super::field::{Field, Violations};
use super::relationships::{object, optional_relation};
use crate::api::proto::authzed::api::v1::ExpandPermissionTreeRequest;
use crate::relationship::ObjectRef;
use tonic::Status;

/// The object of an expansion, and the relation or permission.
pub(crate) fn expand(request: ExpandPermissionTreeRequest) -> Result<(ObjectRef, String), Status> {
    let mut violations = Violations::default();
    let resource = object(&mut violations, Field::root("resource"), request.resource);
    let field = Field::root("permission");
    let permission = optional_relation(&mut violations, field, request.permission);
    violations.finish(resource.zip(permission))
}
