//! Cursors: positions in a stream of results.
//!
//! A cursor holds the store's id, the revision that the stream reads, a hash of the call that it belongs to and the
//! position of the last result.

use crate::api::sealed_token::{self, SealedStart};
use crate::api::status;
use crate::api::token::ZedTokens;
use crate::database::ReadPosition;
use crate::proto::authzed::api::v1::Cursor;
use crate::relationship::Revision;
use prost::Message;
use tonic::Status;

const KIND: u8 = b'C';

/// The call that a cursor belongs to: a method with its arguments, limit and consistency included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CursorScope {
    tokens: ZedTokens,
    hash: u64,
}

/// Writes the cursors of a stream, which differ in their positions only.
#[derive(Debug)]
pub(crate) struct CursorWriter(SealedStart);

impl CursorWriter {
    /// The cursor to continue after the result at a position.
    pub(crate) fn cursor(&self, position: &[u8]) -> Cursor {
        Cursor { token: self.0.seal(position) }
    }
}

/// Where a stream resumes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CursorPosition {
    /// The revision that the whole stream reads.
    pub(crate) revision: Revision,
    /// The position of the last result that was sent, as its reader encodes it.
    pub(crate) position: Vec<u8>,
}

impl CursorScope {
    /// The scope of a method and a request without its cursor.
    pub(crate) fn new(tokens: ZedTokens, method: &str, request: &impl Message) -> Self {
        let mut text = method.as_bytes().to_vec();
        text.push(0);
        text.extend(request.encode_to_vec());
        Self { tokens, hash: sealed_token::hash(&text) }
    }

    /// Writes cursors of a stream that reads a revision.
    pub(crate) fn cursors(self, revision: Revision) -> CursorWriter {
        let start = [revision.0.to_be_bytes(), self.hash.to_be_bytes()].concat();
        CursorWriter(SealedStart::new(KIND, self.tokens.store(), &start))
    }

    /// The cursor to continue after the result at a position.
    pub(crate) fn cursor(self, revision: Revision, position: &[u8]) -> Cursor {
        self.cursors(revision).cursor(position)
    }

    /// The position that a cursor names, if it belongs to this scope.
    pub(crate) fn position(self, cursor: &Cursor) -> Result<CursorPosition, Status> {
        let unreadable =
            || status::invalid_cursor("error decoding cursor: this server did not give it out");
        let opened = sealed_token::open(KIND, &cursor.token).ok_or_else(unreadable)?;
        let (revision, rest) = opened.payload.split_first_chunk().ok_or_else(unreadable)?;
        let (hash, position) = rest.split_first_chunk().ok_or_else(unreadable)?;
        if opened.store != self.tokens.store() {
            return Err(status::invalid_cursor("error decoding cursor: it is from another store"));
        }
        if u64::from_be_bytes(*hash) != self.hash {
            return Err(status::invalid_cursor(
                "the cursor provided does not have the same arguments as the original API call; repeat every argument of the first call, limit and consistency included",
            ));
        }
        let revision = Revision(u64::from_be_bytes(*revision));
        Ok(CursorPosition { revision, position: position.to_vec() })
    }
}

/// The position that a cursor of a read or an export names.
pub(crate) fn read_position(bytes: &[u8]) -> Result<ReadPosition, Status> {
    let position = position(bytes)?;
    if !position.is_read_position() {
        return Err(status::invalid_cursor(
            "error decoding cursor: it is from an earlier version, which read in another order; read again from the start",
        ));
    }
    Ok(position)
}

/// The position that a cursor names.
pub(crate) fn position(bytes: &[u8]) -> Result<ReadPosition, Status> {
    ReadPosition::from_bytes(bytes).map_err(|_| no_position())
}

/// The answer to a cursor whose position is not one of the call's results.
pub(crate) fn no_position() -> Status {
    status::invalid_cursor("error decoding cursor: it is no position in these results")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

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
