//! Lookups.

use crate::api::call_access::CallAccess;
use crate::api::convert::limit::result_limit;
use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::api::status;
use crate::engine::{LookupResourcesQuery, ResourceFilter};
use crate::proto::authzed::api::v1::LookupResourcesRequest;
use crate::proto::decode::subject;
use crate::proto::decode_context::context;
use crate::proto::field_errors::{Breach, Field};
use crate::proto::kilwa::v1::LookupResourcesWithinRequest;
use crate::relationship::{
    Context, NameKind, ObjectIdFilter, RelationshipFilter, Subject, WILDCARD_ID, require_name,
};
use tonic::Status;

/// The arguments of a lookup of resources.
#[derive(Debug)]
pub(crate) struct LookupResourcesArguments {
    resource_type: String,
    permission: String,
    subject: Subject,
    context: Context,
    within: ResourceFilter,
    /// Whether an error about a path that is too long names the path.
    pub(crate) with_debug: bool,
}

impl LookupResourcesArguments {
    /// Requires that the caller may ask this, and restricts it to the ids that the caller may see.
    pub(crate) fn restrict(&mut self, access: &CallAccess) -> Result<(), Status> {
        for id in &self.within.ids {
            access.require_node(&self.resource_type, id, &self.permission)?;
        }
        access.require_node(&self.resource_type, WILDCARD_ID, &self.permission)?;
        access.require_object(self.subject.object_type(), self.subject.object_id())?;
        if !self.within.prefix.is_empty() {
            access.require_named(&RelationshipFilter {
                resource_type: Some(self.resource_type.clone()),
                resource_id: Some(ObjectIdFilter::Prefix(self.within.prefix.clone())),
                ..RelationshipFilter::default()
            })?;
        }
        if let Some(scope) = access.scope()
            && let Some(prefixes) = scope.id_prefixes(&self.resource_type)
        {
            self.within.starts = prefixes.into_iter().map(str::to_owned).collect();
        }
        Ok(())
    }

    /// The query of the engine.
    pub(crate) fn query(&self) -> LookupResourcesQuery<'_> {
        LookupResourcesQuery {
            resource_type: &self.resource_type,
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
            within: &self.within,
        }
    }
}

/// A lookup of all resources, and how many of them are wanted.
pub(crate) fn lookup_resources(
    request: LookupResourcesRequest,
    limits: RequestLimits,
) -> Result<(LookupResourcesArguments, Option<u32>), Status> {
    let mut violations = Violations::of::<LookupResourcesRequest>();
    let read = sought(&mut violations, None, request, limits, ResourceFilter::default());
    violations.finish(read)
}

/// A lookup of resources among some.
pub(crate) fn lookup_resources_within(
    request: Option<LookupResourcesRequest>,
    ids: Vec<String>,
    prefix: String,
    limits: RequestLimits,
) -> Result<(LookupResourcesArguments, Option<u32>), Status> {
    if ids.len() > limits.checks_max {
        return Err(status::too_many_checks(ids.len(), limits.checks_max));
    }
    let mut violations = Violations::of::<LookupResourcesWithinRequest>();
    if ids.is_empty() && prefix.is_empty() {
        let rule =
            "give ids here or a `resource_id_prefix`, or use `LookupResources` to look at all";
        violations.add(Field::root("resource_ids"), Breach::Other, rule);
    }
    for (index, id) in ids.iter().enumerate() {
        let named = require_name(NameKind::ObjectId, id);
        violations.note(Field::root("resource_ids").item(index), named);
    }

    if !prefix.is_empty() {
        let named = require_name(NameKind::ObjectId, &prefix);
        violations.note(Field::root("resource_id_prefix"), named);
    }
    let field = Field::root("lookup");
    let within =
        ResourceFilter { ids: ids.into_iter().collect(), prefix, ..ResourceFilter::default() };
    let read = violations
        .require(field, request)
        .and_then(|request| sought(&mut violations, Some(field), request, limits, within));

    violations.finish(read)
}

fn sought(
    violations: &mut Violations,
    parent: Option<Field<'_>>,
    request: LookupResourcesRequest,
    limits: RequestLimits,
    within: ResourceFilter,
) -> Option<(LookupResourcesArguments, Option<u32>)> {
    let at = |name| parent.as_ref().map_or_else(|| Field::root(name), |parent| parent.at(name));
    let LookupResourcesRequest {
        resource_object_type: resource_type, permission, with_debug, ..
    } = request;
    let limit = result_limit(request.optional_limit, limits.lookup_resources_limit_max);
    let limit = limit.unwrap_or_else(|refusal| {
        violations.refuse(refusal);
        None
    });
    let named = require_name(NameKind::Definition, &resource_type);
    let type_fits = violations.note(at("resource_object_type"), named);

    let named = require_name(NameKind::Relation, &permission);
    let permission_fits = violations.note(at("permission"), named);
    let subject = subject(violations, at("subject"), request.subject);
    let context = context(violations, at("context"), request.context);
    type_fits.and(permission_fits)?;
    let (subject, context) = (subject?, context?);

    Some((
        LookupResourcesArguments {
            resource_type,
            permission,
            subject,
            context,
            within,
            with_debug,
        },
        limit,
    ))
}
