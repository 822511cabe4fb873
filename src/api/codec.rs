//! How messages are read and written: as always, but that bytes which are no message are the caller's mistake.

use super::intake;
use prost::bytes::Buf as _;
use prost::{Message, Name};
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{Codec as TonicCodec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Writes messages of one type and reads those of another.
pub(super) struct Codec<Written, Read>(PhantomData<(Written, Read)>);

/// Reads messages of a type.
pub(super) struct Reader<Read>(PhantomData<Read>);

impl<Written, Read> Default for Codec<Written, Read> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Written, Read> TonicCodec for Codec<Written, Read>
where
    Written: Message + Send + 'static,
    Read: Message + Name + Default + Send + 'static,
{
    type Encode = Written;
    type Decode = Read;
    type Encoder = ProstEncoder<Written>;
    type Decoder = Reader<Read>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

impl<Read: Message + Name + Default> Decoder for Reader<Read> {
    type Item = Read;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Read>, Status> {
        intake::admit::<Read>(bytes.chunk())?;
        let read = Read::decode(bytes);
        let unreadable = |error| {
            Status::invalid_argument(format!("the request is no message of its type: {error}"))
        };
        read.map(Some).map_err(unreadable)
    }
}
