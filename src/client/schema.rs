//! Calls about the schema.

use super::call_error::CallError;
use super::connection::Connection;
use super::decode;
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::authzed::api::v1::reflection_type_reference::Typeref;
use crate::schema::TypeReference;
use crate::schema::reflection::{
    ReflectedCaveat, ReflectedDefinition, ReflectedParameter, ReflectedPermission,
    ReflectedRelation, Reflection, ReflectionFilter,
};
use tonic::Code;
use tonic::metadata::{MetadataMap, MetadataValue};

/// Requests the version of the server, as metadata of a request.
const VERSION_REQUEST: &str = "io.spicedb.requestversion";
/// Holds the version of the server, as metadata of a response.
const VERSION: &str = "io.spicedb.debug.version";

impl Connection {
    /// The schema's text, and the token of the revision that was read.
    pub fn read_schema(&self) -> Result<(String, String), CallError> {
        let response = self.wait(self.schema().read_schema(wire::ReadSchemaRequest {}))?;
        Ok((response.schema_text, decode::token(response.read_at)))
    }

    /// The version that the server reports; `None` if it reports none.
    pub fn server_version(&self) -> Result<Option<String>, CallError> {
        let mut request = tonic::Request::new(wire::ReadSchemaRequest {});
        request.metadata_mut().insert(VERSION_REQUEST, MetadataValue::from_static("true"));
        let version = |metadata: &MetadataMap| {
            metadata.get(VERSION).and_then(|version| version.to_str().ok()).map(str::to_owned)
        };
        match self.block_on(self.schema().read_schema(request)) {
            Ok(response) => Ok(version(response.metadata())),
            // A server without a schema refuses the call, but reports its version in the metadata.
            Err(status) => match version(status.metadata()) {
                Some(version) if status.code() == Code::NotFound => Ok(Some(version)),
                _ => Err(self.error(&status)),
            },
        }
    }

    /// Replaces the schema, and returns the token of the write.
    pub fn write_schema(&self, schema: String) -> Result<String, CallError> {
        let request = wire::WriteSchemaRequest { schema };
        let response = self.wait(self.schema().write_schema(request))?;
        Ok(decode::token(response.written_at))
    }

    /// The reflection of the schema, restricted by a filter, and the token of the revision that was read.
    pub fn reflect_schema(
        &self,
        filter: Option<&ReflectionFilter>,
        consistency: &ReadConsistency,
    ) -> Result<(Reflection, String), CallError> {
        let request = wire::ReflectSchemaRequest {
            consistency: Some(consistency.to_message()),
            optional_filters: filter.map(filter_message).into_iter().collect(),
        };
        let response = self.wait(self.schema().reflect_schema(request))?;
        let reflection = Reflection {
            definitions: response.definitions.into_iter().map(definition).collect(),
            caveats: response.caveats.into_iter().map(caveat).collect(),
        };
        Ok((reflection, decode::token(response.read_at)))
    }
}

fn filter_message(filter: &ReflectionFilter) -> wire::ReflectionSchemaFilter {
    let mut message = wire::ReflectionSchemaFilter::default();
    match filter {
        ReflectionFilter::Definitions { definition } => {
            message.optional_definition_name_filter.clone_from(definition);
        }
        ReflectionFilter::Relations { definition, relation } => {
            message.optional_definition_name_filter.clone_from(definition);
            message.optional_relation_name_filter.clone_from(relation);
        }
        ReflectionFilter::Permissions { definition, permission } => {
            message.optional_definition_name_filter.clone_from(definition);
            message.optional_permission_name_filter.clone_from(permission);
        }
        ReflectionFilter::Caveats { caveat } => {
            message.optional_caveat_name_filter.clone_from(caveat);
        }
    }

    message
}

fn definition(message: wire::ReflectionDefinition) -> ReflectedDefinition {
    let permission = |message: wire::ReflectionPermission| ReflectedPermission {
        name: message.name,
        comment: message.comment,
        definition: message.parent_definition_name,
    };
    ReflectedDefinition {
        name: message.name,
        comment: message.comment,
        relations: message.relations.into_iter().map(relation).collect(),
        permissions: message.permissions.into_iter().map(permission).collect(),
    }
}

fn relation(message: wire::ReflectionRelation) -> ReflectedRelation {
    ReflectedRelation {
        name: message.name,
        comment: message.comment,
        definition: message.parent_definition_name,
        subjects: message.subject_types.into_iter().map(subject_form).collect(),
    }
}

/// The message has no field for expiration.
fn subject_form(message: wire::ReflectionTypeReference) -> TypeReference {
    let subject_type = message.subject_definition_name;
    let caveat = Some(message.optional_caveat_name).filter(|name| !name.is_empty());
    let (is_wildcard, subject_relation) = match message.typeref {
        Some(Typeref::IsPublicWildcard(_)) => (true, None),
        Some(Typeref::OptionalRelationName(relation)) => (false, Some(relation)),
        Some(Typeref::IsTerminalSubject(_)) | None => (false, None),
    };
    let text = match (&subject_relation, is_wildcard) {
        (Some(relation), _) => format!("{subject_type}#{relation}"),
        (None, true) => format!("{subject_type}:*"),
        (None, false) => subject_type.clone(),
    };
    let text = match &caveat {
        Some(caveat) => format!("{text} with {caveat}"),
        None => text,
    };
    TypeReference { text, subject_type, subject_relation, is_wildcard, caveat, expires: false }
}

fn caveat(message: wire::ReflectionCaveat) -> ReflectedCaveat {
    let parameter = |message: wire::ReflectionCaveatParameter| ReflectedParameter {
        name: message.name,
        parameter_type: message.r#type,
        caveat: message.parent_caveat_name,
    };
    ReflectedCaveat {
        name: message.name,
        comment: message.comment,
        parameters: message.parameters.into_iter().map(parameter).collect(),
        expression: message.expression,
    }
}
