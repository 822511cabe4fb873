//! `LookupSubjects`: subjects that have a permission on a resource.

use crate::api::call_access::CallAccess;
use crate::api::context::ServiceContext;
use crate::api::convert::{self, LookupSubjectsArguments};
use crate::api::cursor::{self, CursorScope};
use crate::api::middleware::operations::Operations;
use crate::api::paging::{PageReader, PageSource, PagedRead, RemainingResults, ResultPage};
use crate::api::status;
use crate::engine::{ExcludedSubject, FoundSubject, LookupSubjectsQuery, SubjectLookup};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::LookupPermissionship;
use crate::proto::encode;
use crate::relationship::{NameKind, Permissionship, RelationshipScope, WILDCARD_ID, require_name};
use std::sync::Arc;
use tonic::Status;

/// Subjects that are found at once.
const PAGE_COUNT_MAX: usize = 500;

/// Subjects after an id.
pub(crate) struct LookupSubjectsSource {
    arguments: LookupSubjectsArguments,
    /// Subjects outside of it are left out.
    within: Option<Arc<RelationshipScope>>,
    /// Counts no wildcards.
    remaining: RemainingResults,
    after: Option<String>,
    operations: Operations,
    /// The lookup under evaluation, from the first page on.
    active: Option<Box<SubjectLookup>>,
}

pub(crate) fn lookup_subjects(
    context: &ServiceContext,
    access: &CallAccess,
    operations: Operations,
    mut request: proto::LookupSubjectsRequest,
) -> Result<PagedRead<LookupSubjectsSource>, Status> {
    let cursor = request.optional_cursor.take();
    let scope = CursorScope::new(context.tokens, "LookupSubjects", &request);
    let consistency = context.tokens.consistency(request.consistency.take())?;
    let limits = context.limits;
    Ok(PagedRead::new(scope, consistency, cursor.as_ref(), |position| {
        let after = position.map(last_id).transpose()?;
        let (arguments, limit) = convert::subjects(request, limits)?;
        arguments.require_allowed(access)?;
        let (within, remaining) = (access.scope(), RemainingResults::new(limit));
        Ok(LookupSubjectsSource { arguments, within, remaining, after, operations, active: None })
    }))
}

impl PageSource for LookupSubjectsSource {
    type Message = proto::LookupSubjectsResponse;

    const QUEUED_MAX: u32 = 256;

    fn read_page(
        &mut self,
        reader: &PageReader<'_, '_>,
    ) -> Result<ResultPage<Self::Message>, Status> {
        let view = reader.view;
        let mut lookup = if let Some(lookup) = self.active.take() {
            lookup
        } else {
            let lookup = view
                .look_up_subjects(&self.arguments.query(), self.after.as_deref())
                .map_err(status::from_database)?;
            self.operations.add(&lookup.statistics());
            Box::new(lookup)
        };

        let count_max = self.remaining.page_size(PAGE_COUNT_MAX);
        let mut found =
            view.next_subjects(&mut lookup, count_max).map_err(status::from_database)?;
        let ended = found.len() < count_max;
        if let Some(scope) = &self.within {
            retain_inside(&mut found, scope, &self.arguments.query());
        }
        let concrete = found.iter().filter(|found| found.object_id != WILDCARD_ID).count();
        self.remaining.subtract(concrete);

        let is_last = ended || self.remaining.is_exhausted();
        self.active = Some(lookup);
        let message = |found: FoundSubject| {
            let cursor = reader.cursor(found.object_id.as_bytes());
            response(found, reader.read_at.clone(), cursor)
        };
        Ok(ResultPage { messages: found.into_iter().map(message).collect(), is_last })
    }
}

/// Leaves out the subjects that the caller may not see, also among those that a wildcard excludes.
fn retain_inside(
    found: &mut Vec<FoundSubject>,
    scope: &RelationshipScope,
    query: &LookupSubjectsQuery<'_>,
) {
    let LookupSubjectsQuery { resource, permission, subject_type, .. } = query;
    let node = (resource.object_type(), resource.object_id(), *permission);
    let is_inside = |id: &str| scope.covers_pair(node, (*subject_type, id));
    found.retain(|subject| is_inside(&subject.object_id));
    for subject in found {
        subject.excluded.retain(|excluded| is_inside(&excluded.object_id));
    }
}

/// The id of a result, from the bytes in its cursor.
fn last_id(bytes: Vec<u8>) -> Result<String, Status> {
    let is_result = |id: &String| id == WILDCARD_ID || require_name(NameKind::ObjectId, id).is_ok();
    String::from_utf8(bytes).ok().filter(is_result).ok_or_else(cursor::no_position)
}

fn response(
    found: FoundSubject,
    looked_up_at: proto::ZedToken,
    cursor: proto::Cursor,
) -> proto::LookupSubjectsResponse {
    let FoundSubject { object_id, permissionship, excluded } = found;
    let subject = proto::ResolvedSubject {
        subject_object_id: object_id,
        permissionship: lookup_permissionship(&permissionship).into(),
        partial_caveat_info: encode::partial_caveat_info(&permissionship),
    };
    let excluded_subjects: Vec<_> = excluded.into_iter().map(exclusion).collect();

    let excluded_ids = excluded_subjects.iter().map(|subject| subject.subject_object_id.clone());
    #[expect(deprecated, reason = "older clients read these")]
    proto::LookupSubjectsResponse {
        looked_up_at: Some(looked_up_at),
        subject_object_id: subject.subject_object_id.clone(),
        excluded_subject_ids: excluded_ids.collect(),
        permissionship: subject.permissionship,
        partial_caveat_info: subject.partial_caveat_info.clone(),
        subject: Some(subject),
        excluded_subjects,
        after_result_cursor: Some(cursor),
    }
}

fn lookup_permissionship(permissionship: &Permissionship) -> LookupPermissionship {
    match permissionship {
        Permissionship::NoPermission => LookupPermissionship::Unspecified,
        Permissionship::HasPermission => LookupPermissionship::HasPermission,
        Permissionship::Conditional(_) => LookupPermissionship::ConditionalPermission,
    }
}

/// The permissionship of an excluded subject says how certain the exclusion is.
fn exclusion(excluded: ExcludedSubject) -> proto::ResolvedSubject {
    let permissionship = match &excluded.permissionship {
        Permissionship::Conditional(_) => LookupPermissionship::ConditionalPermission,
        Permissionship::NoPermission | Permissionship::HasPermission => {
            LookupPermissionship::HasPermission
        }
    };
    proto::ResolvedSubject {
        subject_object_id: excluded.object_id,
        permissionship: permissionship.into(),
        partial_caveat_info: encode::partial_caveat_info(&excluded.permissionship),
    }
}
