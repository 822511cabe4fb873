//! Errors of schemas, and of what does not fit a schema.

use super::caveat::from_caveat;
use super::details::{failed, invalid, with_reason};
use crate::proto::authzed::api::v1::ErrorReason;
use crate::schema::{
    DependencyError, Diagnostic, DiagnosticStage, Position, RelationshipError, UnknownName,
};
use tonic::{Code, Status};

/// The answer to a schema with faults. The message has all of them, the metadata has the range and names of the first, counted
/// from 0.
pub(crate) fn from_diagnostics(diagnostics: &[Diagnostic]) -> Status {
    let Some(first) = diagnostics.first() else {
        return Status::invalid_argument("the schema is not valid");
    };
    let lines: Vec<String> = diagnostics.iter().map(schema_fault).collect();
    let (code, reason) = match first.stage {
        DiagnosticStage::Parse => (Code::InvalidArgument, ErrorReason::SchemaParseError),
        DiagnosticStage::Type | DiagnosticStage::Lint => {
            (Code::FailedPrecondition, ErrorReason::SchemaTypeError)
        }
    };
    let (start, end) = (first.start(), first.end());

    let from_zero = |number: usize| number.saturating_sub(1).to_string();
    let range = [
        ("start_line_number", from_zero(start.line)),
        ("start_column_position", from_zero(start.column)),
        ("end_line_number", from_zero(end.line)),
        ("end_column_position", from_zero(end.column)),
        ("source_code", first.source_code().to_owned()),
    ];
    let metadata = range.into_iter().chain(first.names.iter().cloned());

    with_reason(code, reason, lines.join("\n"), metadata)
}

fn schema_fault(diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.stage {
        DiagnosticStage::Parse => "parse error",
        DiagnosticStage::Type | DiagnosticStage::Lint => "error",
    };
    let Position { line, column } = diagnostic.start();
    let Diagnostic { source_name, message, help, .. } = diagnostic;
    let help = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{kind} in `{source_name}`, line {line}, column {column}: {message}{help}")
}

/// The answer to a name that the schema does not have.
pub(crate) fn from_unknown_name(name: &UnknownName) -> Status {
    let message = name.to_string();
    match name {
        UnknownName::Definition { name } => unknown_definition(message, name),
        UnknownName::Relation { definition, name } => unknown_relation(message, definition, name),
    }
}

/// The answer to a request for the dependencies of something that is not a permission.
pub(crate) fn from_dependency(error: &DependencyError) -> Status {
    match error {
        DependencyError::Unknown(name) => from_unknown_name(name),
        DependencyError::NotAPermission { name } => invalid(
            ErrorReason::UnknownRelationOrPermission,
            error.to_string(),
            [("relationName", name.clone())],
        ),
    }
}

/// The answer to a relationship that the schema does not allow.
pub(super) fn from_relationship(message: String, error: &RelationshipError) -> Status {
    match error {
        RelationshipError::UnknownDefinition { name } => unknown_definition(message, name),
        RelationshipError::UnknownRelation { definition, name } => {
            unknown_relation(message, definition, name)
        }
        RelationshipError::IsPermission { definition, permission } => invalid(
            ErrorReason::CannotUpdatePermission,
            message,
            [("definition_name", definition.clone()), ("permission_name", permission.clone())],
        ),
        RelationshipError::InvalidSubject {
            definition,
            relation,
            subject_type,
            allowed_caveats,
            ..
        } => {
            let caveats = (!allowed_caveats.is_empty())
                .then(|| ("allowed_caveats", allowed_caveats.join(",")));
            let parts = [
                ("definition_name", definition.clone()),
                ("relation_name", relation.clone()),
                ("subject_type", subject_type.clone()),
            ];
            invalid(ErrorReason::InvalidSubjectType, message, parts.into_iter().chain(caveats))
        }
        RelationshipError::Caveat(error) => from_caveat(error),
    }
}

pub(super) fn unknown_definition(message: String, name: &str) -> Status {
    failed(ErrorReason::UnknownDefinition, message, [("definition_name", name.to_owned())])
}

pub(super) fn unknown_relation(message: String, definition: &str, name: &str) -> Status {
    failed(
        ErrorReason::UnknownRelationOrPermission,
        message,
        [
            ("definition_name", definition.to_owned()),
            ("relation_or_permission_name", name.to_owned()),
        ],
    )
}
