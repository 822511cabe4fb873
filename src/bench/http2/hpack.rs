//! Decodes the header blocks of responses (HPACK, RFC 7541), and keeps of them what a call's end needs.
//!
//! The dynamic table has its usual size, so that servers send headers as they do to the clients of applications. Names and values that do
//! not matter are skipped, not decoded, unless the table has to know how long they are.

use super::huffman;
use std::collections::VecDeque;
use thiserror::Error;

/// The size of the dynamic table that a client has which says nothing of it.
const TABLE_BYTES_MAX: usize = 4096;
/// What an entry counts beyond its name and value.
const ENTRY_BYTES: usize = 32;

/// The names of the static table; those of `:status` have the values of [`STATUSES`].
const STATIC_NAMES: [&str; 61] = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
/// The index of the first `:status` in the static table.
const STATUSES_START: usize = 8;

/// A header block that breaks the rules of HPACK.
#[derive(Clone, Copy, Debug, Error)]
#[error("the server sent a header block that cannot be decoded")]
pub(in crate::bench) struct HeaderBlockError;

/// What a header block says that matters to a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::bench) struct ResponseHead {
    pub(in crate::bench) http_status: Option<u16>,
    pub(in crate::bench) grpc_status: Option<u32>,
    pub(in crate::bench) grpc_message: Option<String>,
}

/// The names that matter.
#[derive(Clone, Copy, PartialEq)]
enum KnownName {
    HttpStatus,
    GrpcStatus,
    GrpcMessage,
    Unknown,
}

struct TableEntry {
    name: KnownName,
    name_bytes: usize,
    value_bytes: usize,
    /// Kept only where the name is known.
    value: Vec<u8>,
}

/// A name of a literal: which one, and its length.
#[derive(Clone, Copy)]
struct LiteralName {
    known: KnownName,
    bytes: usize,
}

/// Decodes the header blocks of one connection, in their order.
pub(super) struct HeaderDecoder {
    /// The newest entry is the first.
    table: VecDeque<TableEntry>,
    table_bytes: usize,
    table_bytes_max: usize,
}

impl Default for HeaderDecoder {
    fn default() -> Self {
        Self { table: VecDeque::new(), table_bytes: 0, table_bytes_max: TABLE_BYTES_MAX }
    }
}

impl HeaderDecoder {
    pub(super) fn decode(&mut self, block: &[u8]) -> Result<ResponseHead, HeaderBlockError> {
        let mut head = ResponseHead::default();
        let mut rest = block;

        while let Some(first) = rest.first().copied() {
            if first & 0x80 != 0 {
                let index = read_integer(&mut rest, 7)?;
                self.read_indexed(index, &mut head)?;
            } else if first & 0x40 != 0 {
                self.read_added(&mut rest, &mut head)?;
            } else if first & 0x20 != 0 {
                self.table_bytes_max = read_integer(&mut rest, 5)?.min(TABLE_BYTES_MAX);
                self.evict();
            } else {
                // Without indexing, or never indexed.
                let name = self.read_name(&mut rest, 4)?;
                let value = read_string(&mut rest)?;
                if name.known != KnownName::Unknown {
                    head.set(name.known, &value.decode()?);
                }
            }
        }
        Ok(head)
    }

    /// A header that is in one of the tables as a whole.
    fn read_indexed(&self, index: usize, head: &mut ResponseHead) -> Result<(), HeaderBlockError> {
        if let Some(position) = index.checked_sub(STATIC_NAMES.len() + 1) {
            let entry = self.table.get(position).ok_or(HeaderBlockError)?;
            head.set(entry.name, &entry.value);
        } else if let Some(status) =
            index.checked_sub(STATUSES_START).and_then(|at| STATUSES.get(at))
        {
            head.http_status = Some(*status);
        }
        Ok(())
    }

    /// A literal header that is added to the table.
    fn read_added(
        &mut self,
        rest: &mut &[u8],
        head: &mut ResponseHead,
    ) -> Result<(), HeaderBlockError> {
        let name = self.read_name(rest, 6)?;
        let value = read_string(rest)?.decode()?;
        head.set(name.known, &value);

        let value_bytes = value.len();
        let value = if name.known == KnownName::Unknown { Vec::new() } else { value };
        let entry = TableEntry { name: name.known, name_bytes: name.bytes, value_bytes, value };
        self.table_bytes += entry.size();
        self.table.push_front(entry);
        self.evict();
        Ok(())
    }

    /// A name from one of the tables, or a literal one.
    fn read_name(&self, rest: &mut &[u8], prefix: u32) -> Result<LiteralName, HeaderBlockError> {
        let index = read_integer(rest, prefix)?;
        if index == 0 {
            let name = read_string(rest)?.decode()?;
            return Ok(LiteralName { known: known_name(&name), bytes: name.len() });
        }
        if let Some(position) = index.checked_sub(STATIC_NAMES.len() + 1) {
            let entry = self.table.get(position).ok_or(HeaderBlockError)?;
            return Ok(LiteralName { known: entry.name, bytes: entry.name_bytes });
        }
        let name = STATIC_NAMES.get(index - 1).ok_or(HeaderBlockError)?;
        Ok(LiteralName { known: known_name(name.as_bytes()), bytes: name.len() })
    }

    fn evict(&mut self) {
        while self.table_bytes > self.table_bytes_max {
            match self.table.pop_back() {
                Some(entry) => self.table_bytes -= entry.size(),
                None => self.table_bytes = 0,
            }
        }
    }
}

impl TableEntry {
    fn size(&self) -> usize {
        self.name_bytes + self.value_bytes + ENTRY_BYTES
    }
}

impl ResponseHead {
    fn set(&mut self, name: KnownName, value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            KnownName::HttpStatus => self.http_status = text().parse().ok(),
            KnownName::GrpcStatus => self.grpc_status = text().parse().ok(),
            KnownName::GrpcMessage => self.grpc_message = Some(text()),
            KnownName::Unknown => {}
        }
    }
}

fn known_name(name: &[u8]) -> KnownName {
    match name {
        b":status" => KnownName::HttpStatus,
        b"grpc-status" => KnownName::GrpcStatus,
        b"grpc-message" => KnownName::GrpcMessage,
        _ => KnownName::Unknown,
    }
}

/// An integer whose first bits are the low ones of a byte.
fn read_integer(rest: &mut &[u8], prefix: u32) -> Result<usize, HeaderBlockError> {
    let (first, tail) = rest.split_first().ok_or(HeaderBlockError)?;
    *rest = tail;
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & mask;
    if value < mask {
        return Ok(value);
    }

    for shift in [0, 7, 14, 21] {
        let (byte, tail) = rest.split_first().ok_or(HeaderBlockError)?;
        *rest = tail;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HeaderBlockError)
}

/// A string as it was sent.
struct EncodedString<'a> {
    bytes: &'a [u8],
    is_huffman: bool,
}

impl EncodedString<'_> {
    fn decode(&self) -> Result<Vec<u8>, HeaderBlockError> {
        if self.is_huffman {
            huffman::decode(self.bytes).ok_or(HeaderBlockError)
        } else {
            Ok(self.bytes.to_vec())
        }
    }
}

fn read_string<'a>(rest: &mut &'a [u8]) -> Result<EncodedString<'a>, HeaderBlockError> {
    let is_huffman = rest.first().ok_or(HeaderBlockError)? & 0x80 != 0;
    let length = read_integer(rest, 7)?;
    let (bytes, tail) = rest.split_at_checked(length).ok_or(HeaderBlockError)?;
    *rest = tail;
    Ok(EncodedString { bytes, is_huffman })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|digit| u8::try_from(digit).unwrap())
            .collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// RFC 7541, appendix C.6: three responses with a table so small that entries are evicted.
    #[test]
    fn the_responses_of_the_standard_are_decoded_and_evict_entries() {
        let mut decoder = HeaderDecoder { table_bytes_max: 256, ..HeaderDecoder::default() };

        for (block, status, table_bytes) in [
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 \
                 63c7 8f0b 97c8 e9ae 82ae 43d3",
                302,
                222,
            ),
            ("4883 640e ffc1 c0bf", 307, 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 \
                 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                200,
                215,
            ),
        ] {
            let head = decoder.decode(&bytes(block)).unwrap();
            assert_eq!(head.http_status, Some(status), "{block}");
            assert_eq!(decoder.table_bytes, table_bytes, "{block}");
        }
    }

    #[test]
    fn the_end_of_a_call_is_found_however_it_is_written() {
        let mut decoder = HeaderDecoder::default();
        // Added to the table, then from the table, then neither.
        let added = [&[0x40, 11][..], b"grpc-status", &[1], b"7"].concat();
        assert_eq!(decoder.decode(&added).unwrap().grpc_status, Some(7));
        assert_eq!(decoder.decode(&[0xbe]).unwrap().grpc_status, Some(7));
        let with_name = [0x0f, 62 - 15, 2, b'1', b'6'];
        assert_eq!(decoder.decode(&with_name).unwrap().grpc_status, Some(16));
        let huffman = [&[0x00, 12][..], b"grpc-message", &[0x82, 0x64, 0x02]].concat();
        assert_eq!(decoder.decode(&huffman).unwrap().grpc_message.as_deref(), Some("302"));
        for broken in [&[0xbf][..], &[0x40, 11, b'g'], &[0x7f]] {
            assert!(decoder.decode(broken).is_err(), "{broken:?}");
        }
    }
}
