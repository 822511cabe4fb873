//! Who has a permission on a resource.

use super::answer::{Answer, Permissionship};
use super::calls::Moment;
use super::connection::{CallError, Connection};
use super::message;
use crate::proto::authzed::api::v1 as wire;
use crate::relationship::{Context, ObjectRef};

/// Which subjects have this permission on that resource?
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectsAsked {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// The subjects' type.
    pub subject_type: String,
    /// The relation of usersets, when these are looked for; empty otherwise.
    pub subject_relation: String,
    /// Values for caveat parameters.
    pub context: Context,
    /// The most subjects that are no wildcards; 0 for all.
    pub count_max: u32,
    /// Behind which result to go on, in a list with the same arguments.
    pub cursor: Option<String>,
}

/// A subject of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id; `*` for a wildcard.
    pub object_id: String,
    /// Whether it has the permission.
    pub answer: Answer,
    /// Whom a wildcard does not cover; with an answer that depends on context, not as it says.
    pub excluded: Vec<(String, Answer)>,
    /// The place behind it.
    pub cursor: String,
}

impl Connection {
    /// Hands the subjects to `take`, in order. Ends with the first error, of either side.
    pub fn look_up_subjects<E: From<CallError>>(
        &self,
        asked: &SubjectsAsked,
        moment: &Moment,
        mut take: impl FnMut(Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::LookupSubjectsRequest {
            consistency: Some(message::consistency(moment)),
            resource: Some(message::object(&asked.resource)),
            permission: asked.permission.clone(),
            subject_object_type: asked.subject_type.clone(),
            optional_subject_relation: asked.subject_relation.clone(),
            context: message::context(&asked.context),
            optional_concrete_limit: asked.count_max,
            optional_cursor: asked.cursor.clone().map(|token| wire::Cursor { token }),
            ..wire::LookupSubjectsRequest::default()
        };
        let mut stream = self.wait(self.permissions().lookup_subjects(request))?;
        while let Some(response) = self.next(&mut stream)? {
            take(listed(response))?;
        }
        Ok(())
    }
}

fn listed(response: wire::LookupSubjectsResponse) -> Listed {
    let (object_id, answer) = resolved(response.subject.unwrap_or_default());
    let excluded = response.excluded_subjects.into_iter().map(|excluded| {
        let (object_id, answer) = resolved(excluded);
        let certain = answer.permissionship == Permissionship::Has;
        let permissionship = if certain { Permissionship::No } else { answer.permissionship };
        (object_id, Answer { permissionship, ..answer })
    });
    Listed {
        object_id,
        answer,
        excluded: excluded.collect(),
        cursor: response.after_result_cursor.unwrap_or_default().token,
    }
}

fn resolved(subject: wire::ResolvedSubject) -> (String, Answer) {
    let permissionship = match subject.permissionship() {
        wire::LookupPermissionship::HasPermission => Permissionship::Has,
        wire::LookupPermissionship::ConditionalPermission => Permissionship::Conditional,
        wire::LookupPermissionship::Unspecified => Permissionship::No,
    };
    let mut missing_context =
        subject.partial_caveat_info.unwrap_or_default().missing_required_context;
    missing_context.sort();
    let answer = Answer { permissionship, missing_context, evidence: None };
    (subject.subject_object_id, answer)
}
