//! Conversions of schema reflection and schema diffs into messages.

use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::reflection_schema_diff::Diff;
use crate::proto::authzed::api::v1::reflection_type_reference::Typeref;
use crate::schema::TypeReference;
use crate::schema::diff::SchemaChange;
use crate::schema::reflection::{
    ReflectedCaveat, ReflectedDefinition, ReflectedParameter, ReflectedPermission,
    ReflectedRelation,
};
use crate::schema::{Node, Rule, Schema};

/// A definition.
pub(crate) fn definition(found: ReflectedDefinition) -> proto::ReflectionDefinition {
    proto::ReflectionDefinition {
        name: found.name,
        comment: found.comment,
        relations: found.relations.into_iter().map(relation).collect(),
        permissions: found.permissions.into_iter().map(permission).collect(),
    }
}

/// A caveat.
pub(crate) fn caveat(found: ReflectedCaveat) -> proto::ReflectionCaveat {
    proto::ReflectionCaveat {
        name: found.name,
        comment: found.comment,
        parameters: found.parameters.into_iter().map(parameter).collect(),
        expression: found.expression,
    }
}

/// Relations and permissions by their names.
pub(crate) fn references(
    schema: &Schema,
    nodes: &[&Node],
) -> Vec<proto::ReflectionRelationReference> {
    let reference = |node: &&Node| proto::ReflectionRelationReference {
        definition_name: schema.definition(node.definition).name.clone(),
        relation_name: node.name.clone(),
        is_permission: matches!(node.rule, Rule::Permission(_)),
    };
    nodes.iter().map(reference).collect()
}

/// A difference.
pub(crate) fn change(change: SchemaChange) -> proto::ReflectionSchemaDiff {
    let diff = match change {
        SchemaChange::DefinitionAdded(is) => Diff::DefinitionAdded(definition(is)),
        SchemaChange::DefinitionRemoved(was) => Diff::DefinitionRemoved(definition(was)),
        SchemaChange::DefinitionCommentChanged(is) => {
            Diff::DefinitionDocCommentChanged(definition(is))
        }
        SchemaChange::RelationAdded(is) => Diff::RelationAdded(relation(is)),
        SchemaChange::RelationRemoved(was) => Diff::RelationRemoved(relation(was)),
        SchemaChange::RelationCommentChanged(is) => Diff::RelationDocCommentChanged(relation(is)),
        SchemaChange::SubjectAdded(of, form) => Diff::RelationSubjectTypeAdded(subject(of, form)),
        SchemaChange::SubjectRemoved(of, form) => {
            Diff::RelationSubjectTypeRemoved(subject(of, form))
        }
        SchemaChange::PermissionAdded(is) => Diff::PermissionAdded(permission(is)),
        SchemaChange::PermissionRemoved(was) => Diff::PermissionRemoved(permission(was)),
        SchemaChange::PermissionCommentChanged(is) => {
            Diff::PermissionDocCommentChanged(permission(is))
        }
        SchemaChange::PermissionExpressionChanged { permission: is, .. } => {
            Diff::PermissionExprChanged(permission(is))
        }
        SchemaChange::CaveatAdded(is) => Diff::CaveatAdded(caveat(is)),
        SchemaChange::CaveatRemoved(was) => Diff::CaveatRemoved(caveat(was)),
        SchemaChange::CaveatCommentChanged(is) => Diff::CaveatDocCommentChanged(caveat(is)),
        SchemaChange::CaveatExpressionChanged { caveat: is, .. } => {
            Diff::CaveatExprChanged(caveat(is))
        }
        SchemaChange::ParameterAdded(is) => Diff::CaveatParameterAdded(parameter(is)),
        SchemaChange::ParameterRemoved(was) => Diff::CaveatParameterRemoved(parameter(was)),
        SchemaChange::ParameterTypeChanged { parameter: is, previous_type } => {
            Diff::CaveatParameterTypeChanged(proto::ReflectionCaveatParameterTypeChange {
                parameter: Some(parameter(is)),
                previous_type,
            })
        }
    };

    proto::ReflectionSchemaDiff { diff: Some(diff) }
}

fn relation(found: ReflectedRelation) -> proto::ReflectionRelation {
    proto::ReflectionRelation {
        name: found.name,
        comment: found.comment,
        parent_definition_name: found.definition,
        subject_types: found.subjects.into_iter().map(type_reference).collect(),
    }
}

fn permission(found: ReflectedPermission) -> proto::ReflectionPermission {
    proto::ReflectionPermission {
        name: found.name,
        comment: found.comment,
        parent_definition_name: found.definition,
    }
}

fn parameter(found: ReflectedParameter) -> proto::ReflectionCaveatParameter {
    proto::ReflectionCaveatParameter {
        name: found.name,
        r#type: found.parameter_type,
        parent_caveat_name: found.caveat,
    }
}

fn subject(
    of: ReflectedRelation,
    form: TypeReference,
) -> proto::ReflectionRelationSubjectTypeChange {
    proto::ReflectionRelationSubjectTypeChange {
        relation: Some(relation(of)),
        changed_subject_type: Some(type_reference(form)),
    }
}

/// Whether relationships of the form expire has no field.
fn type_reference(form: TypeReference) -> proto::ReflectionTypeReference {
    let typeref = match form.subject_relation {
        Some(relation) => Typeref::OptionalRelationName(relation),
        None if form.is_wildcard => Typeref::IsPublicWildcard(true),
        // The choice of the field is what says it. SpiceDB leaves its value false, which clients compare.
        None => Typeref::IsTerminalSubject(false),
    };
    proto::ReflectionTypeReference {
        subject_definition_name: form.subject_type,
        optional_caveat_name: form.caveat.unwrap_or_default(),
        typeref: Some(typeref),
    }
}
