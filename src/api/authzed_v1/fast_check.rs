//! `CheckPermission` from the bytes of its message: those that clients usually send, answered from memory.
//!
//! It reads the message in its usual form, and keeps the encoded answers of a revision. What decides is what decides for all
//! checks.

use crate::access::CallPermit;
use crate::api::authzed_v1::check_answer::{
    NotAtOnce, check_at_once, check_response, is_usual_call,
};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::middleware::compression::put;
use crate::api::middleware::fast_path::{EncodedAnswer, FastPath};
use crate::api::middleware::intake::CountedBody;
use crate::api::middleware::operations::Operations;
use crate::api::sealed_token::StoreBytes;
use crate::proto::check_fields;
use crate::relationship::{Permissionship, Revision};
use prost::Message as _;
use std::cell::RefCell;
use std::sync::Arc;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Extensions, Request};

/// The path of its calls.
pub(crate) const PATH: &str = "/authzed.api.v1.PermissionsService/CheckPermission";

/// Answers usual checks.
pub(crate) struct FastCheck {
    context: ServiceContext,
}

/// The answers at the newest revision that was asked for, as this thread sends them.
struct KeptAnswers {
    store: StoreBytes,
    revision: Revision,
    has: Bytes,
    has_not: Bytes,
}

thread_local! {
    static KEPT: RefCell<Option<KeptAnswers>> = const { RefCell::new(None) };
}

impl FastCheck {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }

    fn encoded(&self, revision: Revision, permissionship: &Permissionship) -> Bytes {
        let store = self.context.tokens.store();
        KEPT.with_borrow_mut(|kept| {
            let current =
                kept.take().filter(|kept| kept.store == store && kept.revision == revision);
            let answers = kept.insert(current.unwrap_or_else(|| KeptAnswers {
                store,
                revision,
                has: self.encode(revision, &Permissionship::HasPermission),
                has_not: self.encode(revision, &Permissionship::NoPermission),
            }));
            match permissionship {
                Permissionship::HasPermission => answers.has.clone(),
                Permissionship::NoPermission => answers.has_not.clone(),
                Permissionship::Conditional(_) => self.encode(revision, permissionship),
            }
        })
    }

    fn encode(&self, revision: Revision, permissionship: &Permissionship) -> Bytes {
        let token = self.context.tokens.token(revision);
        let mut message = Vec::new();
        put(&mut message, 0, &check_response(token, permissionship).encode_to_vec());
        message.into()
    }
}

impl FastPath for FastCheck {
    fn covers(&self, request: &Request<CountedBody>) -> bool {
        is_usual_call(request, PATH) && request.extensions().get::<Arc<CallPermit>>().is_none()
    }

    fn answer(&self, extensions: &mut Extensions, message: &[u8]) -> Option<EncodedAnswer> {
        let mut request = check_fields::check(message)?;
        let consistency = self.context.tokens.consistency(request.consistency.take()).ok()?;
        let arguments = convert::check(request, self.context.limits).ok()?;
        let Some(checked) = check_at_once(&self.context, consistency, &arguments) else {
            extensions.insert(NotAtOnce);
            return None;
        };
        // An error is found again by the service, which says what is wrong.
        let (revision, checked) = checked.ok()?;

        self.context.metrics.evaluations().record(&checked);
        let work = Operations::of(&[checked.statistics]);
        Some(EncodedAnswer { message: self.encoded(revision, &checked.permissionship), work })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::caller_slots::CallerSlots;
    use crate::api::context::StreamTimeouts;
    use crate::api::convert::trace::TraceEncoder;
    use crate::api::request_limits::RequestLimits;
    use crate::api::token::ZedTokens;
    use crate::api::workers::Workers;
    use crate::database::{Database, DatabaseOptions, WriteSchema};
    use crate::proto::authzed::api::v1 as proto;
    use crate::relationship::Timestamp;
    use crate::store::{Store, StoreOptions};
    use prost_types::Struct;
    use std::path::Path;
    use std::time::Duration;

    async fn fast_check(dir: &Path) -> FastCheck {
        let store = Store::open(dir, &StoreOptions::default()).unwrap();
        let database = Database::new(store, DatabaseOptions::default());
        let now = Timestamp::from_unix(0, 0).unwrap();
        let workers = Arc::new(Workers::new(database, 1, Arc::new(move || now)));
        let schema = "definition user {}\ndefinition document { relation viewer: user }";
        workers.write(0, WriteSchema::new(schema), None).await.unwrap();
        let limits = RequestLimits::default();
        let time = Duration::from_secs(1);
        FastCheck::new(ServiceContext {
            tokens: ZedTokens::new(workers.store_bytes()),
            traces: TraceEncoder::new(workers.store_bytes(), Arc::new(|| "id".to_owned())),
            workers,
            limits,
            streams: StreamTimeouts { idle_max: time, client_max: time },
            import_idle_max: time,
            imports: CallerSlots::new(limits.imports_per_key_max),
            metrics: Arc::default(),
        })
    }

    fn question() -> proto::CheckPermissionRequest {
        let object = |object_type: &str| proto::ObjectReference {
            object_type: object_type.to_owned(),
            object_id: "1".to_owned(),
        };
        proto::CheckPermissionRequest {
            resource: Some(object("document")),
            permission: "viewer".to_owned(),
            subject: Some(proto::SubjectReference {
                object: Some(object("user")),
                optional_relation: String::new(),
            }),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_usual_check_is_answered_and_others_are_left_to_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let fast_check = fast_check(dir.path()).await;
        let answer = |message: &[u8]| fast_check.answer(&mut Extensions::new(), message);
        let usual = question().encode_to_vec();
        let answered = answer(&usual).unwrap().message;
        let answered = proto::CheckPermissionResponse::decode(&answered[5..]).unwrap();
        assert_eq!(answered.permissionship, 1);
        assert!(answered.checked_at.is_some());

        let others = [
            proto::CheckPermissionRequest { with_tracing: true, ..question() },
            proto::CheckPermissionRequest { context: Some(Struct::default()), ..question() },
            proto::CheckPermissionRequest { permission: "nothing".to_owned(), ..question() },
            proto::CheckPermissionRequest { permission: "No".to_owned(), ..question() },
            proto::CheckPermissionRequest { subject: None, ..question() },
        ];
        for other in others {
            assert!(answer(&other.encode_to_vec()).is_none(), "{other:?}");
        }
        assert!(answer(&usual[1..]).is_none());
        assert!(answer(&usual.repeat(2)).is_none());
    }

    #[tokio::test]
    async fn the_service_need_not_try_again_what_cannot_be_answered_from_memory() {
        let dir = tempfile::tempdir().unwrap();
        let fast_check = fast_check(dir.path()).await;
        fast_check.context.workers.close().await;
        let mut extensions = Extensions::new();
        assert!(fast_check.answer(&mut extensions, &question().encode_to_vec()).is_none());
        assert!(extensions.get::<NotAtOnce>().is_some());
    }
}
