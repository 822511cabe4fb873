//! Checks in the form in which clients usually encode them, read in a fraction of the time that the decoder of all messages takes.
//!
//! `None` stands for every other form, valid or not: a field that comes twice, or that is unknown or rare. The decoder of all
//! messages decides on these.

use super::authzed::api::v1 as proto;
use super::{WireValue, next_field};
use proto::consistency::Requirement;

/// The message of a `CheckPermission` without context and trace.
pub(crate) fn check(message: &[u8]) -> Option<proto::CheckPermissionRequest> {
    let mut parts = CheckParts::default();
    let mut asked = None;
    read_fields(message, |number, content| match number {
        1 => put(&mut asked, consistency(content)?),
        2 => put(&mut parts.resource, object(content)?),
        3 => put(&mut parts.permission, text(content)?),
        4 => put(&mut parts.subject, subject(content)?),
        _ => None,
    })?;
    let CheckParts { resource, permission, subject } = parts;
    Some(proto::CheckPermissionRequest {
        consistency: asked,
        resource,
        permission: permission.unwrap_or_default(),
        subject,
        context: None,
        with_tracing: false,
    })
}

/// What messages with a check have in common.
#[derive(Default)]
struct CheckParts {
    resource: Option<proto::ObjectReference>,
    permission: Option<String>,
    subject: Option<proto::SubjectReference>,
}

fn consistency(mut message: &[u8]) -> Option<proto::Consistency> {
    let requirement = match next_field(&mut message)? {
        (1, WireValue::Varint(1)) => Requirement::MinimizeLatency(true),
        (2, WireValue::Delimited(content)) => Requirement::AtLeastAsFresh(token(content)?),
        (3, WireValue::Delimited(content)) => Requirement::AtExactSnapshot(token(content)?),
        (4, WireValue::Varint(1)) => Requirement::FullyConsistent(true),
        _ => return None,
    };
    message.is_empty().then_some(proto::Consistency { requirement: Some(requirement) })
}

fn token(message: &[u8]) -> Option<proto::ZedToken> {
    let mut token = None;
    read_fields(message, |number, content| match number {
        1 => put(&mut token, text(content)?),
        _ => None,
    })?;
    Some(proto::ZedToken { token: token.unwrap_or_default() })
}

fn object(message: &[u8]) -> Option<proto::ObjectReference> {
    let (mut object_type, mut object_id) = (None, None);
    read_fields(message, |number, content| match number {
        1 => put(&mut object_type, text(content)?),
        2 => put(&mut object_id, text(content)?),
        _ => None,
    })?;
    Some(proto::ObjectReference {
        object_type: object_type.unwrap_or_default(),
        object_id: object_id.unwrap_or_default(),
    })
}

fn subject(message: &[u8]) -> Option<proto::SubjectReference> {
    let (mut itself, mut relation) = (None, None);
    read_fields(message, |number, content| match number {
        1 => put(&mut itself, object(content)?),
        2 => put(&mut relation, text(content)?),
        _ => None,
    })?;
    Some(proto::SubjectReference {
        object: itself,
        optional_relation: relation.unwrap_or_default(),
    })
}

/// Reads the fields of a message that has nothing but texts and messages.
fn read_fields<'m>(
    mut message: &'m [u8],
    mut read: impl FnMut(u32, &'m [u8]) -> Option<()>,
) -> Option<()> {
    while !message.is_empty() {
        let (number, WireValue::Delimited(content)) = next_field(&mut message)? else {
            return None;
        };
        read(number, content)?;
    }
    Some(())
}

/// Fills a field, unless it has come before.
fn put<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

fn text(content: &[u8]) -> Option<String> {
    str::from_utf8(content).ok().map(str::to_owned)
}
