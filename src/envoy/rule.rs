//! Rules: which requests they are for, and what they ask.

use super::asked_request::{AskedRequest, HeaderFound};
use super::id_template::IdTemplate;
use super::path_pattern::{Captured, Captures, HostPattern, PathPattern, PatternFit};
use super::request_path::RequestPath;
use super::subject_source::SubjectRule;
use crate::proto::authzed::api::v1 as wire;
use prost_types::Value;
use prost_types::value::Kind;
use std::collections::BTreeMap;
use wire::consistency::Requirement;

/// A rule of a mapping file.
#[derive(Clone, Debug)]
pub(super) struct MappedRule {
    pub(super) name: String,
    /// Empty for every method.
    pub(super) methods: Vec<String>,
    pub(super) host: Option<HostPattern>,
    pub(super) path: PathPattern,
    pub(super) action: RuleAction,
}

/// What a rule does with its requests.
#[derive(Clone, Debug)]
pub(super) enum RuleAction {
    /// Passes them on.
    Allow,
    /// Denies them.
    Deny,
    /// Asks whether a subject has a permission.
    Check(Box<CheckTemplate>),
}

/// A check with parts that a request gives.
#[derive(Clone, Debug)]
pub(super) struct CheckTemplate {
    pub(super) resource_type: String,
    pub(super) resource_id: IdTemplate,
    pub(super) permission: String,
    pub(super) subject: SubjectRule,
    pub(super) context: BTreeMap<String, ContextSource>,
    pub(super) consistency: ConsistencySource,
}

/// Where a value of the caveat context comes from.
#[derive(Clone, Debug)]
pub(super) enum ContextSource {
    /// It is always the same.
    Fixed(Value),
    /// A header.
    Header(String),
    /// A part of the path or host.
    Segment(String),
    /// The IP address of the client.
    SourceAddress,
}

/// Which revision answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ConsistencySource {
    /// The latest.
    #[default]
    Latest,
    /// One that costs little.
    MinimizeLatency,
    /// At least that of the token in a header; the latest without one.
    Header(String),
}

/// How a rule fits a request.
#[derive(Debug)]
pub(super) enum RuleFit {
    /// Not at all.
    No,
    /// Only if the case of letters makes no difference.
    CaseAside,
    /// With these parts.
    Yes(Captures),
}

impl MappedRule {
    /// How it fits a request with this path.
    pub(super) fn fit(&self, request: &AskedRequest, path: &RequestPath) -> RuleFit {
        if !self.methods.is_empty() && !self.methods.contains(&request.method) {
            return RuleFit::No;
        }
        let of_host = match &self.host {
            Some(host) => host.captures(&request.host),
            None => Some(Captures::new()),
        };
        let Some(mut captures) = of_host else { return RuleFit::No };
        match self.path.fit(path) {
            PatternFit::No => RuleFit::No,
            PatternFit::CaseAside => RuleFit::CaseAside,
            PatternFit::Exact => {
                self.path.capture(path, &mut captures);
                RuleFit::Yes(captures)
            }
        }
    }
}

impl CheckTemplate {
    /// The resource that a request is about; `None` when no object can have its id.
    pub(super) fn resource(&self, captures: &Captures) -> Option<wire::ObjectReference> {
        let object_id = self.resource_id.object_id(captures)?;
        Some(wire::ObjectReference { object_type: self.resource_type.clone(), object_id })
    }

    /// The caveat context that a request gives. What it does not have is left out.
    pub(super) fn context(
        &self,
        request: &AskedRequest,
        captures: &Captures,
    ) -> Option<prost_types::Struct> {
        let value = |source: &ContextSource| match source {
            ContextSource::Fixed(value) => Some(value.clone()),
            ContextSource::Header(name) => match request.header(name) {
                HeaderFound::One(value) => Some(text(value)),
                HeaderFound::Missing | HeaderFound::Unclear => None,
            },
            ContextSource::Segment(name) => match captures.get(name)? {
                Captured::One(segment) => Some(text(segment)),
                Captured::Rest(segments) => Some(text(&segments.join("/"))),
            },
            ContextSource::SourceAddress => request.source_address().map(text),
        };
        let values = self.context.iter();
        let fields: BTreeMap<String, Value> =
            values.filter_map(|(name, source)| Some((name.clone(), value(source)?))).collect();
        (!fields.is_empty()).then_some(prost_types::Struct { fields })
    }

    /// The consistency that a request asks for; `None` when that is not clear.
    pub(super) fn consistency(&self, request: &AskedRequest) -> Option<wire::Consistency> {
        let requirement = match &self.consistency {
            ConsistencySource::Latest => Requirement::FullyConsistent(true),
            ConsistencySource::MinimizeLatency => Requirement::MinimizeLatency(true),
            ConsistencySource::Header(name) => match request.header(name) {
                HeaderFound::Missing => Requirement::FullyConsistent(true),
                HeaderFound::Unclear => return None,
                HeaderFound::One(token) => {
                    Requirement::AtLeastAsFresh(wire::ZedToken { token: token.to_owned() })
                }
            },
        };
        Some(wire::Consistency { requirement: Some(requirement) })
    }
}

/// A text as a value of a context.
pub(super) fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}
