//! The rules that the protocol states for the values of its fields, and those that a field breaks as `buf.validate` names them.

use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::buf::validate::{
    FieldPath, FieldPathElement, Violation, Violations, field_path_element,
};
use crate::proto::field_errors::{Breach, FieldError, FieldErrors};
use prost_reflect::{DescriptorPool, FieldDescriptor};
use prost_types::field_descriptor_proto::Type;
use std::sync::LazyLock;

const NAME: &str = "^[a-z][a-z0-9_]{1,62}[a-z0-9]$";
const NAME_OR_NONE: &str = "^([a-z][a-z0-9_]{1,62}[a-z0-9])?$";
const TYPE: &str = "^([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$";
const TYPE_OR_NONE: &str = "^(([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9])?$";
const WATCHED_TYPE: &str = "^([a-z][a-z0-9_]{1,62}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$";
const OBJECT_ID: &str = r"^(([a-zA-Z0-9/_|\-=+]{1,})|\*)$";
const OBJECT_ID_OR_NONE: &str = r"^([a-zA-Z0-9/_|\-=+]{1,})?$";
const SUBJECT_ID_OR_NONE: &str = r"^(([a-zA-Z0-9/_|\-=+]{1,})|\*)?$";
const CAVEAT: &str = "^([a-zA-Z0-9_][a-zA-Z0-9/_|-]{0,127})$";

/// The messages, the field, the most bytes and the pattern of each text that has a rule. Messages without a package are of
/// `authzed.api.v1`.
const TEXTS: &[(&[&str], &str, usize, Option<&str>)] = &[
    (&["Relationship"], "relation", 64, Some(NAME)),
    (&["ContextualizedCaveat"], "caveat_name", 128, Some(CAVEAT)),
    (&["SubjectReference"], "optional_relation", 64, Some(NAME_OR_NONE)),
    (&["ObjectReference"], "object_type", 128, Some(TYPE)),
    (&["ObjectReference"], "object_id", 1024, Some(OBJECT_ID)),
    (&["RelationshipFilter"], "resource_type", 128, Some(TYPE_OR_NONE)),
    (&["RelationshipFilter"], "optional_resource_id", 1024, Some(OBJECT_ID_OR_NONE)),
    (&["RelationshipFilter"], "optional_resource_id_prefix", 1024, Some(OBJECT_ID_OR_NONE)),
    (&["RelationshipFilter"], "optional_relation", 64, Some(NAME_OR_NONE)),
    (&["SubjectFilter"], "subject_type", 128, Some(TYPE)),
    (&["SubjectFilter"], "optional_subject_id", 1024, Some(SUBJECT_ID_OR_NONE)),
    (&["SubjectFilter.RelationFilter"], "relation", 64, Some(NAME_OR_NONE)),
    (
        &[
            "CheckPermissionRequest",
            "CheckBulkPermissionsRequestItem",
            "ExpandPermissionTreeRequest",
            "LookupSubjectsRequest",
            "kilwa.v1.RequiredPermission",
        ],
        "permission",
        64,
        Some(NAME_OR_NONE),
    ),
    (&["LookupResourcesRequest"], "permission", 64, Some(NAME)),
    (&["LookupResourcesRequest"], "resource_object_type", 128, Some(TYPE)),
    (&["LookupSubjectsRequest"], "subject_object_type", 128, Some(TYPE)),
    (&["LookupSubjectsRequest"], "optional_subject_relation", 64, Some(NAME_OR_NONE)),
    (
        &[
            "ExperimentalRegisterRelationshipCounterRequest",
            "ExperimentalCountRelationshipsRequest",
            "ExperimentalUnregisterRelationshipCounterRequest",
        ],
        "name",
        64,
        Some(NAME_OR_NONE),
    ),
    (&["WatchRequest", "kilwa.v1.WatchRequest"], "optional_object_types", 128, Some(WATCHED_TYPE)),
    (&["WriteSchemaRequest"], "schema", 4 << 20, None),
    (&["kilwa.v1.SetRelationRequest"], "relation", 64, Some(NAME)),
    (&["kilwa.v1.ListPermissionsRequest"], "permissions", 64, Some(NAME)),
    (&["kilwa.v1.LookupResourcesWithinRequest"], "resource_ids", 1024, Some(OBJECT_ID_OR_NONE)),
    (
        &["kilwa.v1.LookupResourcesWithinRequest"],
        "resource_id_prefix",
        1024,
        Some(OBJECT_ID_OR_NONE),
    ),
];

/// A step in the path of a rule: number, name and type of a field of `buf.validate.FieldRules` or of a message in it.
type RuleStep = (i32, &'static str, Type);

const REQUIRED: RuleStep = (25, "required", Type::Bool);
const STRING: RuleStep = (14, "string", Type::Message);
const STRING_MAX_BYTES: RuleStep = (5, "max_bytes", Type::Uint64);
const STRING_PATTERN: RuleStep = (6, "pattern", Type::String);
const ENUM: RuleStep = (16, "enum", Type::Message);
const ENUM_DEFINED_ONLY: RuleStep = (2, "defined_only", Type::Bool);
const ENUM_NOT_IN: RuleStep = (4, "not_in", Type::Int32);
const REPEATED: RuleStep = (18, "repeated", Type::Message);
const REPEATED_ITEMS: RuleStep = (4, "items", Type::Message);

/// The id of rules that are no part of the protocol.
const OTHER_RULE: &str = "kilwa";

/// What a value breaks.
struct BrokenRule {
    path: Vec<RuleStep>,
    id: &'static str,
    message: String,
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());

/// The most bytes and the pattern of a text that has a rule.
pub(crate) fn text_rule(field: &FieldDescriptor) -> Option<(usize, Option<&'static str>)> {
    let message = field.parent_message().full_name();
    let message = message.strip_prefix("authzed.api.v1.").unwrap_or(message);
    let is_of = |messages: &[&str], name: &str| messages.contains(&message) && name == field.name();
    let rule = TEXTS.iter().find(|(messages, name, ..)| is_of(messages, name));
    rule.map(|(_, _, bytes_max, pattern)| (*bytes_max, *pattern))
}

/// The noted errors of a message of this type.
pub(super) fn violations(message_type: &str, errors: &FieldErrors) -> Violations {
    let violations = errors.shown().iter().flat_map(|error| of_field(message_type, error));
    Violations { violations: violations.collect() }
}

fn of_field(message_type: &str, error: &FieldError) -> Vec<Violation> {
    let fields = fields(message_type, error);
    let elements = fields.iter().zip(error.path()).map(|(field, (_, index))| {
        let declared = field.field_descriptor_proto();
        FieldPathElement {
            subscript: index.and_then(|index| {
                u64::try_from(index).ok().map(field_path_element::Subscript::Index)
            }),
            ..element((declared.number(), declared.name(), declared.r#type()))
        }
    });
    let field = FieldPath { elements: elements.collect() };

    broken_rules(fields.last(), error)
        .into_iter()
        .map(|BrokenRule { path, id, message }| Violation {
            field: Some(field.clone()),
            rule: (!path.is_empty())
                .then(|| FieldPath { elements: path.into_iter().map(element).collect() }),
            rule_id: Some(id.to_owned()),
            message: Some(message),
            for_key: None,
        })
        .collect()
}

/// The descriptors of the fields on a path.
fn fields(message_type: &str, error: &FieldError) -> Vec<FieldDescriptor> {
    let mut fields = Vec::new();
    let mut message = POOL.get_message_by_name(message_type);
    for (name, _) in error.path() {
        let Some(field) = message.and_then(|message| message.get_field_by_name(name)) else {
            break;
        };
        message = field.kind().as_message().cloned();
        fields.push(field);
    }
    fields
}

fn broken_rules(field: Option<&FieldDescriptor>, error: &FieldError) -> Vec<BrokenRule> {
    let one = |path: &[RuleStep], id, message: &str| {
        vec![BrokenRule { path: path.to_vec(), id, message: message.to_owned() }]
    };
    let broken = match error.breach() {
        Breach::Missing => one(&[REQUIRED], "required", "value is required"),
        Breach::Enum(0) => one(&[ENUM, ENUM_NOT_IN], "enum.not_in", "must not be in list [0]"),
        Breach::Enum(_) => {
            let message = "must be one of the defined enum values";
            one(&[ENUM, ENUM_DEFINED_ONLY], "enum.defined_only", message)
        }
        Breach::Text { bytes } => field.map_or_else(Vec::new, |field| of_text(field, bytes)),
        Breach::Other => Vec::new(),
    };
    if broken.is_empty() { one(&[], OTHER_RULE, error.rule()) } else { broken }
}

/// The rules that a text of so many bytes breaks in this field.
fn of_text(field: &FieldDescriptor, bytes: usize) -> Vec<BrokenRule> {
    let Some((bytes_max, pattern)) = text_rule(field) else { return Vec::new() };

    let within = |step| {
        let items: &[RuleStep] = if field.is_list() { &[REPEATED, REPEATED_ITEMS] } else { &[] };
        [items, &[STRING, step]].concat()
    };
    let mut broken = Vec::new();
    if bytes > bytes_max {
        broken.push(BrokenRule {
            path: within(STRING_MAX_BYTES),
            id: "string.max_bytes",
            message: format!("must be at most {bytes_max} bytes"),
        });
    }
    // A text that is too long and breaks the pattern as well is named once, but for names, whose pattern has the bound too.
    if let Some(pattern) = pattern
        && (bytes <= bytes_max || bytes_max == 64)
    {
        broken.push(BrokenRule {
            path: within(STRING_PATTERN),
            id: "string.pattern",
            message: format!("does not match regex pattern `{pattern}`"),
        });
    }
    broken
}

fn element((number, name, kind): (i32, &str, Type)) -> FieldPathElement {
    FieldPathElement {
        field_number: Some(number),
        field_name: Some(name.to_owned()),
        field_type: Some(kind.into()),
        ..FieldPathElement::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_reflect::Kind;

    #[test]
    fn every_rule_is_about_a_text_of_the_protocol() {
        for (messages, field, ..) in TEXTS {
            for message in *messages {
                let package = if message.starts_with("kilwa.v1.") { "" } else { "authzed.api.v1." };
                let found = POOL.get_message_by_name(&format!("{package}{message}"));
                let found = found.and_then(|found| found.get_field_by_name(field));
                assert!(found.is_some_and(|it| it.kind() == Kind::String), "{message}.{field}");
            }
        }
    }
}
