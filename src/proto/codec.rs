//! Codec of every service: prost's, except that decode errors map to `INVALID_ARGUMENT` and a server can refuse messages before
//! they are decoded.

use prost::bytes::Buf as _;
use prost::{Message, Name};
use std::marker::PhantomData;
use std::sync::Arc;
use tokio::task::futures::TaskLocalFuture;
use tonic::Status;
use tonic::codec::{Codec as TonicCodec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Decides whether a message may be decoded.
pub(crate) trait DecodeGuard: Send + Sync {
    /// Admits the encoded message. `full_name` returns the name of its type, such as `authzed.api.v1.WriteSchemaRequest`.
    fn admit(&self, full_name: fn() -> String, message: &[u8]) -> Result<(), Status>;
}

tokio::task_local! {
    static GUARD: Arc<dyn DecodeGuard>;
}

/// Applies a guard to every message that the future decodes. Without a guard, every message is decoded: responses to
/// Kilwa's own client have none.
pub(crate) fn guard_decoding<F: Future>(
    guard: Arc<dyn DecodeGuard>,
    future: F,
) -> TaskLocalFuture<Arc<dyn DecodeGuard>, F> {
    GUARD.scope(guard, future)
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
        let admitted = GUARD.try_with(|guard| guard.admit(Decoded::full_name, bytes.chunk()));
        // Outside of a guarded call there is nothing to ask.
        admitted.unwrap_or(Ok(()))?;

        let invalid = |error| {
            Status::invalid_argument(format!("the request is no message of its type: {error}"))
        };
        Decoded::decode(bytes).map(Some).map_err(invalid)
    }
}
