//! Requests of watches.

use crate::api::call_access::CallAccess;
use crate::api::convert::relationships::filter;
use crate::api::convert::violations::Violations;
use crate::api::status;
use crate::proto::authzed::api::v1::{WatchKind, WatchRequest, ZedToken};
use crate::proto::field_errors::Field;
use crate::relationship::{
    NameKind, Relationship, RelationshipFilter, RelationshipScope, WILDCARD_ID, require_name,
};
use std::sync::Arc;
use tonic::Status;

/// The most filters, and the most types, of one watch: every change is held against each.
const CONDITIONS_MAX: usize = 1_000;

/// The filter of a watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchFilter {
    /// The types of the resources; none for all.
    pub(crate) object_types: Vec<String>,
    /// Filters of which one has to match; none for all.
    pub(crate) filters: Vec<RelationshipFilter>,
    /// Whether to receive writes of the schema.
    pub(crate) schemas: bool,
    /// Whether to receive checkpoints.
    pub(crate) checkpoints: bool,
    /// Changes outside of it are left out, and metadata and writers of all, which may be about them.
    pub(crate) within: Option<Arc<RelationshipScope>>,
}

impl WatchFilter {
    /// Whether a change of some relationship of a resource of this type may be wanted.
    pub(crate) fn may_want_type(&self, object_type: &str) -> bool {
        let is_type = |filter: &RelationshipFilter| {
            filter.resource_type.as_deref().is_none_or(|name| name == object_type)
        };
        (self.object_types.is_empty() || self.object_types.iter().any(|name| name == object_type))
            && (self.filters.is_empty() || self.filters.iter().any(is_type))
    }

    /// Whether a change of this relationship matches.
    pub(crate) fn wants(&self, relationship: &Relationship) -> bool {
        let object_type = relationship.resource.object_type();
        (self.object_types.is_empty() || self.object_types.iter().any(|name| name == object_type))
            && (self.filters.is_empty() || self.filters.iter().any(|it| it.matches(relationship)))
            && self.within.as_ref().is_none_or(|scope| scope.covers(relationship))
    }
}

/// The filter of a watch, and the token to start after.
pub(crate) fn watch(
    request: WatchRequest,
    access: &CallAccess,
) -> Result<(WatchFilter, Option<ZedToken>), Status> {
    let conditions = [
        ("optional_object_types", request.optional_object_types.len()),
        ("optional_relationship_filters", request.optional_relationship_filters.len()),
    ];
    if let Some((name, count)) = conditions.into_iter().find(|(_, count)| *count > CONDITIONS_MAX) {
        return Err(status::invalid_request(format!(
            "{name}: {count} are more than the {CONDITIONS_MAX} that one watch may have"
        )));
    }
    let mut violations = Violations::of::<WatchRequest>();
    let field = Field::root("optional_object_types");
    for (index, name) in request.optional_object_types.iter().enumerate() {
        violations.note(field.item(index), require_name(NameKind::Definition, name));
    }
    let field = Field::root("optional_relationship_filters");
    let mut filters = Vec::with_capacity(request.optional_relationship_filters.len());
    for (index, message) in request.optional_relationship_filters.into_iter().enumerate() {
        filters.extend(filter(&mut violations, field.item(index), message));
    }

    let kinds = &request.optional_update_kinds;
    let has = |kind: WatchKind| kinds.contains(&i32::from(kind));
    let of_relationships = kinds.is_empty()
        || has(WatchKind::Unspecified)
        || has(WatchKind::IncludeRelationshipUpdates);
    if of_relationships && !request.optional_object_types.is_empty() && !filters.is_empty() {
        let rule = "cannot specify both object types and relationship filters";
        violations.refuse(status::invalid_request(rule));
    }
    let (schemas, checkpoints) =
        (has(WatchKind::IncludeSchemaUpdates), has(WatchKind::IncludeCheckpoints));
    let object_types = request.optional_object_types;
    let within = access.scope();
    let watching = WatchFilter { object_types, filters, schemas, checkpoints, within };
    // A token without a text is none, as for other servers of this protocol.
    let start = request.optional_start_cursor.filter(|token| !token.token.is_empty());

    let watching = violations.finish(Some(watching))?;
    for name in &watching.object_types {
        access.require_object(name, WILDCARD_ID)?;
    }
    for filter in &watching.filters {
        access.require_named(filter)?;
    }
    Ok((watching, start))
}
