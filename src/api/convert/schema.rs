//! Schema texts, and parts of a schema to look at.

use crate::api::convert::violations::Violations;
use crate::api::status;
use crate::proto::authzed::api::v1::{
    DiffSchemaRequest, ReflectionSchemaFilter, WriteSchemaRequest,
};
use crate::proto::field_errors::{Breach, Field};
use crate::schema::reflection::ReflectionFilter;
use prost::Name;
use tonic::Status;

/// The longest schema.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// The most filters of one reflection: every part of the schema is held against each.
const FILTERS_MAX: usize = 1_000;

/// The text of a schema to write.
pub(crate) fn schema_text(request: WriteSchemaRequest) -> Result<String, Status> {
    text::<WriteSchemaRequest>(Field::root("schema"), request.schema)
}

/// The text of a schema to compare with.
pub(crate) fn comparison_schema(request: DiffSchemaRequest) -> Result<String, Status> {
    text::<DiffSchemaRequest>(Field::root("comparison_schema"), request.comparison_schema)
}

fn text<M: Name>(field: Field<'_>, text: String) -> Result<String, Status> {
    let mut violations = Violations::of::<M>();
    let size = text.len();
    if size > TEXT_BYTES_MAX {
        let rule = format!("must be at most {TEXT_BYTES_MAX} bytes long, but has {size}");
        violations.add(field, Breach::Text { bytes: size }, rule);
    }
    violations.finish(Some(text))
}

/// Which parts of a schema to look at; `None` for all of it.
pub(crate) fn reflection_filters(
    messages: &[ReflectionSchemaFilter],
) -> Result<Option<Vec<ReflectionFilter>>, Status> {
    if messages.is_empty() {
        return Ok(None);
    }
    let count = messages.len();
    if count > FILTERS_MAX {
        return Err(status::invalid_request(format!(
            "optional_filters: {count} are more than the {FILTERS_MAX} that one reflection may have"
        )));
    }
    let filters: Result<Vec<_>, Status> = messages.iter().map(reflection_filter).collect();
    Ok(Some(filters?.into_iter().flatten().collect()))
}

/// Nothing for a filter without conditions: it asks for nothing.
fn reflection_filter(message: &ReflectionSchemaFilter) -> Result<Option<ReflectionFilter>, Status> {
    let rule = |rule: &str| Err(invalid_filter(rule, message));
    let ReflectionSchemaFilter {
        optional_definition_name_filter: definition,
        optional_caveat_name_filter: caveat,
        optional_relation_name_filter: relation,
        optional_permission_name_filter: permission,
    } = message.clone();
    let set = |name: &String| !name.is_empty();

    match (set(&definition), set(&caveat), set(&relation), set(&permission)) {
        (true, true, _, _) => rule("cannot filter by both definition and caveat name"),
        (false, _, true, _) => rule("relation name match requires definition name match"),
        (_, _, true, true) => rule("cannot filter by both relation and permission name"),
        (false, _, _, true) => rule("permission name match requires definition name match"),
        (true, false, true, false) => {
            Ok(Some(ReflectionFilter::Relations { definition, relation }))
        }
        (true, false, false, true) => {
            Ok(Some(ReflectionFilter::Permissions { definition, permission }))
        }
        (true, false, false, false) => Ok(Some(ReflectionFilter::Definitions { definition })),
        (false, true, false, false) => Ok(Some(ReflectionFilter::Caveats { caveat })),
        (false, false, false, false) => Ok(None),
    }
}

/// The answer to a filter whose conditions do not go together, with those that are set.
fn invalid_filter(rule: &str, message: &ReflectionSchemaFilter) -> Status {
    let given = [
        ("optional_definition_name_filter", &message.optional_definition_name_filter),
        ("optional_caveat_name_filter", &message.optional_caveat_name_filter),
        ("optional_relation_name_filter", &message.optional_relation_name_filter),
        ("optional_permission_name_filter", &message.optional_permission_name_filter),
    ];
    status::invalid_filter(rule, &given)
}
