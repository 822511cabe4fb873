//! Lookups of subjects.

use super::call_error::CallError;
use super::connection::Connection;
use super::read_consistency::ReadConsistency;
use crate::proto::authzed::api::v1 as wire;
use crate::proto::encode;
use crate::relationship::{Context, ObjectRef, Permissionship};

/// Which subjects to look up.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupSubjectsArgs {
    /// The object whose subjects are looked up.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// The subjects' type.
    pub subject_type: String,
    /// The relation of usersets; empty for objects.
    pub subject_relation: String,
    /// Values for caveat parameters.
    pub context: Context,
    /// Maximum number of subjects, not counting wildcards; 0 for all.
    pub count_max: u32,
    /// The cursor of the result to continue after, from an earlier call with the same arguments.
    pub cursor: Option<String>,
}

/// A subject of the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectMatch {
    /// Its id; `*` for a wildcard.
    pub object_id: String,
    /// Whether it has the permission.
    pub permissionship: Permissionship,
    /// Subjects that a wildcard does not cover, with the permissionship that each has instead.
    pub excluded: Vec<(String, Permissionship)>,
    /// The cursor to continue after this result.
    pub cursor: String,
}

impl Connection {
    /// Passes the subjects to `receive`, in order. Ends with the first error of either side.
    pub fn lookup_subjects<E: From<CallError>>(
        &self,
        args: &LookupSubjectsArgs,
        consistency: &ReadConsistency,
        mut receive: impl FnMut(SubjectMatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = wire::LookupSubjectsRequest {
            consistency: Some(consistency.to_message()),
            resource: Some(encode::object(&args.resource)),
            permission: args.permission.clone(),
            subject_object_type: args.subject_type.clone(),
            optional_subject_relation: args.subject_relation.clone(),
            context: encode::optional_context(&args.context),
            optional_concrete_limit: args.count_max,
            optional_cursor: args.cursor.clone().map(|token| wire::Cursor { token }),
            ..wire::LookupSubjectsRequest::default()
        };
        let mut stream = self.wait(self.permissions().lookup_subjects(request))?;
        while let Some(response) = self.next(&mut stream)? {
            receive(subject_match(response))?;
        }
        Ok(())
    }
}

fn subject_match(response: wire::LookupSubjectsResponse) -> SubjectMatch {
    let (object_id, permissionship) = resolved(response.subject.unwrap_or_default());
    let excluded = response.excluded_subjects.into_iter().map(|excluded| {
        let (object_id, exclusion) = resolved(excluded);
        // The message says how certain the exclusion is.
        let permissionship = match exclusion {
            Permissionship::HasPermission | Permissionship::NoPermission => {
                Permissionship::NoPermission
            }
            Permissionship::Conditional(missing) => Permissionship::Conditional(missing),
        };
        (object_id, permissionship)
    });

    SubjectMatch {
        object_id,
        permissionship,
        excluded: excluded.collect(),
        cursor: response.after_result_cursor.unwrap_or_default().token,
    }
}

fn resolved(subject: wire::ResolvedSubject) -> (String, Permissionship) {
    let permissionship = match subject.permissionship() {
        wire::LookupPermissionship::HasPermission => Permissionship::HasPermission,
        wire::LookupPermissionship::ConditionalPermission => {
            let missing = subject.partial_caveat_info.unwrap_or_default().missing_required_context;
            Permissionship::Conditional(missing.into_iter().collect())
        }
        wire::LookupPermissionship::Unspecified => Permissionship::NoPermission,
    };
    (subject.subject_object_id, permissionship)
}
