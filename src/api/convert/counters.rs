//! Counters: their names and filters.

use crate::api::convert::relationships::required_filter;
use crate::api::convert::violations::Violations;
use crate::api::status;
use crate::proto::authzed::api::v1::{
    ExperimentalCountRelationshipsRequest, ExperimentalRegisterRelationshipCounterRequest,
};
use crate::proto::field_errors::Field;
use crate::relationship::{NameKind, RelationshipFilter, require_name};
use tonic::Status;

/// The name and the filter of a counter.
pub(crate) fn counter(
    request: ExperimentalRegisterRelationshipCounterRequest,
) -> Result<(String, RelationshipFilter), Status> {
    let mut violations = Violations::of::<ExperimentalRegisterRelationshipCounterRequest>();
    let name = name(&mut violations, request.name);
    let field = Field::root("relationship_filter");
    let filter = required_filter(&mut violations, field, request.relationship_filter);
    violations.finish(name.zip(filter))
}

/// The name of a counter.
pub(crate) fn counter_name(given: String) -> Result<String, Status> {
    let mut violations = Violations::of::<ExperimentalCountRelationshipsRequest>();
    let name = name(&mut violations, given);
    violations.finish(name)
}

/// Names of counters look like those of relations.
fn name(violations: &mut Violations, name: String) -> Option<String> {
    if name.is_empty() {
        violations.refuse(status::invalid_request("name must be provided"));
        return None;
    }
    violations.note(Field::root("name"), require_name(NameKind::Counter, &name))?;
    Some(name)
}
