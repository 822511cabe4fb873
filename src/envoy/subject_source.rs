//! Where the subject of a check comes from.

use super::asked_request::{AskedRequest, HeaderFound};
use crate::access::{Callers, TokenRefusal};
use crate::proto::authzed::api::v1 as wire;
use crate::relationship::{NameKind, require_name, to_object_id};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The scheme of a token in a header, with the blank after it.
const BEARER: &str = "bearer ";

/// The subject of a check: its type, and where its id comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubjectRule {
    pub(super) object_type: String,
    pub(super) relation: String,
    pub(super) id: SubjectIdSource,
}

/// Where the id of a subject comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SubjectIdSource {
    /// It is always the same.
    Fixed(String),
    /// A header that the proxy, or a filter in it, has set.
    Header(String),
    /// A claim of a token that is verified here.
    Claim(ClaimSource),
    /// What an earlier filter of the proxy has found out.
    Metadata { namespace: String, path: Vec<String> },
    /// The name in the client's certificate, without this prefix, which it has to have.
    Principal { prefix: String },
}

/// A claim of a token in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClaimSource {
    /// The header that has the token.
    pub(super) header: String,
    /// The name of the issuer in the access file.
    pub(super) issuer: String,
    /// The values of which the token's audience has to have one, in place of those of the access file.
    pub(super) audience: Option<BTreeSet<String>>,
    /// The claim, as a path of names.
    pub(super) path: Vec<String>,
}

/// Why a request has no subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSubject {
    /// The client has not said who it is, or not in a way that can be believed.
    #[error("{0}")]
    Unauthenticated(String),
    /// The client is known, and cannot be a subject.
    #[error("{0}")]
    Impossible(&'static str),
    /// What would verify it is missing.
    #[error("the access file has no issuer `{0}`, whose tokens name the subject")]
    NoIssuer(String),
}

impl From<TokenRefusal> for NoSubject {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Unauthenticated(refusal.to_string())
    }
}

impl SubjectRule {
    /// The subject of a request.
    pub(super) fn subject(
        &self,
        request: &AskedRequest,
        callers: Option<&Callers>,
    ) -> Result<wire::SubjectReference, NoSubject> {
        let id = self.id.text(request, callers)?;
        let object_id = to_object_id(&id);
        if require_name(NameKind::ObjectId, &object_id).is_err() {
            return Err(NoSubject::Impossible("the id of the subject is empty or too long"));
        }
        let object = wire::ObjectReference { object_type: self.object_type.clone(), object_id };
        let optional_relation = self.relation.clone();
        Ok(wire::SubjectReference { object: Some(object), optional_relation })
    }
}

impl SubjectIdSource {
    /// The issuer whose tokens it reads.
    pub(super) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Claim(claim) => Some(&claim.issuer),
            Self::Fixed(_) | Self::Header(_) | Self::Metadata { .. } | Self::Principal { .. } => {
                None
            }
        }
    }

    /// The header that it believes.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            Self::Fixed(_) | Self::Claim(_) | Self::Metadata { .. } | Self::Principal { .. } => {
                None
            }
        }
    }

    fn text(&self, request: &AskedRequest, callers: Option<&Callers>) -> Result<String, NoSubject> {
        let missing = |what: String| NoSubject::Unauthenticated(what);

        match self {
            Self::Fixed(id) => Ok(id.clone()),
            Self::Header(name) => match request.header(name) {
                HeaderFound::One(value) => Ok(value.to_owned()),
                HeaderFound::Missing => Err(missing(format!("the request has no header `{name}`"))),
                HeaderFound::Unclear => Err(missing(unclear(name))),
            },
            Self::Claim(source) => source.text(request, callers),
            Self::Metadata { namespace, path } => {
                let text = request.metadata(namespace, path);
                let absent = || {
                    missing(format!(
                        "the metadata of `{namespace}` has no text at `{}`",
                        path.join(".")
                    ))
                };
                text.map(str::to_owned).ok_or_else(absent)
            }
            Self::Principal { prefix } => {
                let absent = || missing("the client has shown no certificate".to_owned());
                let principal = request.principal().ok_or_else(absent)?;
                principal.strip_prefix(prefix.as_str()).map(str::to_owned).ok_or_else(|| {
                    missing(
                        "the name in the client's certificate does not start as it has to"
                            .to_owned(),
                    )
                })
            }
        }
    }
}

impl ClaimSource {
    fn text(&self, request: &AskedRequest, callers: Option<&Callers>) -> Result<String, NoSubject> {
        let name = &self.header;
        let value = match request.header(name) {
            HeaderFound::One(value) => value,
            HeaderFound::Missing => {
                return Err(NoSubject::Unauthenticated(format!(
                    "the request has no header `{name}`"
                )));
            }
            HeaderFound::Unclear => return Err(NoSubject::Unauthenticated(unclear(name))),
        };
        let token = match value.split_at_checked(BEARER.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => token,
            Some(_) | None if name == "authorization" => {
                let message = "the header `authorization` is not of the form `Bearer <token>`";
                return Err(NoSubject::Unauthenticated(message.to_owned()));
            }
            Some(_) | None => value,
        };

        let claims = callers
            .and_then(|callers| callers.claims(&self.issuer, self.audience.as_ref(), token))
            .ok_or_else(|| NoSubject::NoIssuer(self.issuer.clone()))??;
        let claim = || self.path.join(".");
        text_at(&claims, &self.path).ok_or_else(|| {
            NoSubject::Unauthenticated(format!("the token has no text in the claim `{}`", claim()))
        })
    }
}

fn unclear(name: &str) -> String {
    format!("the request has the header `{name}` several times, or not as text")
}

fn text_at(claims: &Map<String, Value>, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let value = rest.iter().try_fold(claims.get(first)?, |value, name| value.get(name))?;
    value.as_str().map(str::to_owned)
}
