//! Recognition of SpiceDB's `ZedToken`s, which clients still hold after a move.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

/// The message in a token of SpiceDB, as far as it is read: a revision in one of two forms.
#[derive(Clone, PartialEq, Message)]
struct SpicedbToken {
    #[prost(message, optional, tag = "2")]
    zookie: Option<NumberedRevision>,
    #[prost(message, optional, tag = "3")]
    v1: Option<NamedRevision>,
}

/// A revision of SpiceDB's first tokens: a transaction number.
#[derive(Clone, PartialEq, Message)]
struct NumberedRevision {
    #[prost(uint64, tag = "1")]
    revision: u64,
}

/// A revision of SpiceDB's later tokens: a text whose form depends on the datastore.
#[derive(Clone, PartialEq, Message)]
struct NamedRevision {
    #[prost(string, tag = "1")]
    revision: String,
}

/// Whether SpiceDB wrote this text as a token.
pub(crate) fn is_spicedb_token(text: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(text) else { return false };
    let Ok(SpicedbToken { zookie, v1 }) = SpicedbToken::decode(bytes.as_slice()) else {
        return false;
    };

    let is_numbered = zookie.is_some_and(|zookie| zookie.revision > 0);
    let is_named = v1.is_some_and(|v1| {
        !v1.revision.is_empty() && v1.revision.bytes().all(|b| b.is_ascii_graphic())
    });
    is_numbered || is_named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_spicedb_writes_is_a_token_of_it() {
        let token = |token: SpicedbToken| STANDARD.encode(token.encode_to_vec());
        let named = |revision: &str| SpicedbToken {
            zookie: None,
            v1: Some(NamedRevision { revision: revision.to_owned() }),
        };
        // As SpiceDB 1.56 wrote them in memory: with the first characters of the datastore's id.
        assert!(is_spicedb_token("Gh8KEzE3OTU4NjQzODA2MTE3Mzg5NTISCGRiNDBkN2Iw"));
        // On PostgreSQL the revision is a text in base64, on CockroachDB a decimal number.
        assert!(is_spicedb_token(&token(named("CAESAggB"))));
        assert!(is_spicedb_token(&token(named("1693540940373045727.0000000001"))));
        let zookie = SpicedbToken { zookie: Some(NumberedRevision { revision: 7 }), v1: None };
        assert!(is_spicedb_token(&token(zookie)));

        for text in ["", "garbage", "Gh8K", "AAAA", "YWJj", &token(named("")), &token(named("a b"))]
        {
            assert!(!is_spicedb_token(text), "{text}");
        }
    }
}
