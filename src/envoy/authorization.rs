//! The service that a proxy asks.

use super::asked_request::AskedRequest;
use super::mapping::{ExtAuthzMapping, SharedRules};
use super::path_pattern::{Captures, plain_host};
use super::request_path::RequestPath;
use super::rule::{CheckTemplate, MappedRule, RuleAction, RuleFit};
use super::subject_source::NoSubject;
use super::verdict::{Decision, Denial, Verdict};
use crate::access::Callers;
use crate::api::{ClientCertificate, PeerAddress, ServiceMiddleware};
use crate::proto::authzed::api::v1 as wire;
use crate::proto::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use crate::proto::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use crate::settings_file::SettingsFileError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Code, Extensions, Request, Response, Status};
use wire::check_permission_response::Permissionship;
use wire::permissions_service_client::PermissionsServiceClient;

/// Metadata of the proxy's call that the check has too: who calls, and the trace.
const PASSED: [&str; 3] = ["authorization", "traceparent", "tracestate"];
const REQUEST_ID: &str = "x-request-id";
/// The longest id of a request that becomes that of the check, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// External authorization by a mapping file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExtAuthz(Arc<SharedRules>);

/// The service.
#[derive(Debug)]
struct AuthorizationCalls {
    rules: Arc<SharedRules>,
    permissions: PermissionsServiceClient<Routes>,
}

/// What a check made on behalf of a caller has of its call.
struct CallerParts {
    metadata: MetadataMap,
    extensions: Extensions,
}

impl ExtAuthz {
    /// Reads a mapping file. `callers` knows the issuers whose tokens name subjects.
    pub fn new(file: PathBuf, callers: Option<Arc<Callers>>) -> Result<Self, SettingsFileError> {
        Ok(Self(Arc::new(SharedRules::new(file, callers)?)))
    }

    /// The mapping file.
    pub fn file(&self) -> &Path {
        self.0.file()
    }

    /// Reads the mapping file again. Without success everything stays as it is.
    pub fn reload(&self) -> Result<(), SettingsFileError> {
        self.0.reload()
    }

    /// Adds the service to others, which make its checks.
    pub fn add_to(&self, routes: Routes, middleware: &ServiceMiddleware) -> Routes {
        let permissions = PermissionsServiceClient::new(routes.clone());
        let calls = AuthorizationCalls { rules: Arc::clone(&self.0), permissions };
        middleware.add(routes, AuthorizationServer::new(calls).accept_compressed(Gzip))
    }
}

#[tonic::async_trait]
impl Authorization for AuthorizationCalls {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let mapping = self.rules.current();
        let Some(asked) = AskedRequest::new(message) else {
            let verdict = denied(None, Denial::Forbidden, "this is no HTTP request");
            return Ok(Response::new(mapping.form.response(verdict, None)));
        };
        let caller = CallerParts::new(&metadata, &extensions, &asked.id);
        let verdict = self.verdict(&mapping, &asked, caller).await;
        Ok(Response::new(mapping.form.response(verdict, Some(&asked))))
    }
}

impl AuthorizationCalls {
    async fn verdict(
        &self,
        mapping: &ExtAuthzMapping,
        asked: &AskedRequest,
        caller: CallerParts,
    ) -> Verdict {
        let path = match RequestPath::parse(&asked.target) {
            Ok(path) => path,
            Err(reason) => return denied(None, Denial::Forbidden, reason.to_string()),
        };
        // Not left to the rules: a host that fits none of theirs would come to those for every host.
        let names_hosts = mapping.rules.iter().any(|rule| rule.host.is_some());
        if names_hosts && plain_host(&asked.host).is_none() {
            let reason =
                "the host is not of labels and a port, and some servers read it in another way";
            return denied(None, Denial::Forbidden, reason);
        }

        for rule in &mapping.rules {
            match rule.fit(asked, &path) {
                RuleFit::No => {}
                RuleFit::CaseAside => {
                    let reason =
                        "the path differs from that of the rule in the case of letters only";
                    return denied(Some(rule), Denial::Forbidden, reason);
                }
                RuleFit::Yes(captures) => {
                    return self.by_rule(rule, &captures, asked, caller).await;
                }
            }
        }
        denied(None, Denial::Forbidden, "no rule is for this request")
    }

    async fn by_rule(
        &self,
        rule: &MappedRule,
        captures: &Captures,
        asked: &AskedRequest,
        caller: CallerParts,
    ) -> Verdict {
        let check = match &rule.action {
            RuleAction::Allow => {
                let decision = Decision::Allowed { subject: None };
                return Verdict { rule: Some(rule.name.clone()), revision: None, decision };
            }
            RuleAction::Deny => {
                return denied(Some(rule), Denial::Forbidden, "the rule denies this request");
            }
            RuleAction::Check(check) => check,
        };

        let request = match self.request(check, captures, asked) {
            Ok(request) => request,
            Err((denial, reason)) => return denied(Some(rule), denial, reason),
        };
        let subject = request.subject.as_ref().map(subject_text);
        let answer = self.permissions.clone().check_permission(caller.request(request)).await;
        match answer {
            Err(status) => denied(Some(rule), denial_of(status.code()), status.message()),
            Ok(answer) => by_answer(rule, subject, answer.into_inner()),
        }
    }

    /// The check that a rule makes of a request.
    fn request(
        &self,
        check: &CheckTemplate,
        captures: &Captures,
        asked: &AskedRequest,
    ) -> Result<wire::CheckPermissionRequest, (Denial, String)> {
        let forbidden = |reason: &str| (Denial::Forbidden, reason.to_owned());
        // First, so that a client that has not said who it is learns nothing else.
        let subject = check.subject.subject(asked, self.rules.callers()).map_err(|error| {
            let denial = match error {
                NoSubject::Unauthenticated(_) => Denial::Unauthenticated,
                NoSubject::Impossible(_) => Denial::Forbidden,
                NoSubject::NoIssuer(_) => Denial::Unavailable,
            };
            (denial, error.to_string())
        })?;

        let resource = check.resource(captures);
        let resource =
            resource.ok_or_else(|| forbidden("no object can have the id of the path"))?;
        let consistency = check.consistency(asked);
        let consistency = consistency
            .ok_or_else(|| forbidden("the header of the consistency is there several times"))?;
        Ok(wire::CheckPermissionRequest {
            consistency: Some(consistency),
            resource: Some(resource),
            permission: check.permission.clone(),
            subject: Some(subject),
            context: check.context(asked, captures),
            with_tracing: false,
        })
    }
}

impl CallerParts {
    fn new(metadata: &MetadataMap, extensions: &Extensions, id: &str) -> Self {
        let mut passed = MetadataMap::new();
        for name in PASSED {
            for value in metadata.get_all(name) {
                passed.append(name, value.clone());
            }
        }
        // The id of the proxy's call, else that of the request that it asks about.
        let of_request = Some(id).filter(|id| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()));
        let of_request = of_request.and_then(|id| id.parse().ok());
        if let Some(id) = metadata.get(REQUEST_ID).cloned().or(of_request) {
            passed.insert(REQUEST_ID, id);
        }

        let mut kept = Extensions::new();
        if let Some(certificate) = extensions.get::<Arc<ClientCertificate>>() {
            kept.insert(Arc::clone(certificate));
        }
        if let Some(peer) = extensions.get::<PeerAddress>() {
            kept.insert(*peer);
        }
        Self { metadata: passed, extensions: kept }
    }

    fn request<M>(self, message: M) -> Request<M> {
        Request::from_parts(self.metadata, self.extensions, message)
    }
}

/// The kind of denial of a check that failed.
fn denial_of(code: Code) -> Denial {
    // What the client has sent makes no check, or one that the role of the proxy does not include.
    let is_of_client =
        [Code::InvalidArgument, Code::OutOfRange, Code::PermissionDenied].contains(&code);
    if is_of_client { Denial::Forbidden } else { Denial::Unavailable }
}

fn by_answer(
    rule: &MappedRule,
    subject: Option<String>,
    answer: wire::CheckPermissionResponse,
) -> Verdict {
    let decision = match answer.permissionship() {
        Permissionship::HasPermission => Decision::Allowed { subject },
        Permissionship::ConditionalPermission => {
            let missing = answer.partial_caveat_info.unwrap_or_default().missing_required_context;
            let reason = format!(
                "the permission depends on context that is missing: {}",
                missing.join(", ")
            );
            Decision::Denied(Denial::Forbidden, reason)
        }
        Permissionship::NoPermission | Permissionship::Unspecified => {
            Decision::Denied(Denial::Forbidden, "the subject has no permission".to_owned())
        }
    };
    let revision = answer.checked_at.map(|token| token.token);
    Verdict { rule: Some(rule.name.clone()), revision, decision }
}

fn denied(rule: Option<&MappedRule>, denial: Denial, reason: impl Into<String>) -> Verdict {
    let rule = rule.map(|rule| rule.name.clone());
    Verdict { rule, revision: None, decision: Decision::Denied(denial, reason.into()) }
}

fn subject_text(subject: &wire::SubjectReference) -> String {
    let (kind, id) = match &subject.object {
        Some(object) => (object.object_type.as_str(), object.object_id.as_str()),
        None => ("", ""),
    };
    let relation = &subject.optional_relation;
    let separator = if relation.is_empty() { "" } else { "#" };
    format!("{kind}:{id}{separator}{relation}")
}
