//! Verdicts, and the messages in which a proxy gets them.

use super::asked_request::AskedRequest;
use super::rule::text;
use crate::proto::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use crate::proto::envoy::service::auth::v3::check_response::HttpResponse;
use crate::proto::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use crate::proto::envoy::r#type::v3::HttpStatus;
use std::collections::BTreeMap;
use tonic::Code;

/// Headers by which some servers take another path or method than that of the request: the upstream service never gets them.
const OVERRIDES: [&str; 5] = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Whether a request is passed on.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The rule that it fits.
    pub(super) rule: Option<String>,
    /// The token of the revision that was asked.
    pub(super) revision: Option<String>,
    pub(super) decision: Decision,
}

/// A decision, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Passed on.
    Allowed {
        /// The subject that has the permission, as `type:id` or `type:id#relation`; none for a rule that asks nothing.
        subject: Option<String>,
    },
    /// Denied. The reason shows nothing of headers.
    Denied(Denial, String),
}

/// A kind of denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Denial {
    /// The client has not said who it is.
    Unauthenticated,
    /// It may not do that.
    Forbidden,
    /// No decision is possible at present.
    Unavailable,
}

/// What the proxy answers for a kind of denial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DenialAnswer {
    pub(super) status: i32,
    pub(super) body: String,
    pub(super) headers: Vec<(String, String)>,
}

/// How verdicts look to clients and to the upstream service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AnswerForm {
    /// The header in which the upstream service gets the subject.
    pub(super) subject_header: Option<String>,
    /// The header in which it gets the revision.
    pub(super) revision_header: Option<String>,
    /// Headers that it never gets.
    pub(super) removed_headers: Vec<String>,
    pub(super) denials: BTreeMap<Denial, DenialAnswer>,
}

impl Denial {
    /// The status without another one.
    pub(super) fn usual_status(self) -> i32 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::Unavailable => Code::Unavailable,
        }
    }
}

impl AnswerForm {
    /// The message with a verdict for a proxy. `request` is absent when it could not be read.
    pub(super) fn response(
        &self,
        verdict: Verdict,
        request: Option<&AskedRequest>,
    ) -> CheckResponse {
        let Verdict { rule, revision, decision } = verdict;
        let (word, code, reason) = match &decision {
            Decision::Allowed { .. } => ("allow", Code::Ok, None),
            Decision::Denied(denial, reason) => ("deny", denial.code(), Some(reason.clone())),
        };
        let facts = [("rule", &rule), ("revision", &revision), ("reason", &reason)];
        let facts = facts.into_iter().filter_map(|(name, fact)| Some((name, fact.as_deref()?)));
        let fields = facts.chain([("verdict", word)]);
        let fields = fields.map(|(name, fact)| (name.to_owned(), text(fact))).collect();

        let http_response = match decision {
            Decision::Allowed { subject } => {
                HttpResponse::OkResponse(self.passed_on(subject, revision, request))
            }
            Decision::Denied(denial, _) => HttpResponse::DeniedResponse(self.denied(denial)),
        };
        let status = tonic_types::Status {
            code: code.into(),
            message: reason.unwrap_or_default(),
            details: Vec::new(),
        };
        CheckResponse {
            status: Some(status),
            http_response: Some(http_response),
            dynamic_metadata: Some(prost_types::Struct { fields }),
        }
    }

    /// What the proxy changes in a request that it passes on. A header with the subject or the revision is either set, in the place of
    /// any that the client has sent, or removed: the client cannot set it.
    fn passed_on(
        &self,
        subject: Option<String>,
        revision: Option<String>,
        request: Option<&AskedRequest>,
    ) -> OkHttpResponse {
        let results = [(&self.subject_header, subject), (&self.revision_header, revision)];
        let mut set: Vec<(String, String)> = Vec::new();
        let mut removed: Vec<String> = OVERRIDES.map(str::to_owned).to_vec();
        removed.extend(self.removed_headers.iter().cloned());
        for (name, value) in results {
            let Some(name) = name else { continue };
            match value {
                Some(value) => set.push((name.clone(), value)),
                None => removed.push(name.clone()),
            }
        }

        // Some servers take `_` and `-` in names of headers for the same.
        let names = request.into_iter().flat_map(AskedRequest::header_names);
        let twins: Vec<String> = names
            .filter(|name| {
                let plain = name.replace('_', "-");
                let is_ours = |ours: &String| ours.replace('_', "-") == plain;
                let is_set = set.iter().any(|(ours, _)| ours == name);
                !is_set
                    && (removed.iter().any(is_ours) || set.iter().any(|(ours, _)| is_ours(ours)))
            })
            .map(str::to_owned)
            .collect();
        for name in twins {
            if !removed.contains(&name) {
                removed.push(name);
            }
        }
        OkHttpResponse { headers: header_options(set), headers_to_remove: removed }
    }

    fn denied(&self, denial: Denial) -> DeniedHttpResponse {
        let answer = self.denials.get(&denial).cloned().unwrap_or_default();
        let status = if answer.status == 0 { denial.usual_status() } else { answer.status };
        DeniedHttpResponse {
            status: Some(HttpStatus { code: status }),
            headers: header_options(answer.headers),
            body: answer.body,
        }
    }
}

fn header_options(headers: Vec<(String, String)>) -> Vec<HeaderValueOption> {
    let option = |(key, value)| {
        let header = HeaderValue { key, value, raw_value: Vec::new() };
        // Said, so that no proxy adds the header to the one of the client.
        HeaderValueOption { header: Some(header), append: Some(false) }
    };
    headers.into_iter().map(option).collect()
}
