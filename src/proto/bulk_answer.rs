//! The response to a bulk check, written from the bytes of its request.

use super::authzed::api::v1 as proto;
use super::encode;
use crate::relationship::Permissionship;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use proto::check_bulk_permissions_pair::Response as Answer;

/// What precedes a message: a flag and its length.
const PREFIX_BYTES: usize = 5;

/// The numbers of fields.
const PAIRS: u32 = 2;
const REQUEST: u32 = 1;

/// A `CheckBulkPermissionsResponse`, to which its pairs are added one after the other.
#[derive(Debug)]
pub(crate) struct EncodedBulkAnswer {
    /// The message, after room for its prefix.
    bytes: Vec<u8>,
    /// The answers that say no more than yes or no, encoded.
    has: Vec<u8>,
    has_not: Vec<u8>,
}

impl EncodedBulkAnswer {
    /// A response with the token of its revision, for so many items that take so many bytes.
    pub(crate) fn new(checked_at: proto::ZedToken, (items, item_bytes): (usize, usize)) -> Self {
        let plain = |permissionship| encoded_answer(Answer::Item(item(&permissionship)));
        let (has, has_not) =
            (plain(Permissionship::HasPermission), plain(Permissionship::NoPermission));
        let start =
            proto::CheckBulkPermissionsResponse { checked_at: Some(checked_at), pairs: Vec::new() };
        // A pair has its keys and lengths around the item and the answer.
        let pair_bytes = 8 + has.len();
        let capacity = PREFIX_BYTES + start.encoded_len() + item_bytes + items * pair_bytes;
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend([0; PREFIX_BYTES]);
        bytes.extend(start.encode_to_vec());
        Self { bytes, has, has_not }
    }

    /// Adds an item, as it is encoded, with its answer.
    pub(crate) fn push(&mut self, item: &[u8], answer: &Permissionship) {
        match answer {
            Permissionship::HasPermission => put_pair(&mut self.bytes, item, &self.has),
            Permissionship::NoPermission => put_pair(&mut self.bytes, item, &self.has_not),
            Permissionship::Conditional(_) => {
                let answer = encoded_answer(Answer::Item(self::item(answer)));
                put_pair(&mut self.bytes, item, &answer);
            }
        }
    }

    /// Adds an item that has an error instead.
    pub(crate) fn push_error(&mut self, item: &[u8], error: tonic_types::Status) {
        put_pair(&mut self.bytes, item, &encoded_answer(Answer::Error(error)));
    }

    /// The message after its prefix: a flag that says that it is not compressed, and its length.
    pub(crate) fn into_message(mut self) -> Vec<u8> {
        let length = self.bytes.len() - PREFIX_BYTES;
        // Requests are shorter by far, so that every response fits.
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        let slots = self.bytes.iter_mut().skip(PREFIX_BYTES - length.len());
        slots.zip(length).for_each(|(slot, byte)| *slot = byte);
        self.bytes
    }
}

/// The answer to an item, without a trace.
pub(crate) fn item(permissionship: &Permissionship) -> proto::CheckBulkPermissionsResponseItem {
    proto::CheckBulkPermissionsResponseItem {
        permissionship: encode::permissionship(permissionship).into(),
        partial_caveat_info: encode::partial_caveat_info(permissionship),
        debug_trace: None,
    }
}

fn encoded_answer(answer: Answer) -> Vec<u8> {
    proto::CheckBulkPermissionsPair { request: None, response: Some(answer) }.encode_to_vec()
}

fn put_pair(bytes: &mut Vec<u8>, item: &[u8], answer: &[u8]) {
    let length =
        key_len(REQUEST) + encoded_len_varint(to_u64(item.len())) + item.len() + answer.len();
    encode_key(PAIRS, WireType::LengthDelimited, bytes);
    encode_varint(to_u64(length), bytes);
    encode_key(REQUEST, WireType::LengthDelimited, bytes);
    encode_varint(to_u64(item.len()), bytes);
    bytes.extend_from_slice(item);
    bytes.extend_from_slice(answer);
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
