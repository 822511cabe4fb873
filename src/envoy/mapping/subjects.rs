//! Subjects of a mapping file.

use super::answers::header_name;
use super::content::SubjectContent;
use crate::envoy::subject_source::{ClaimSource, SubjectIdSource, SubjectRule};
use crate::relationship::{NameKind, require_name};
use crate::settings_file::{MistakeList, PlacedText};

/// The filter of Envoy that verifies tokens.
const JWT_FILTER: &str = "envoy.filters.http.jwt_authn";
/// The header of a token without another one.
const TOKEN_HEADER: &str = "authorization";

/// Reads a subject. `None` when it has a mistake, which is noted.
pub(super) fn subject(
    mistakes: &mut MistakeList<'_>,
    content: &SubjectContent,
) -> Option<SubjectRule> {
    let object_type = name(mistakes, NameKind::Definition, &content.object_type);
    let relation = match &content.relation {
        Some(relation) => name(mistakes, NameKind::Relation, relation),
        None => Some(String::new()),
    };
    require_only_of_claims(mistakes, content);
    let id = id_source(mistakes, content);
    Some(SubjectRule { object_type: object_type?, relation: relation?, id: id? })
}

/// A name of a schema.
pub(super) fn name(
    mistakes: &mut MistakeList<'_>,
    kind: NameKind,
    text: &PlacedText,
) -> Option<String> {
    let named = require_name(kind, text.get_ref()).map(|()| text.get_ref().clone());
    mistakes.noted(text.span(), named)
}

fn id_source(mistakes: &mut MistakeList<'_>, content: &SubjectContent) -> Option<SubjectIdSource> {
    let SubjectContent { id, header, claim, metadata, principal_prefix, .. } = content;

    match (id, header, claim, metadata, principal_prefix) {
        (Some(id), None, None, None, None) => {
            name(mistakes, NameKind::ObjectId, id).map(SubjectIdSource::Fixed)
        }
        (None, Some(header), None, None, None) => {
            header_name(mistakes, header).map(SubjectIdSource::Header)
        }
        (None, None, Some(claim), None, None) => {
            claim_source(mistakes, content, claim).map(SubjectIdSource::Claim)
        }
        (None, None, None, Some(metadata), None) => {
            let namespace = content.namespace.as_ref();
            let namespace = namespace.map_or(JWT_FILTER, |name| name.get_ref()).to_owned();
            let path = names(mistakes, metadata)?;
            Some(SubjectIdSource::Metadata { namespace, path })
        }
        (None, None, None, None, Some(prefix)) => {
            Some(SubjectIdSource::Principal { prefix: prefix.get_ref().clone() })
        }
        _ => {
            let message =
                "a subject needs one of `id`, `header`, `claim`, `metadata` and `principal_prefix`";
            mistakes.note(content.object_type.span(), message);
            None
        }
    }
}

fn claim_source(
    mistakes: &mut MistakeList<'_>,
    content: &SubjectContent,
    claim: &PlacedText,
) -> Option<ClaimSource> {
    let path = names(mistakes, claim);
    let header = match &content.token_header {
        Some(header) => header_name(mistakes, header),
        None => Some(TOKEN_HEADER.to_owned()),
    };
    if let Some(audience) = content.audience.as_ref().filter(|list| list.get_ref().is_empty()) {
        let message = "audience must not be empty: name what the tokens of clients are for";
        mistakes.note(audience.span(), message);
    }
    let audience = content.audience.as_ref();
    let audience = audience.map(|list| list.get_ref().iter().cloned().collect());
    let Some(issuer) = &content.issuer else {
        let message = "a claim needs `issuer`: the name of one in the access file, whose keys verify the token";
        mistakes.note(claim.span(), message);
        return None;
    };
    let issuer = issuer.get_ref().clone();
    Some(ClaimSource { header: header?, issuer, audience, path: path? })
}

/// The names of a path with dots.
fn names(mistakes: &mut MistakeList<'_>, text: &PlacedText) -> Option<Vec<String>> {
    let names: Vec<String> = text.get_ref().split('.').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        mistakes.note(text.span(), "write names with dots between them, such as `jwt_payload.sub`");
        return None;
    }
    Some(names)
}

fn require_only_of_claims(mistakes: &mut MistakeList<'_>, content: &SubjectContent) {
    let of_claims = [
        ("issuer", content.issuer.as_ref().map(toml::Spanned::span)),
        ("audience", content.audience.as_ref().map(toml::Spanned::span)),
        ("token_header", content.token_header.as_ref().map(toml::Spanned::span)),
    ];
    for (name, place) in of_claims {
        if let (Some(place), None) = (place, &content.claim) {
            mistakes.note(place, format!("`{name}` has no effect without `claim`"));
        }
    }
    if let (Some(namespace), None) = (&content.namespace, &content.metadata) {
        mistakes.note(namespace.span(), "`namespace` has no effect without `metadata`");
    }
}
