//! `CheckPermission` from the bytes of its message: those that clients usually send, answered from memory.
//!
//! It reads the message in its usual form, and keeps the encoded answers of a revision. What decides is what decides for all
//! checks.

use crate::access::CallPermit;
use crate::api::authzed_v1::check_answer::{NotAtOnce, TRACE_ASKED, check_at_once, check_response};
use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::middleware::compression::{GRPC_ENCODING, put};
use crate::api::middleware::fast_path::{EncodedAnswer, FastPath};
use crate::api::middleware::intake::{CountedBody, is_short};
use crate::api::middleware::operations::Operations;
use crate::api::sealed_token::StoreBytes;
use crate::proto::check_fields;
use crate::relationship::{Permissionship, Revision};
use prost::Message as _;
use std::cell::RefCell;
use std::sync::Arc;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Extensions, Request};

const PATH: &str = "/authzed.api.v1.PermissionsService/CheckPermission";

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
        let headers = request.headers();
        request.uri().path() == PATH
            && !headers.contains_key(TRACE_ASKED)
            && !headers.contains_key(GRPC_ENCODING)
            && request.extensions().get::<Arc<CallPermit>>().is_none()
    }

    fn answer(&self, extensions: &mut Extensions, message: &[u8]) -> Option<EncodedAnswer> {
        if !is_short(message) {
            return None;
        }
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
        let work = Operations::default();
        work.add(&checked.statistics);
        Some(EncodedAnswer { message: self.encoded(revision, &checked.permissionship), work })
    }
}
