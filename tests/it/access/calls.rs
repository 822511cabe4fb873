//! Calls of any method, with messages as bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::bytes::{Buf as _, BufMut as _};
use std::fmt::Write as _;
use std::str::FromStr as _;
use tokio_stream as stream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;

/// Takes and gives messages as they are on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Wire;

impl Codec for Wire {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Wire {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Wire {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// What a call gave: messages, and the error that ended it if one did.
#[derive(Debug)]
pub(super) struct Answer {
    /// Everything that came before the messages, and after them.
    pub(super) headers: String,
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) error: Option<Status>,
}

impl Answer {
    /// The error, which has to be there.
    #[track_caller]
    pub(super) fn refusal(&self) -> &Status {
        self.error.as_ref().unwrap_or_else(|| panic!("answered: {self:?}"))
    }

    /// What the refusal of a role says is missing; `None` for any other answer.
    pub(super) fn missing(&self) -> Option<String> {
        let error = self.error.as_ref().filter(|error| error.code() == Code::PermissionDenied)?;
        let info = error.get_details_error_info()?;
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ACCESS_DENIED", "kilwa"));
        info.metadata.get("missing").cloned()
    }

    /// All bytes that came, with those of the tokens and cursors in them, which are base64.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.messages.concat();
        bytes.extend(self.headers.bytes());
        if let Some(error) = &self.error {
            bytes.extend(format!("{error:?}").bytes());
            bytes.extend(error.details());
        }
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
        let words: Vec<Vec<u8>> =
            bytes.split(|byte| !is_letter(byte)).map(<[u8]>::to_vec).collect();
        for word in words.iter().filter(|word| word.len() > 20) {
            // The byte before a text is its length, which may look like a letter.
            for start in 0..4 {
                let end = word.len() - (word.len() - start) % 4;
                bytes.extend(URL_SAFE_NO_PAD.decode(&word[start..end]).unwrap_or_default());
                bytes.extend(URL_SAFE_NO_PAD.decode(&word[start..]).unwrap_or_default());
            }
        }
        bytes
    }

    /// Whether a text is somewhere in it.
    pub(super) fn shows(&self, text: &str) -> bool {
        self.bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// Calls a method and reads all of the answer.
pub(super) async fn call(
    channel: Channel,
    key: Option<&str>,
    path: &str,
    messages: Vec<Vec<u8>>,
) -> Answer {
    read_until(channel, key, path, messages, |_| false).await
}

/// Calls a method and reads its answer up to the first message for which `is_last` holds. Of a watch, which never ends, that is
/// none: its start is an answer.
pub(super) async fn read_until(
    channel: Channel,
    key: Option<&str>,
    path: &str,
    messages: Vec<Vec<u8>>,
    is_last: impl Fn(&[u8]) -> bool,
) -> Answer {
    let mut request = Request::new(stream::iter(messages));
    if let Some(key) = key {
        let value = MetadataValue::from_str(&format!("Bearer {key}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_str(path).unwrap();
    let mut answer = Answer { headers: String::new(), messages: Vec::new(), error: None };
    match client.streaming(request, path, Wire).await {
        Err(error) => answer.error = Some(error),
        Ok(response) => {
            answer.headers = format!("{:?}", response.metadata());
            let mut parts = response.into_inner();
            loop {
                match parts.message().await {
                    Ok(None) => {
                        write!(answer.headers, "{:?}", parts.trailers().await).unwrap();
                        break;
                    }
                    Ok(Some(message)) => {
                        let is_last = is_last(&message);
                        answer.messages.push(message);
                        if is_last {
                            break;
                        }
                    }
                    Err(error) => {
                        answer.error = Some(error);
                        break;
                    }
                }
            }
        }
    }
    answer
}

/// The messages of a call that is answered as long as its client likes.
pub(super) async fn open(
    channel: Channel,
    key: &str,
    path: &str,
    message: Vec<u8>,
) -> Streaming<Vec<u8>> {
    try_open(channel, key, path, message).await.unwrap()
}

/// The same, which may be refused.
pub(super) async fn try_open(
    channel: Channel,
    key: &str,
    path: &str,
    message: Vec<u8>,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut request = Request::new(stream::iter([message]));
    let value = MetadataValue::from_str(&format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_str(path).unwrap();
    client.streaming(request, path, Wire).await.map(tonic::Response::into_inner)
}

/// Starts a call whose answer does not end by itself. Gives its error, if it has one at the start.
pub(super) async fn begin(channel: Channel, key: &str, path: &str, message: Vec<u8>) -> Answer {
    let mut request = Request::new(stream::iter([message]));
    let value = MetadataValue::from_str(&format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let begun = client.streaming(request, PathAndQuery::from_str(path).unwrap(), Wire).await;
    Answer { headers: String::new(), messages: Vec::new(), error: begun.err() }
}
