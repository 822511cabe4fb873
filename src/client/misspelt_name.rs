//! Names that a server does not know, and the known ones that were probably meant.

use crate::relationship::nearest;
use crate::schema;
use tonic::Status;
use tonic_types::StatusExt as _;

/// A name that a server does not know, by the reason and the metadata of its refusal.
#[derive(Debug)]
pub(super) enum MisspeltName {
    Definition(String),
    /// A relation or permission of a definition.
    Member {
        definition: String,
        name: String,
    },
}

impl MisspeltName {
    /// The name that a call was refused for; `None` if it was refused for another reason, or the server suggests a name
    /// itself.
    pub(super) fn of(status: &Status) -> Option<Self> {
        if status.message().contains("did you mean") {
            return None;
        }
        let info = status.get_details_error_info()?;
        let definition = info.metadata.get("definition_name").cloned()?;
        match info.reason.as_str() {
            "ERROR_REASON_UNKNOWN_DEFINITION" => Some(Self::Definition(definition)),
            "ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION" => {
                let name = info.metadata.get("relation_or_permission_name").cloned()?;
                Some(Self::Member { definition, name })
            }
            _ => None,
        }
    }

    /// The name in a schema that was probably meant.
    pub(super) fn nearest(&self, schema_text: &str) -> Option<String> {
        let schema = schema::compile(schema_text).ok()?;
        let near = match self {
            Self::Definition(name) => {
                nearest(name, schema.definitions().iter().map(|known| known.name.as_str()))
            }
            Self::Member { definition, name } => {
                let definition = schema.find_definition(definition)?;
                let nodes = definition.nodes.iter().map(|id| schema.node(*id).name.as_str());
                nearest(name, nodes)
            }
        };
        near.map(str::to_owned)
    }
}
