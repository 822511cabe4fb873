//! How answers look: `[upstream]`, `[unauthenticated]`, `[forbidden]` and `[unavailable]`.

use super::content::{DenialContent, MappingContent};
use crate::envoy::verdict::{AnswerForm, Denial, DenialAnswer};
use crate::settings_file::{MistakeList, PlacedText};
use std::collections::BTreeMap;
use tonic::codegen::http::{HeaderName, HeaderValue};

/// The statuses that a denial can have.
const STATUSES: [i32; 4] = [401, 403, 404, 503];
/// The longest body of a denial, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Headers that a proxy does not let others set or remove, beside those that start with `:`.
const FIXED_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// How answers look.
pub(super) fn answer_form(mistakes: &mut MistakeList<'_>, content: &MappingContent) -> AnswerForm {
    let upstream = &content.upstream;
    let subject_header = upstream.subject_header.as_ref();
    let subject_header = subject_header.and_then(|name| header_name(mistakes, name));
    let revision_header = upstream.revision_header.as_ref();
    let revision_header = revision_header.and_then(|name| header_name(mistakes, name));
    let removed = upstream.remove_headers.iter();
    let removed_headers: Vec<String> =
        removed.filter_map(|name| header_name(mistakes, name)).collect();
    if let (Some(name), true) = (&upstream.revision_header, subject_header == revision_header) {
        mistakes.note(name.span(), "subject and revision need headers of their own");
    }
    for name in &upstream.remove_headers {
        let removed = Some(name.get_ref().to_ascii_lowercase());
        if removed == subject_header || removed == revision_header {
            let message = "this header has a result of the check: one that the client sends is removed anyway";
            mistakes.note(name.span(), message);
        }
    }

    let denials = [
        (Denial::Unauthenticated, &content.unauthenticated),
        (Denial::Forbidden, &content.forbidden),
        (Denial::Unavailable, &content.unavailable),
    ];
    let denials: BTreeMap<Denial, DenialAnswer> = denials
        .into_iter()
        .filter_map(|(denial, content)| Some((denial, denial_answer(mistakes, content.as_ref()?))))
        .collect();
    AnswerForm { subject_header, revision_header, removed_headers, denials }
}

fn denial_answer(mistakes: &mut MistakeList<'_>, content: &DenialContent) -> DenialAnswer {
    let mut answer = DenialAnswer { body: content.body.clone(), ..DenialAnswer::default() };
    if let Some(status) = &content.status {
        if !STATUSES.contains(status.get_ref()) {
            mistakes.note(status.span(), "the status of a denial is 401, 403, 404 or 503");
        }
        answer.status = *status.get_ref();
    }
    for (name, value) in &content.headers {
        let Some(header) = header_name(mistakes, name) else { continue };
        if HeaderValue::from_str(value.get_ref()).is_err() {
            mistakes.note(value.span(), "the value of a header has printable characters only");
        }
        answer.headers.push((header, value.get_ref().clone()));
    }
    if content.body.len() > BODY_BYTES_MAX {
        let place = content.status.as_ref().map(toml::Spanned::span).unwrap_or_default();
        mistakes.note(place, format!("the body of a denial has at most {BODY_BYTES_MAX} bytes"));
    }
    answer
}

/// The name of a header, in lower case.
pub(super) fn header_name(mistakes: &mut MistakeList<'_>, text: &PlacedText) -> Option<String> {
    let name = HeaderName::from_bytes(text.get_ref().as_bytes()).ok();
    let name = name.filter(|name| !FIXED_HEADERS.contains(&name.as_str()));
    if name.is_none() {
        let message = format!("`{}` is no header that a proxy can read and set", text.get_ref());
        mistakes.note(text.span(), message);
    }
    name.map(|name| name.as_str().to_owned())
}
