//! Who has a permission on a resource, page by page.

use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::cursor::{self, Call, Place};
use crate::api::middleware::layer::Operations;
use crate::api::result_stream::Sink;
use crate::api::status;
use crate::api::token::Tokens;
use crate::database::{Consistency, View, ViewPin};
use crate::engine::{ExcludedSubject, FoundSubject, SubjectLookup};
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::LookupPermissionship;
use crate::proto::encode;
use crate::relationship::{NameKind, Permissionship, Revision, WILDCARD_ID, require_name};
use tonic::Status;

/// How many subjects are looked up at once.
const PAGE_COUNT_MAX: usize = 500;
/// A list that was asked for. What is wrong with it comes out after the moment has been looked at.
pub(crate) struct Lookup {
    call: Call,
    consistency: Consistency,
    wanted: Result<Wanted, Status>,
    operations: Operations,
}

/// What a list is to hold.
struct Wanted {
    asked: convert::AskedSubjects,
    /// The id of the result after which it goes on.
    after: Option<String>,
}

/// A list under way.
struct Going {
    lookup: SubjectLookup,
    revision: Revision,
    consistency: Consistency,
    /// From the first page on, so that the last one is still there when its turn comes.
    _held: ViewPin,
    /// How many subjects are still wanted that are no wildcards.
    left: Option<usize>,
}

/// One page, and the list when it goes on.
struct Page {
    results: Vec<proto::LookupSubjectsResponse>,
    going: Option<Going>,
}

impl Lookup {
    pub(crate) fn new(
        context: &ServiceContext,
        mut request: proto::LookupSubjectsRequest,
    ) -> Result<Self, Status> {
        let cursor = request.optional_cursor.take();
        let call = Call::new(context.tokens, "LookupSubjects", &request);
        let mut consistency = context.tokens.consistency(request.consistency.take())?;
        let place = cursor.map(|cursor| call.place(&cursor)).transpose();
        if let Ok(Some(Place { revision, .. })) = &place {
            consistency = consistency.exactly(*revision);
        }
        let wanted = place.and_then(|place| {
            let after = place.map(|place| position(place.position)).transpose()?;
            Ok(Wanted { asked: convert::subjects(request, context.limits)?, after })
        });
        Ok(Self { call, consistency, wanted, operations: Operations::default() })
    }

    /// What the list costs, while it is being sent.
    pub(crate) fn operations(&self) -> Operations {
        self.operations.clone()
    }

    /// Looks up to the end and sends every subject.
    pub(crate) async fn send(
        self,
        context: ServiceContext,
        sink: Sink<proto::LookupSubjectsResponse>,
    ) -> Result<(), Status> {
        let call = self.call;
        let mut next = sink.wait(self.start(&context)).await?;
        loop {
            for result in next.results {
                sink.send(result).await?;
            }
            let Some(going) = next.going else { return Ok(()) };
            next = sink.wait(going.go_on(&context, call)).await?;
        }
    }

    async fn start(self, context: &ServiceContext) -> Result<Page, Status> {
        let Self { call, consistency, wanted, operations } = self;
        let tokens = context.tokens;
        context
            .workers
            .run(move |job| {
                let view = job.view(consistency)?;
                let held = view.pin();
                let Wanted { asked, after } = wanted?;
                let lookup = view
                    .look_up_subjects(&asked.question(), after.as_deref(), job.interrupted)
                    .map_err(status::of_database)?;
                operations.add(lookup.statistics().visits, 0);
                let revision = view.revision();
                let consistency = view.pinned();
                let left = asked.limit;
                let going = Going { lookup, revision, consistency, _held: held, left };
                going.page(&view, (call, tokens), job.interrupted)
            })
            .await
    }
}

impl Going {
    async fn go_on(self, context: &ServiceContext, call: Call) -> Result<Page, Status> {
        let tokens = context.tokens;
        context
            .workers
            .run(move |job| {
                let view = job.view(self.consistency)?;
                self.page(&view, (call, tokens), job.interrupted)
            })
            .await
    }

    fn page(
        mut self,
        view: &View<'_>,
        (call, tokens): (Call, Tokens),
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Page, Status> {
        let count_max = self.left.unwrap_or(usize::MAX).min(PAGE_COUNT_MAX);
        let found = view
            .next_subjects(&mut self.lookup, count_max, interrupted)
            .map_err(status::of_database)?;
        let concrete = found.iter().filter(|found| found.object_id != WILDCARD_ID).count();
        self.left = self.left.map(|left| left.saturating_sub(concrete));
        let goes_on = found.len() == count_max && self.left != Some(0);
        let looked_up_at = tokens.token(self.revision);
        let result = |found: FoundSubject| {
            let cursor = call.cursor(self.revision, found.object_id.as_bytes());
            response(found, looked_up_at.clone(), cursor)
        };
        let results = found.into_iter().map(result).collect();
        Ok(Page { results, going: goes_on.then_some(self) })
    }
}

/// The id of a result, from the bytes in its cursor.
fn position(bytes: Vec<u8>) -> Result<String, Status> {
    let is_result = |id: &String| id == WILDCARD_ID || require_name(NameKind::ObjectId, id).is_ok();
    String::from_utf8(bytes)
        .ok()
        .filter(is_result)
        .ok_or_else(|| cursor::invalid("error decoding cursor: it names no place in these results"))
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

/// An exclusion tells how certain it is that the subject is out.
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
