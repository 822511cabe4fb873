//! The `grpc-message` header: percent-encoded where the gRPC specification demands it, and nowhere else.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};

const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What must not stand in the header as it is: bytes outside of 0x20 to 0x7E, and the percent sign.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Takes back the encoding of what need not be encoded.
///
/// tonic encodes more than it has to, and some clients decode less than they should: grpc-js leaves `%23` for `#` and
/// `%3F` for `?`, so that people read `document:n1%23owner`.
pub(crate) fn simplify(headers: &mut HeaderMap) {
    let Some(message) = headers.get(GRPC_MESSAGE).map(HeaderValue::as_bytes) else { return };
    if !message.contains(&b'%') {
        return;
    }

    let text: Vec<u8> = percent_decode(message).collect();
    // What was a valid header value with more of it encoded is one with less.
    if let Ok(value) = HeaderValue::from_str(&encode(&text)) {
        headers.insert(GRPC_MESSAGE, value);
    }
}

fn encode(text: &[u8]) -> String {
    let mut encoded = percent_encode(text, ENCODED).to_string();

    // HTTP/2 forbids blanks around a value, and some clients drop a whole response that has them.
    if encoded.starts_with(' ') {
        encoded.replace_range(..1, "%20");
    }
    if encoded.ends_with(' ') {
        encoded.replace_range(encoded.len() - 1.., "%20");
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn only_what_must_be_is_encoded() {
        for (message, sent) in [
            ("plain", "plain"),
            (
                "document:n1#owner is `no` \"permission\"?",
                "document:n1#owner is `no` \"permission\"?",
            ),
            ("100 % {<é>}\n~", "100 %25 {<%C3%A9>}%0A~"),
            (" a ", "%20a%20"),
            (" ", "%20"),
            ("%23", "%2523"),
            ("\u{7f}", "%7F"),
        ] {
            let mut headers = HeaderMap::new();
            Status::internal(message).add_header(&mut headers).unwrap();
            simplify(&mut headers);
            assert_eq!(headers.get(GRPC_MESSAGE).unwrap(), sent);
            assert_eq!(Status::from_header_map(&headers).unwrap().message(), message);
        }
    }
}
