//! Cursors: places in a stream of results.
//!
//! A cursor holds the store's id, the revision that the stream reads, a hash of the call that it belongs to and the
//! position of the last result.

use crate::api::sealed_token;
use crate::api::status;
use crate::api::token::Tokens;
use crate::database::ReadPosition;
use crate::proto::authzed::api::v1::{Cursor, ErrorReason};
use crate::relationship::Revision;
use prost::Message;
use tonic::{Code, Status};

const KIND: u8 = b'C';

/// A call whose results are streamed: by these arguments, limit and consistency included, it is known again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    tokens: Tokens,
    hash: u64,
}

/// Where a stream goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The revision that the whole stream reads.
    pub(crate) revision: Revision,
    /// The position of the last result that was sent, in the form of the room that reads.
    pub(crate) position: Vec<u8>,
}

impl Call {
    /// The call of a method with a request whose cursor has been taken out.
    pub(crate) fn new(tokens: Tokens, method: &str, request: &impl Message) -> Self {
        let mut text = method.as_bytes().to_vec();
        text.push(0);
        text.extend(request.encode_to_vec());
        Self { tokens, hash: sealed_token::hash(&text) }
    }

    /// The cursor of a place in the call's results.
    pub(crate) fn cursor(self, revision: Revision, position: &[u8]) -> Cursor {
        let mut payload = revision.0.to_be_bytes().to_vec();
        payload.extend(self.hash.to_be_bytes());
        payload.extend(position);
        Cursor { token: sealed_token::seal(KIND, self.tokens.store(), &payload) }
    }

    /// The place that a cursor names, if it belongs to this call.
    pub(crate) fn place(self, cursor: &Cursor) -> Result<Place, Status> {
        let unreadable = || invalid("error decoding cursor: this server did not give it out");
        let opened = sealed_token::open(KIND, &cursor.token).ok_or_else(unreadable)?;
        let (revision, rest) = opened.payload.split_first_chunk().ok_or_else(unreadable)?;
        let (hash, position) = rest.split_first_chunk().ok_or_else(unreadable)?;
        if opened.store != self.tokens.store() {
            return Err(invalid("error decoding cursor: it is from another store"));
        }
        if u64::from_be_bytes(*hash) != self.hash {
            return Err(invalid(
                "the cursor provided does not have the same arguments as the original API call; repeat every argument of the first call, limit and consistency included",
            ));
        }
        let revision = Revision(u64::from_be_bytes(*revision));
        Ok(Place { revision, position: position.to_vec() })
    }
}

/// The position that a cursor of a read or an export names.
pub(crate) fn read_position(bytes: &[u8]) -> Result<ReadPosition, Status> {
    let position = position(bytes)?;
    if !position.is_read_position() {
        return Err(invalid(
            "error decoding cursor: it is from an earlier version, which read in another order; read again from the start",
        ));
    }
    Ok(position)
}

/// The position that a cursor names.
pub(crate) fn position(bytes: &[u8]) -> Result<ReadPosition, Status> {
    ReadPosition::from_bytes(bytes)
        .map_err(|_| invalid("error decoding cursor: it names no place in these results"))
}

/// The answer to a cursor that cannot be used.
pub(crate) fn invalid(message: &str) -> Status {
    status::with_reason(Code::InvalidArgument, ErrorReason::InvalidCursor, message, [])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The position of a row, `type:a#relation@type:u`, after the number of its order.
    fn bytes(order: u8) -> Vec<u8> {
        let mut bytes = vec![order];
        for part in [&[0, 0, 0, 1, 0, 0, 0, 2][..], b"a\0", &[0, 0, 0, 1, 0, 0, 0, 0], b"u\0"] {
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn positions_of_the_order_of_earlier_versions_are_refused_with_a_reason() {
        let refusal = read_position(&bytes(1)).unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument);
        assert!(refusal.message().contains("read again from the start"), "{refusal:?}");
        // Deletions go by the order of an index.
        position(&bytes(1)).unwrap();
        read_position(&bytes(3)).unwrap();
        position(b"\x09").unwrap_err();
    }
}
