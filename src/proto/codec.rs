//! Codec of every service: prost's, except that decode errors map to `INVALID_ARGUMENT` and a server can refuse messages before
//! they are decoded, and stop while they are.

use super::wire_fields::next_field;
use prost::bytes::Buf as _;
use prost::{DecodeError, Message, Name};
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use tonic::Status;
use tonic::codec::{Codec as TonicCodec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Decides whether a message may be decoded.
pub(crate) trait DecodeGuard: Send + Sync {
    /// Admits the encoded message. `full_name` returns the name of its type, such as `authzed.api.v1.WriteSchemaRequest`.
    fn admit(&self, full_name: fn() -> String, message: &[u8]) -> Result<(), Status>;

    /// Requires that the caller still waits. Asked between the pieces of a long message.
    fn require_wanted(&self) -> Result<(), Status>;
}

/// How much of a long message is decoded between two questions whether its caller still waits, in bytes. Decoding takes some
/// nanoseconds for each byte of a small field.
const PIECE_BYTES: usize = 64 << 10;

tokio::task_local! {
    static GUARD: Arc<dyn DecodeGuard>;
}

/// Applies a guard to every message that is decoded in `work`. Without a guard, every message is decoded: responses to Kilwa's own
/// client have none.
pub(crate) fn guard_decoding<T>(guard: Arc<dyn DecodeGuard>, work: impl FnOnce() -> T) -> T {
    GUARD.sync_scope(guard, work)
}

/// Asks the guard whether a message of a type may be decoded.
pub(crate) fn admit_decoding<M: Name>(message: &[u8]) -> Result<(), Status> {
    let admitted = GUARD.try_with(|guard| guard.admit(M::full_name, message));
    // Outside of a guarded call there is nothing to ask.
    admitted.unwrap_or(Ok(()))
}

/// Encodes messages of one type and decodes those of another.
pub(super) struct Codec<Encoded, Decoded>(PhantomData<(Encoded, Decoded)>);

/// Decodes messages of one type.
pub(super) struct GuardedDecoder<Decoded>(PhantomData<Decoded>);

impl<Encoded, Decoded> Default for Codec<Encoded, Decoded> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Encoded, Decoded> TonicCodec for Codec<Encoded, Decoded>
where
    Encoded: Message + Send + 'static,
    Decoded: Message + Name + Default + Send + 'static,
{
    type Encode = Encoded;
    type Decode = Decoded;
    type Encoder = ProstEncoder<Encoded>;
    type Decoder = GuardedDecoder<Decoded>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        GuardedDecoder(PhantomData)
    }
}

impl<Decoded: Message + Name + Default> Decoder for GuardedDecoder<Decoded> {
    type Item = Decoded;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Decoded>, Status> {
        // Outside of a guarded call there is nothing to ask.
        let guard = GUARD.try_with(Arc::clone).ok();
        if let Some(guard) = guard {
            let message = bytes.chunk();
            guard.admit(Decoded::full_name, message)?;
            if message.len() > PIECE_BYTES {
                let decoded = decode_in_pieces(message, || guard.require_wanted());
                bytes.advance(bytes.remaining());
                return decoded.map(Some);
            }
        }
        Decoded::decode(bytes).map(Some).map_err(|error| invalid(&error))
    }
}

/// Decodes a long message; ends with the error of `require_wanted`.
///
/// A message is the same whether its fields are decoded at once or in parts, and so are the errors.
fn decode_in_pieces<M: Message + Default>(
    mut rest: &[u8],
    require_wanted: impl Fn() -> Result<(), Status>,
) -> Result<M, Status> {
    let mut message = M::default();
    while !rest.is_empty() {
        require_wanted()?;
        message.merge(take_piece(&mut rest)).map_err(|error| invalid(&error))?;
    }
    Ok(message)
}

/// The next whole fields of an encoded message, which are taken from `rest`: as many as make a piece. All that is left where no
/// field begins, which is for the decoder to refuse.
fn take_piece<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let mut after = *rest;
    while rest.len() - after.len() < PIECE_BYTES {
        if after.is_empty() || next_field(&mut after).is_none() {
            return mem::take(rest);
        }
    }
    let (piece, _) = rest.split_at(rest.len() - after.len());
    *rest = after;
    piece
}

fn invalid(error: &DecodeError) -> Status {
    Status::invalid_argument(format!("the request is no message of its type: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::authzed::api::v1 as proto;
    use std::cell::Cell;
    use tonic::Code;

    /// An import of so many relationships.
    fn import(count: usize) -> proto::ImportBulkRelationshipsRequest {
        let object = |object_type: &str, id: usize| {
            let (object_type, object_id) = (object_type.to_owned(), id.to_string());
            Some(proto::ObjectReference { object_type, object_id })
        };
        let relationship = |id| proto::Relationship {
            resource: object("document", id),
            relation: "viewer".to_owned(),
            subject: Some(proto::SubjectReference {
                object: object("user", id),
                ..Default::default()
            }),
            ..Default::default()
        };
        proto::ImportBulkRelationshipsRequest {
            relationships: (0..count).map(relationship).collect(),
        }
    }

    #[test]
    fn a_long_message_is_the_same_in_pieces() {
        let import = import(20_000);
        let bytes = import.encode_to_vec();
        let asked = Cell::new(0);
        let wanted = || {
            asked.set(asked.get() + 1);
            Ok(())
        };
        let decoded: proto::ImportBulkRelationshipsRequest =
            decode_in_pieces(&bytes, wanted).unwrap();
        assert_eq!(decoded, import);
        assert_eq!(asked.get(), bytes.len().div_ceil(PIECE_BYTES));
    }

    #[test]
    fn decoding_stops_when_the_caller_has_gone() {
        let bytes = import(20_000).encode_to_vec();
        let asked = Cell::new(0);
        let wanted = || {
            asked.set(asked.get() + 1);
            if asked.get() > 2 { Err(Status::cancelled("gone")) } else { Ok(()) }
        };
        let stopped = decode_in_pieces::<proto::ImportBulkRelationshipsRequest>(&bytes, wanted);
        assert_eq!(stopped.unwrap_err().code(), Code::Cancelled);
        assert_eq!(asked.get(), 3);
    }

    #[test]
    fn a_long_message_that_is_none_is_refused_with_the_same_text() {
        type Import = proto::ImportBulkRelationshipsRequest;
        let whole = import(20_000).encode_to_vec();
        let cut = whole.split_last().unwrap().1.to_vec();
        let mut other = whole.clone();
        // A relationship whose first field is a number.
        other.extend([0x0a, 2, 0x08, 1]);
        let mut no_key = whole;
        no_key.extend([0xff; 11]);
        for bytes in [cut, other, no_key] {
            let at_once = invalid(&Import::decode(bytes.as_slice()).unwrap_err());
            let in_pieces = decode_in_pieces::<Import>(&bytes, || Ok(())).unwrap_err();
            assert_eq!(in_pieces.message(), at_once.message());
        }
    }
}
