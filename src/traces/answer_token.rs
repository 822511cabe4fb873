//! The token in the first message of a response.

use crate::proto::authzed::api::v1::ZedToken;
use crate::proto::{WireValue, next_field};
use prost::Message as _;
use std::sync::{Arc, OnceLock};

/// What precedes a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Receives the token in the first message of a response. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenSlot {
    field: u32,
    /// Empty where the first message has none.
    token: Arc<OnceLock<String>>,
}

impl TokenSlot {
    /// A slot for the token in the field with this number.
    pub(super) fn new(field: u32) -> Self {
        Self { field, token: Arc::default() }
    }

    /// Notes the token in the bytes of a response, which begin with a message; later ones than the first are ignored.
    pub fn note(&self, bytes: &[u8]) {
        self.token.get_or_init(|| token(bytes, self.field).unwrap_or_default());
    }

    pub(super) fn token(&self) -> Option<String> {
        self.token.get().filter(|token| !token.is_empty()).cloned()
    }
}

/// The token in a message that is not compressed. What follows it may be missing.
fn token(bytes: &[u8], field: u32) -> Option<String> {
    let (prefix, mut message) = bytes.split_at_checked(PREFIX_BYTES)?;
    if prefix.first() != Some(&0) {
        return None;
    }
    while !message.is_empty() {
        match next_field(&mut message)? {
            (number, WireValue::Delimited(content)) if number == field => {
                return Some(ZedToken::decode(content).ok()?.token);
            }
            (_, WireValue::Delimited(_) | WireValue::Varint(_) | WireValue::Other) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::authzed::api::v1::{RelationshipUpdate, WatchResponse};

    #[test]
    fn a_token_is_found_wherever_its_field_is() {
        let changes_through = Some(ZedToken { token: "a token".to_owned() });
        let mut response = WatchResponse { changes_through, ..WatchResponse::default() };
        response.updates = vec![RelationshipUpdate::default(); 2];
        let bytes = [vec![0; PREFIX_BYTES], response.encode_to_vec()].concat();
        let slot = TokenSlot::new(2);
        slot.note(&bytes);
        slot.note(&[]);
        assert_eq!(slot.token().as_deref(), Some("a token"));

        for length in 0..bytes.len() - 1 {
            assert_eq!(token(&bytes[..length], 2), None, "{length}");
        }
        let compressed = [vec![1; PREFIX_BYTES], response.encode_to_vec()].concat();
        assert_eq!(token(&compressed, 2), None);
        assert_eq!(token(&bytes, 9), None);
    }
}
