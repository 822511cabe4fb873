//! The calls.

use super::answer::{Answer, schema_of};
use super::connection::{CallError, Connection, describe};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::relationship::{
    Context, ObjectRef, Relationship, RelationshipFilter, RelationshipUpdate, Subject,
};
use tonic::Code;
use tonic::metadata::{MetadataMap, MetadataValue};

/// The metadata of a request that asks for the server's version, and that of the response that tells it.
const VERSION_ASKED: &str = "io.spicedb.requestversion";
const VERSION: &str = "io.spicedb.debug.version";
/// The most questions that a server takes in one call.
const QUESTIONS_MAX: usize = 10_000;

/// Which moment a question is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// The one that is quickest to read.
    #[default]
    MinimizeLatency,
    /// One that is at least as new as this token's.
    AtLeastAsFresh(String),
    /// Exactly this token's.
    AtExactSnapshot(String),
    /// The newest one.
    FullyConsistent,
}

/// May this subject do this on that resource?
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// Who asks for access.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
}

/// What a deletion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// How many relationships are gone.
    pub count: u64,
    /// Whether none that matches is left.
    pub complete: bool,
    /// The token of the deletion.
    pub token: String,
    /// Where the next call resumes. `None` when the deletion is complete, or when the server starts over each time.
    pub cursor: Option<String>,
}

impl Connection {
    /// Asks one question; the second value is the token of the moment that the answer is true of.
    pub fn check(
        &self,
        asked: &Asked,
        moment: &Moment,
        tracing: bool,
    ) -> Result<(Answer, String), CallError> {
        let request = wire::CheckPermissionRequest {
            consistency: Some(message::consistency(moment)),
            resource: Some(message::object(&asked.resource)),
            permission: asked.permission.clone(),
            subject: Some(message::subject(&asked.subject)),
            context: message::context(&asked.context),
            with_tracing: tracing,
        };
        let response = self.wait(self.permissions().check_permission(request))?;
        let schema = schema_of(response.debug_trace.as_ref());
        let answer = Answer::new(
            response.permissionship,
            response.partial_caveat_info,
            response.debug_trace,
            schema.as_ref(),
        );
        Ok((answer, message::token(response.checked_at)))
    }

    /// Asks many questions about one moment; the answers are in their order, each with its own reason when there is none.
    pub fn check_each(
        &self,
        asked: &[Asked],
        moment: &Moment,
        tracing: bool,
    ) -> Result<Vec<Result<Answer, String>>, CallError> {
        let mut answers = Vec::new();
        let mut moment = moment.clone();
        for part in asked.chunks(QUESTIONS_MAX) {
            let item = |asked: &Asked| wire::CheckBulkPermissionsRequestItem {
                resource: Some(message::object(&asked.resource)),
                permission: asked.permission.clone(),
                subject: Some(message::subject(&asked.subject)),
                context: message::context(&asked.context),
            };
            let request = wire::CheckBulkPermissionsRequest {
                consistency: Some(message::consistency(&moment)),
                items: part.iter().map(item).collect(),
                with_tracing: tracing,
            };
            let response = self.wait(self.permissions().check_bulk_permissions(request))?;
            answers.extend(read_pairs(response.pairs));
            // All answers are true of the moment that the first ones are true of.
            if let Some(checked_at) = response.checked_at {
                moment = Moment::AtExactSnapshot(checked_at.token);
            }
        }
        Ok(answers)
    }

    /// Makes all the changes or none, and gives the token of the write.
    pub fn write(&self, updates: &[RelationshipUpdate]) -> Result<String, CallError> {
        let request = wire::WriteRelationshipsRequest {
            updates: updates.iter().map(message::update).collect(),
            ..wire::WriteRelationshipsRequest::default()
        };
        let response = self.wait(self.permissions().write_relationships(request))?;
        Ok(message::token(response.written_at))
    }

    /// Removes what matches, but not more than `count_max`. A cursor of an earlier call with the same filter and
    /// `count_max` resumes behind what that call removed.
    pub fn delete(
        &self,
        filter: &RelationshipFilter,
        count_max: u32,
        cursor: Option<String>,
    ) -> Result<Deleted, CallError> {
        let request = wire::DeleteRelationshipsRequest {
            relationship_filter: Some(message::filter(filter)),
            optional_limit: count_max,
            optional_allow_partial_deletions: true,
            optional_cursor: cursor.map(|token| wire::Cursor { token }),
            ..wire::DeleteRelationshipsRequest::default()
        };
        let response = self.wait(self.permissions().delete_relationships(request))?;
        let partial = wire::delete_relationships_response::DeletionProgress::Partial;
        Ok(Deleted {
            count: response.relationships_deleted_count,
            complete: response.deletion_progress() != partial,
            token: message::token(response.deleted_at),
            cursor: response.after_result_cursor.map(|cursor| cursor.token),
        })
    }

    /// Hands what matches to `take`, in order, but not more than `count_max`. Ends with the first error, of either side.
    ///
    /// Everything comes in one stream: how large a limit may be is the server's to say, and a stream without one needs no
    /// cursors. It is broken off when enough has come.
    pub fn read<E: From<CallError>>(
        &self,
        filter: &RelationshipFilter,
        moment: &Moment,
        count_max: Option<u32>,
        mut take: impl FnMut(Relationship) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::ReadRelationshipsRequest {
            consistency: Some(message::consistency(moment)),
            relationship_filter: Some(message::filter(filter)),
            ..wire::ReadRelationshipsRequest::default()
        };
        let mut stream = self.wait(self.permissions().read_relationships(request))?;
        let mut left = count_max.unwrap_or(u32::MAX);
        while left > 0
            && let Some(response) = self.next(&mut stream)?
        {
            take(message::to_relationship(response.relationship.unwrap_or_default())?)?;
            left -= u32::from(count_max.is_some());
        }
        Ok(())
    }

    /// The schema's text, and the token of the moment it was read at.
    pub fn read_schema(&self) -> Result<(String, String), CallError> {
        let response = self.wait(self.schema().read_schema(wire::ReadSchemaRequest {}))?;
        Ok((response.schema_text, message::token(response.read_at)))
    }

    /// The version of the server, in its own words; `None` when it does not tell.
    pub fn server_version(&self) -> Result<Option<String>, CallError> {
        let mut request = tonic::Request::new(wire::ReadSchemaRequest {});
        request.metadata_mut().insert(VERSION_ASKED, MetadataValue::from_static("true"));
        let told = |metadata: &MetadataMap| {
            metadata.get(VERSION).and_then(|version| version.to_str().ok()).map(str::to_owned)
        };
        match self.block_on(self.schema().read_schema(request)) {
            Ok(response) => Ok(told(response.metadata())),
            // A server without a schema refuses the call and tells its version all the same.
            Err(status) => match told(status.metadata()) {
                Some(version) if status.code() == Code::NotFound => Ok(Some(version)),
                _ => Err(self.error(&status)),
            },
        }
    }

    /// Replaces the schema, and gives the token of the write.
    pub fn write_schema(&self, schema: String) -> Result<String, CallError> {
        let request = wire::WriteSchemaRequest { schema };
        let response = self.wait(self.schema().write_schema(request))?;
        Ok(message::token(response.written_at))
    }
}

/// The answers of a bulk check. Only the first trace brings the schema that explains all of them.
fn read_pairs(pairs: Vec<wire::CheckBulkPermissionsPair>) -> Vec<Result<Answer, String>> {
    use wire::check_bulk_permissions_pair::Response;
    let mut schema = None;
    let read = |pair: wire::CheckBulkPermissionsPair| match pair.response {
        Some(Response::Item(item)) => {
            schema = schema_of(item.debug_trace.as_ref()).or(schema.take());
            let partial = item.partial_caveat_info;
            Ok(Answer::new(item.permissionship, partial, item.debug_trace, schema.as_ref()))
        }
        Some(Response::Error(status)) => {
            Err(describe(Code::from(status.code), None, &status.message))
        }
        None => Err("the server sent no answer".to_owned()),
    };
    pairs.into_iter().map(read).collect()
}
