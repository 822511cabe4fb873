//! Checks in the form in which clients usually encode them, read in a fraction of the time that the decoder of all messages takes.
//!
//! `None` stands for every other form, valid or not: fields that are not in the order of their numbers, come twice, or are unknown
//! or rare. The decoder of all messages decides on these.

use super::authzed::api::v1 as proto;
use super::{WireValue, next_field};
use prost::Message as _;
use prost::bytes::Bytes;
use proto::consistency::Requirement;

/// The message of a `CheckBulkPermissions` without contexts and traces.
#[derive(Debug, Default)]
pub(crate) struct BulkCheck {
    pub(crate) consistency: Option<proto::Consistency>,
    pub(crate) items: Vec<proto::CheckBulkPermissionsRequestItem>,
    /// The same items as they came, which is how they would be encoded again.
    pub(crate) encoded_items: Vec<Bytes>,
}

impl BulkCheck {
    fn is_empty(&self) -> bool {
        self.consistency.is_none() && self.items.is_empty()
    }
}

/// Reads the message of a `CheckPermission` without context and trace.
pub(crate) fn check(message: &[u8]) -> Option<proto::CheckPermissionRequest> {
    let mut request = proto::CheckPermissionRequest::default();
    read_fields(message, |number, content| {
        match number {
            1 => request.consistency = Some(consistency(content)?),
            2 => request.resource = Some(object(content)?),
            3 => request.permission = text(content)?,
            4 => request.subject = Some(subject(content)?),
            _ => return None,
        }
        Some(())
    })?;
    Some(request)
}

/// Reads the message of a `CheckBulkPermissions`.
pub(crate) fn bulk_check(message: &Bytes) -> Option<BulkCheck> {
    let mut bulk = BulkCheck::default();
    let mut rest = message.as_ref();
    while !rest.is_empty() {
        match next_field(&mut rest)? {
            (1, WireValue::Delimited(content)) if bulk.is_empty() => {
                bulk.consistency = Some(consistency(content)?);
            }
            (2, WireValue::Delimited(content)) => {
                bulk.items.push(item(content)?);
                bulk.encoded_items.push(message.slice_ref(content));
            }
            _ => return None,
        }
    }
    Some(bulk)
}

fn item(content: &[u8]) -> Option<proto::CheckBulkPermissionsRequestItem> {
    let mut item = proto::CheckBulkPermissionsRequestItem::default();
    read_fields(content, |number, content| {
        match number {
            1 => item.resource = Some(object(content)?),
            2 => item.permission = text(content)?,
            3 => item.subject = Some(subject(content)?),
            _ => return None,
        }
        Some(())
    })?;
    // An empty text that is written all the same, or a length with more bytes than it needs, would not be encoded again.
    (item.encoded_len() == content.len()).then_some(item)
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
    let mut token = proto::ZedToken::default();
    read_fields(message, |number, content| {
        match number {
            1 => token.token = text(content)?,
            _ => return None,
        }
        Some(())
    })?;
    Some(token)
}

fn object(message: &[u8]) -> Option<proto::ObjectReference> {
    let mut object = proto::ObjectReference::default();
    read_fields(message, |number, content| {
        match number {
            1 => object.object_type = text(content)?,
            2 => object.object_id = text(content)?,
            _ => return None,
        }
        Some(())
    })?;
    Some(object)
}

fn subject(message: &[u8]) -> Option<proto::SubjectReference> {
    let mut subject = proto::SubjectReference::default();
    read_fields(message, |number, content| {
        match number {
            1 => subject.object = Some(object(content)?),
            2 => subject.optional_relation = text(content)?,
            _ => return None,
        }
        Some(())
    })?;
    Some(subject)
}

/// Reads the fields of a message, all of which are texts or messages.
fn read_fields<'m>(
    mut message: &'m [u8],
    mut read: impl FnMut(u32, &'m [u8]) -> Option<()>,
) -> Option<()> {
    let mut last = 0;
    while !message.is_empty() {
        let (number, WireValue::Delimited(content)) = next_field(&mut message)? else {
            return None;
        };
        if number <= last {
            return None;
        }
        read(number, content)?;
        last = number;
    }
    Some(())
}

fn text(content: &[u8]) -> Option<String> {
    str::from_utf8(content).ok().map(str::to_owned)
}
