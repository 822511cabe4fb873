//! How the bytes of a request are divided into messages.
//!
//! What is wrong there is the client's fault, and is refused as such before the messages are read: the library that reads them
//! takes a request that ends too early for a fault of the server.

use crate::api::middleware::compression::GRPC_ENCODING;
use crate::api::middleware::stream_methods::has_request_stream;
use crate::api::status;
use tonic::Status;
use tonic::codegen::http::Request;

/// Before each message stand a flag and its length.
pub(super) const FRAME_BYTES: usize = 5;

/// The encoding that compresses nothing.
const IDENTITY: &str = "identity";

/// The length of a message, as it was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnnouncedLength {
    Plain(usize),
    Compressed(usize),
}

/// How far the messages of a request have arrived.
#[derive(Debug)]
pub(super) struct RequestFrames {
    /// Whether the method takes any number of messages, and not exactly one.
    takes_several: bool,
    /// Whether the headers say how messages are compressed.
    names_encoding: bool,
    /// The flag and the length of the message that begins, as far as they have come.
    prefix: [u8; FRAME_BYTES],
    prefix_length: usize,
    /// Bytes of the message that have not come.
    missing: usize,
    has_message: bool,
}

impl RequestFrames {
    /// Those of a request, of which nothing has arrived.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let encoding = request.headers().get(GRPC_ENCODING);
        Self {
            takes_several: has_request_stream(request.uri().path()),
            names_encoding: encoding.is_some_and(|encoding| encoding != IDENTITY),
            prefix: [0; FRAME_BYTES],
            prefix_length: 0,
            missing: 0,
            has_message: false,
        }
    }

    /// Notes bytes that have arrived. `admit` decides on the length of each message as soon as it is announced.
    pub(super) fn receive(
        &mut self,
        mut bytes: &[u8],
        admit: impl Fn(AnnouncedLength) -> Result<(), Status>,
    ) -> Result<(), Status> {
        while !bytes.is_empty() {
            if self.missing > 0 {
                let (part, rest) = bytes.split_at(self.missing.min(bytes.len()));
                self.missing -= part.len();
                bytes = rest;
                continue;
            }

            let wanted = FRAME_BYTES - self.prefix_length;
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            let slots = self.prefix.iter_mut().skip(self.prefix_length);
            slots.zip(part).for_each(|(slot, byte)| *slot = *byte);
            self.prefix_length += part.len();
            bytes = rest;
            if self.prefix_length == FRAME_BYTES {
                admit(self.begin_message()?)?;
            }
        }
        Ok(())
    }

    fn begin_message(&mut self) -> Result<AnnouncedLength, Status> {
        let [flag, length @ ..] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if self.has_message && !self.takes_several {
            return Err(status::too_many_messages());
        }
        self.prefix_length = 0;
        self.missing = length;
        self.has_message = true;

        match flag {
            0 => Ok(AnnouncedLength::Plain(length)),
            1 if self.names_encoding => Ok(AnnouncedLength::Compressed(length)),
            1 => Err(status::encoding_not_named()),
            other => Err(status::unknown_message_flag(other)),
        }
    }

    /// Requires that the request may end here.
    pub(super) fn require_end(&self) -> Result<(), Status> {
        if self.prefix_length > 0 || self.missing > 0 {
            return Err(status::message_cut_short());
        }
        if !self.has_message && !self.takes_several {
            return Err(status::no_message());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
    const IMPORT: &str = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";

    fn frames(path: &str, encoding: Option<&str>) -> RequestFrames {
        let mut request = Request::post(path);
        if let Some(encoding) = encoding {
            request = request.header(GRPC_ENCODING, encoding);
        }
        RequestFrames::of(&request.body(()).unwrap())
    }

    /// The text with which a request of these bytes is refused.
    fn refusal(mut frames: RequestFrames, parts: &[&[u8]]) -> Option<String> {
        let received = parts
            .iter()
            .try_for_each(|part| frames.receive(part, |_| Ok(())))
            .and_then(|()| frames.require_end());
        received.err().map(|status| status.message().to_owned())
    }

    #[test]
    fn whole_messages_are_taken_however_they_are_divided() {
        let message = [0, 0, 0, 0, 3, b'a', b'b', b'c'];
        let bytes: Vec<&[u8]> = message.chunks(1).collect();
        assert_eq!(refusal(frames(CHECK, None), &[&message]), None);
        assert_eq!(refusal(frames(CHECK, None), &bytes), None);
        assert_eq!(refusal(frames(CHECK, None), &[&[0; 5]]), None);
        assert_eq!(refusal(frames(IMPORT, None), &[]), None);
        assert_eq!(refusal(frames(IMPORT, None), &[&message, &message[..2], &message[2..]]), None);
        assert_eq!(refusal(frames(CHECK, Some("gzip")), &[&[1, 0, 0, 0, 0]]), None);
    }

    #[test]
    fn what_is_no_sequence_of_messages_is_refused() {
        let refused = |frames, parts: &[&[u8]], text: &str| {
            let refusal = refusal(frames, parts);
            assert!(refusal.as_ref().is_some_and(|it| it.contains(text)), "{parts:?}: {refusal:?}");
        };
        refused(frames(CHECK, None), &[], "has no message");
        refused(frames(CHECK, None), &[&[0; 10]], "more than one message");
        for cut in [&[0][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 2, 7]] {
            refused(frames(CHECK, None), &[cut], "within a message");
            refused(frames(IMPORT, None), &[&[0; 5], cut], "within a message");
        }
        refused(frames(CHECK, Some("gzip")), &[&[5, 0, 0, 0, 0]], "begins with 5");
        for encoding in [None, Some("identity")] {
            refused(frames(CHECK, encoding), &[&[1, 0, 0, 0, 0]], "`grpc-encoding`");
        }
    }

    #[test]
    fn the_length_of_a_message_is_decided_on_before_it_comes() {
        let refuse = |length| match length {
            AnnouncedLength::Plain(256) => Err(status::no_message()),
            AnnouncedLength::Plain(_) | AnnouncedLength::Compressed(_) => Ok(()),
        };
        frames(CHECK, None).receive(&[0, 0, 0, 1, 0], refuse).unwrap_err();
        frames(CHECK, None).receive(&[0, 0, 0, 1, 1], refuse).unwrap();
    }
}
