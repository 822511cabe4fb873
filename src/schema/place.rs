//! Where the names of a schema are written.

use crate::schema::diagnostics::position::{Position, Span};
use crate::schema::diff::SchemaChange;
use crate::schema::schema::Schema;

/// Where a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamePlace<'s> {
    /// The name of the text: a file's name, or `schema`.
    pub source_name: &'s str,
    /// Where the name starts.
    pub start: Position,
}

/// What a change is about, by names.
enum ChangedPart<'c> {
    Definition(&'c str),
    Member { definition: &'c str, name: &'c str },
    Caveat(&'c str),
}

impl SchemaChange {
    /// Where what has changed is written in the new schema: the relation or permission, or its definition if it is gone; the
    /// definition or the caveat. `None` for one that is gone.
    pub fn place<'s>(&self, to: &'s Schema) -> Option<NamePlace<'s>> {
        match self.part() {
            ChangedPart::Definition(name) => to.definition_place(name),
            ChangedPart::Member { definition, name } => {
                to.member_place(definition, name).or_else(|| to.definition_place(definition))
            }
            ChangedPart::Caveat(name) => to.caveat_place(name),
        }
    }

    fn part(&self) -> ChangedPart<'_> {
        match self {
            Self::DefinitionAdded(found)
            | Self::DefinitionRemoved(found)
            | Self::DefinitionCommentChanged(found) => ChangedPart::Definition(&found.name),
            Self::RelationAdded(found)
            | Self::RelationRemoved(found)
            | Self::RelationCommentChanged(found)
            | Self::SubjectAdded(found, _)
            | Self::SubjectRemoved(found, _) => {
                ChangedPart::Member { definition: &found.definition, name: &found.name }
            }
            Self::PermissionAdded(found)
            | Self::PermissionRemoved(found)
            | Self::PermissionCommentChanged(found)
            | Self::PermissionExpressionChanged { permission: found, .. } => {
                ChangedPart::Member { definition: &found.definition, name: &found.name }
            }
            Self::CaveatAdded(found)
            | Self::CaveatRemoved(found)
            | Self::CaveatCommentChanged(found)
            | Self::CaveatExpressionChanged { caveat: found, .. } => {
                ChangedPart::Caveat(&found.name)
            }
            Self::ParameterAdded(found)
            | Self::ParameterRemoved(found)
            | Self::ParameterTypeChanged { parameter: found, .. } => {
                ChangedPart::Caveat(&found.caveat)
            }
        }
    }
}

impl Schema {
    /// Whether a text of this name is a part of the schema.
    pub fn has_source(&self, name: &str) -> bool {
        self.syntax.files.iter().any(|file| *file.name == *name)
    }

    fn definition_place(&self, name: &str) -> Option<NamePlace<'_>> {
        let id = self.find_definition(name)?.id;
        self.place(self.syntax.definitions.get(id.index())?.span)
    }

    fn member_place(&self, definition: &str, name: &str) -> Option<NamePlace<'_>> {
        let node = self.find_node(self.find_definition(definition)?.id, name)?;
        self.place(self.syntax.name_span(node.id))
    }

    fn caveat_place(&self, name: &str) -> Option<NamePlace<'_>> {
        let id = self.find_caveat(name)?;
        self.place(self.syntax.caveats.get(id.index())?.name.span)
    }

    fn place(&self, span: Span) -> Option<NamePlace<'_>> {
        let file = self.syntax.files.get(span.file)?;
        Some(NamePlace { source_name: &file.name, start: file.text.position(span.start) })
    }
}
