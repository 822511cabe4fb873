//! What a record has of a response: its token, and what it decides.

use super::message_json::EnumNames;
use crate::proto::{WireValue, next_field};
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str;

/// The message that holds a token, and the number of its field.
const ZED_TOKEN: &str = "authzed.api.v1.ZedToken";
const TOKEN_FIELD: u32 = 1;
/// The field of a response, or of one of several results, that states a permissionship.
const PERMISSIONSHIP: &str = "permissionship";
/// The fields that list several results.
const RESULTS: [&str; 2] = ["pairs", "permissions"];
/// The field of Envoy's response that has facts for its access log.
const FACTS: &str = "dynamic_metadata";

/// Where a response has its token and what it decides.
pub(super) struct ResponseForm {
    token: Option<u32>,
    verdict: Option<VerdictForm>,
}

enum VerdictForm {
    /// Of one check.
    Stated(StatedForm),
    /// Of several: the number of their list, and that of the item of each.
    Counted { list: u32, item: u32, stated: StatedForm },
    /// Of Envoy's Check, which is decoded by its descriptor.
    Facts(MessageDescriptor),
}

/// A field that states a permissionship.
struct StatedForm {
    field: u32,
    names: EnumNames,
}

impl ResponseForm {
    /// Where responses of this type have them.
    pub(super) fn new(response: MessageDescriptor) -> Self {
        let is_token = |field: &FieldDescriptor| {
            field.kind().as_message().is_some_and(|kind| kind.full_name() == ZED_TOKEN)
        };
        let token = response.fields().find(|field| !field.is_list() && is_token(field));
        Self { token: token.map(|field| field.number()), verdict: VerdictForm::new(response) }
    }

    /// The token of an encoded response.
    pub(super) fn token<'b>(&self, response: &'b [u8]) -> Option<&'b str> {
        let token = delimited(response, self.token?)?;
        str::from_utf8(delimited(token, TOKEN_FIELD)?).ok()
    }

    /// The permissionship that an encoded response states; of several, how often each.
    pub(super) fn verdict(&self, response: &[u8]) -> Option<Value> {
        match self.verdict.as_ref()? {
            VerdictForm::Stated(stated) => stated.name(response).map(|name| json!(name)),
            VerdictForm::Counted { list, item, stated } => {
                let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
                let mut rest = response;
                while !rest.is_empty() {
                    match next_field(&mut rest)? {
                        (number, WireValue::Delimited(result)) if number == *list => {
                            let item = delimited(result, *item);
                            let name = item.and_then(|item| stated.name(item));
                            *counts.entry(name.unwrap_or("error")).or_default() += 1;
                        }
                        (_, WireValue::Delimited(_) | WireValue::Varint(_) | WireValue::Other) => {}
                    }
                }
                (!counts.is_empty()).then(|| json!(counts))
            }
            VerdictForm::Facts(descriptor) => {
                let message = DynamicMessage::decode(descriptor.clone(), response).ok()?;
                let facts = message.get_field_by_name(FACTS)?;
                let facts = serde_json::to_value(facts.as_message()?).ok()?;
                facts.get("verdict").cloned()
            }
        }
    }
}

impl VerdictForm {
    fn new(response: MessageDescriptor) -> Option<Self> {
        if let Some(stated) = StatedForm::new(&response) {
            return Some(Self::Stated(stated));
        }
        if response.get_field_by_name(FACTS).is_some() {
            return Some(Self::Facts(response));
        }

        let list = RESULTS.iter().find_map(|name| response.get_field_by_name(name))?;
        let item = list.kind().as_message()?.get_field_by_name("item")?;
        let stated = StatedForm::new(item.kind().as_message()?)?;
        Some(Self::Counted { list: list.number(), item: item.number(), stated })
    }
}

impl StatedForm {
    fn new(message: &MessageDescriptor) -> Option<Self> {
        let field = message.get_field_by_name(PERMISSIONSHIP)?;
        let names = EnumNames::new(field.kind().as_enum()?);
        Some(Self { field: field.number(), names })
    }

    /// The name that an encoded message states, unless it is left open.
    fn name(&self, message: &[u8]) -> Option<&str> {
        let mut rest = message;
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (number, WireValue::Varint(value)) if number == self.field && value > 0 => {
                    return self.names.get(value);
                }
                (_, WireValue::Delimited(_) | WireValue::Varint(_) | WireValue::Other) => {}
            }
        }
        None
    }
}

/// The content of the first field with this number.
fn delimited(message: &[u8], field: u32) -> Option<&[u8]> {
    let mut rest = message;
    while !rest.is_empty() {
        match next_field(&mut rest)? {
            (number, WireValue::Delimited(content)) if number == field => return Some(content),
            (_, WireValue::Delimited(_) | WireValue::Varint(_) | WireValue::Other) => {}
        }
    }
    None
}
