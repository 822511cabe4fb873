//! Questions of `kilwa.v1`, and schemas in structure.

use super::answer::Answer;
use super::calls::Moment;
use super::connection::{CallError, Connection, describe};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::authzed::api::v1::reflection_type_reference::Typeref;
use crate::proto::kilwa::v1 as own;
use crate::relationship::{Context, ObjectRef, Subject, Timestamp};
use crate::schema::TypeReference;
use crate::schema::reflection::{
    ReflectedCaveat, ReflectedDefinition, ReflectedParameter, ReflectedPermission,
    ReflectedRelation, Reflection, ReflectionFilter,
};
use tonic::Code;

/// Which permissions of a resource a subject is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// Who asks for access.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
    /// Permissions or relations of the resource; when there are none, every permission of its definition.
    pub permissions: Vec<String>,
}

/// What a subject may do on a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedPermissions {
    /// Each permission with its answer, or with the reason why there is none.
    pub permissions: Vec<(String, Result<Answer, String>)>,
    /// The token of the moment at which it may.
    pub token: String,
}

impl Connection {
    /// Asks which permissions a subject has on a resource.
    pub fn list_permissions(
        &self,
        listing: &Listing,
        moment: &Moment,
    ) -> Result<ListedPermissions, CallError> {
        let Listing { resource, subject, context, permissions } = listing;
        let request = own::ListPermissionsRequest {
            consistency: Some(message::consistency(moment)),
            resource: Some(message::object(resource)),
            subject: Some(message::subject(subject)),
            permissions: permissions.clone(),
            context: message::context(context),
        };
        let response = self.wait(self.own_permissions().list_permissions(request))?;
        let read = |answer: own::PermissionAnswer| (answer.permission, read(answer.response));
        let permissions = response.permissions.into_iter().map(read).collect();
        Ok(ListedPermissions { permissions, token: message::token(response.checked_at) })
    }

    /// The token of what was stored at a time.
    pub fn revision_at(&self, time: Timestamp) -> Result<String, CallError> {
        let request = own::RevisionAtRequest { time: Some(message::timestamp(time)) };
        let response = self.wait(self.own_permissions().revision_at(request))?;
        Ok(message::token(response.token))
    }

    /// The schema in structure, as far as a filter takes it, and the token of its moment.
    pub fn reflect_schema(
        &self,
        filter: Option<&ReflectionFilter>,
        moment: &Moment,
    ) -> Result<(Reflection, String), CallError> {
        let request = wire::ReflectSchemaRequest {
            consistency: Some(message::consistency(moment)),
            optional_filters: filter.map(filter_message).into_iter().collect(),
        };
        let response = self.wait(self.schema().reflect_schema(request))?;
        let reflection = Reflection {
            definitions: response.definitions.into_iter().map(definition).collect(),
            caveats: response.caveats.into_iter().map(caveat).collect(),
        };
        Ok((reflection, message::token(response.read_at)))
    }
}

fn read(response: Option<own::permission_answer::Response>) -> Result<Answer, String> {
    use own::permission_answer::Response;
    match response {
        Some(Response::Item(item)) => {
            Ok(Answer::new(item.permissionship, item.partial_caveat_info, None, None))
        }
        Some(Response::Error(status)) => {
            Err(describe(Code::from(status.code), None, &status.message))
        }
        None => Err("the server sent no answer".to_owned()),
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

/// Whether relationships of the form expire is not told.
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
