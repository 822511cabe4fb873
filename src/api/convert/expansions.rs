//! Requests of expansions and of lookups of subjects.

use crate::api::call_access::CallAccess;
use crate::api::convert::limit::result_limit;
use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::engine::LookupSubjectsQuery;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::decode::{object, optional_relation};
use crate::proto::decode_context::context;
use crate::proto::field_errors::{Breach, Field};
use crate::relationship::{Context, NameKind, ObjectRef, WILDCARD_ID, require_name};
use proto::lookup_subjects_request::WildcardOption;
use tonic::Status;

/// The object of an expansion, and the relation or permission.
pub(crate) fn expand(
    request: proto::ExpandPermissionTreeRequest,
) -> Result<(ObjectRef, String), Status> {
    let mut violations = Violations::of::<proto::ExpandPermissionTreeRequest>();
    let resource = object(&mut violations, Field::root("resource"), request.resource);
    let field = Field::root("permission");
    let permission = optional_relation(&mut violations, field, request.permission);
    violations.finish(resource.zip(permission))
}

/// The arguments of a lookup of subjects.
#[derive(Debug)]
pub(crate) struct LookupSubjectsArguments {
    resource: ObjectRef,
    permission: String,
    subject_type: String,
    subject_relation: String,
    context: Context,
    wildcards: bool,
}

impl LookupSubjectsArguments {
    /// Requires that the caller may ask this.
    pub(crate) fn require_allowed(&self, access: &CallAccess) -> Result<(), Status> {
        let resource = &self.resource;
        access.require_node(resource.object_type(), resource.object_id(), &self.permission)?;
        access.require_object(&self.subject_type, WILDCARD_ID)
    }

    /// The query of the engine.
    pub(crate) fn query(&self) -> LookupSubjectsQuery<'_> {
        LookupSubjectsQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject_type: &self.subject_type,
            subject_relation: Some(self.subject_relation.as_str()).filter(|name| !name.is_empty()),
            context: &self.context,
            wildcards: self.wildcards,
        }
    }
}

/// The arguments of a lookup of subjects, and the maximum number of results that are no wildcards.
pub(crate) fn subjects(
    request: proto::LookupSubjectsRequest,
    limits: RequestLimits,
) -> Result<(LookupSubjectsArguments, Option<u32>), Status> {
    let mut violations = Violations::of::<proto::LookupSubjectsRequest>();
    let limit = result_limit(request.optional_concrete_limit, limits.read_limit_max);
    let limit = limit.unwrap_or_else(|refusal| {
        violations.refuse(refusal);
        None
    });
    let wildcards = wildcards(&mut violations, request.wildcard_option);
    let resource = object(&mut violations, Field::root("resource"), request.resource);
    let field = Field::root("permission");
    let permission = optional_relation(&mut violations, field, request.permission);

    let named = require_name(NameKind::Definition, &request.subject_object_type);
    let subject_type = violations.note(Field::root("subject_object_type"), named);
    let field = Field::root("optional_subject_relation");
    let relation = optional_relation(&mut violations, field, request.optional_subject_relation);
    let context = context(&mut violations, Field::root("context"), request.context);
    let arguments = || {
        Some(LookupSubjectsArguments {
            resource: resource?,
            permission: permission?,
            subject_type: subject_type.map(|()| request.subject_object_type)?,
            subject_relation: relation?,
            context: context?,
            wildcards: wildcards?,
        })
    };

    violations.finish(arguments().map(|arguments| (arguments, limit)))
}

fn wildcards(violations: &mut Violations, option: i32) -> Option<bool> {
    match WildcardOption::try_from(option) {
        Ok(WildcardOption::Unspecified | WildcardOption::IncludeWildcards) => Some(true),
        Ok(WildcardOption::ExcludeWildcards) => Some(false),
        Err(_) => {
            let rule = format!("`{option}` is none of the options 0 to 2");
            violations.add(Field::root("wildcard_option"), Breach::Enum(option), rule);
            None
        }
    }
}
