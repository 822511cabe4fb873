//! Differences between schemas, as `schema diff` and `schema write --dry-run` print them.

use crate::cli::render::{BAD, DIM, GOOD, styled};
use crate::schema::diff::SchemaChange;
use serde::Serialize;

/// A difference in words; serialized, one line of `--json`.
#[derive(Serialize)]
pub(super) struct ChangeRow<'a> {
    change: &'static str,
    what: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The expression or type of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a str>,
    /// The expression or type of after.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    breaking: bool,
    /// Why it is breaking.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

const ADDED: &str = "added";
const REMOVED: &str = "removed";
const CHANGED: &str = "changed";

impl<'a> ChangeRow<'a> {
    pub(super) fn new(change: &'a SchemaChange) -> Self {
        let reason = change.breaking_reason();
        let row = match change {
            SchemaChange::DefinitionAdded(is) => Self::new_row(ADDED, "definition", &is.name),
            SchemaChange::DefinitionRemoved(was) => Self::new_row(REMOVED, "definition", &was.name),
            SchemaChange::DefinitionCommentChanged(is) => {
                Self::new_row(CHANGED, "comment of definition", &is.name).detail(&is.comment)
            }
            SchemaChange::CaveatAdded(is) => Self::new_row(ADDED, "caveat", &is.name),
            SchemaChange::CaveatRemoved(was) => Self::new_row(REMOVED, "caveat", &was.name),
            SchemaChange::CaveatCommentChanged(is) => {
                Self::new_row(CHANGED, "comment of caveat", &is.name).detail(&is.comment)
            }
            SchemaChange::CaveatExpressionChanged { caveat: is, previous_expression } => {
                let row = Self::new_row(CHANGED, "caveat", &is.name);
                row.sides(previous_expression, &is.expression)
            }
            SchemaChange::ParameterAdded(is) => {
                Self::new_row(ADDED, "parameter of caveat", &is.caveat).detail(&is.name)
            }
            SchemaChange::ParameterRemoved(was) => {
                Self::new_row(REMOVED, "parameter of caveat", &was.caveat).detail(&was.name)
            }
            SchemaChange::ParameterTypeChanged { parameter: is, previous_type } => {
                let row = Self::new_row(CHANGED, "parameter of caveat", &is.caveat);
                row.detail(&is.name).sides(previous_type, &is.parameter_type)
            }
            SchemaChange::RelationAdded(_)
            | SchemaChange::RelationRemoved(_)
            | SchemaChange::RelationCommentChanged(_)
            | SchemaChange::SubjectAdded(..)
            | SchemaChange::SubjectRemoved(..)
            | SchemaChange::PermissionAdded(_)
            | SchemaChange::PermissionRemoved(_)
            | SchemaChange::PermissionCommentChanged(_)
            | SchemaChange::PermissionExpressionChanged { .. } => Self::from_member_change(change),
        };

        Self { breaking: reason.is_some(), reason, ..row }
    }

    /// A difference of a relation or permission. Any other has no name.
    fn from_member_change(change: &'a SchemaChange) -> Self {
        let member = |definition: &str, name: &str| format!("{definition}#{name}");

        match change {
            SchemaChange::RelationAdded(is) => {
                Self::new_row(ADDED, "relation", member(&is.definition, &is.name))
            }
            SchemaChange::RelationRemoved(was) => {
                Self::new_row(REMOVED, "relation", member(&was.definition, &was.name))
            }
            SchemaChange::RelationCommentChanged(is) => {
                let name = member(&is.definition, &is.name);
                Self::new_row(CHANGED, "comment of relation", name).detail(&is.comment)
            }
            SchemaChange::SubjectAdded(relation, subject_type) => {
                let name = member(&relation.definition, &relation.name);
                Self::new_row(ADDED, "subject of relation", name).detail(&subject_type.text)
            }
            SchemaChange::SubjectRemoved(relation, subject_type) => {
                let name = member(&relation.definition, &relation.name);
                Self::new_row(REMOVED, "subject of relation", name).detail(&subject_type.text)
            }
            SchemaChange::PermissionAdded(is) => {
                Self::new_row(ADDED, "permission", member(&is.definition, &is.name))
            }
            SchemaChange::PermissionRemoved(was) => {
                Self::new_row(REMOVED, "permission", member(&was.definition, &was.name))
            }
            SchemaChange::PermissionCommentChanged(is) => {
                let name = member(&is.definition, &is.name);
                Self::new_row(CHANGED, "comment of permission", name).detail(&is.comment)
            }
            SchemaChange::PermissionExpressionChanged {
                permission: is,
                previous_expression,
                expression,
                ..
            } => {
                let name = member(&is.definition, &is.name);
                Self::new_row(CHANGED, "permission", name).sides(previous_expression, expression)
            }
            SchemaChange::DefinitionAdded(_)
            | SchemaChange::DefinitionRemoved(_)
            | SchemaChange::DefinitionCommentChanged(_)
            | SchemaChange::CaveatAdded(_)
            | SchemaChange::CaveatRemoved(_)
            | SchemaChange::CaveatCommentChanged(_)
            | SchemaChange::CaveatExpressionChanged { .. }
            | SchemaChange::ParameterAdded(_)
            | SchemaChange::ParameterRemoved(_)
            | SchemaChange::ParameterTypeChanged { .. } => Self::new_row(CHANGED, "schema", ""),
        }
    }

    fn new_row(change: &'static str, what: &'static str, name: impl Into<String>) -> Self {
        let (name, breaking, reason) = (name.into(), false, None);
        Self { change, what, name, detail: None, before: None, after: None, breaking, reason }
    }

    fn detail(self, detail: &'a str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    fn sides(self, before: &'a str, after: &'a str) -> Self {
        Self { before: Some(before), after: Some(after), ..self }
    }

    /// `removed subject of relation document#viewer: user:* [breaking: …]`, with both sides of a change on lines of
    /// their own.
    pub(super) fn text(&self) -> String {
        let Self { change, what, name, detail, before, after, reason, .. } = self;
        let mut text = format!("{change} {what} {name}");
        if let Some(detail) = detail {
            text = format!("{text}: {detail}");
        }
        if let Some(reason) = reason {
            let mark = styled(BAD, "breaking:");
            text = format!("{text} [{mark} {}]", styled(DIM, reason));
        }
        text.push('\n');

        for (style, sign, side) in [(BAD, '-', before), (GOOD, '+', after)] {
            for line in side.iter().flat_map(|side| side.lines()) {
                let line = styled(style, format!("{sign} {line}"));
                text.extend(["  ", &line, "\n"]);
            }
        }
        text
    }
}
