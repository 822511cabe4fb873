//! Connections begin in the files that the security review has a sentence for.

use super::{root, shown, source_files};
use std::collections::BTreeSet;
use std::fs;

/// What begins connections, or starts other programs, in the libraries that the crate uses.
const BEGINNINGS: &[&str] = &[
    "TcpStream::connect",
    "TcpSocket",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "ToSocketAddrs",
    "to_socket_addrs",
    "lookup_host",
    "hyper_util::client",
    "HttpsConnector",
    "HttpConnector",
    "SpanExporter::builder",
    "Endpoint::from",
    "Channel::from",
    "Command::new(",
];

/// The files where connections begin, each with what the page says of it.
const FILES: &[(&str, &str)] = &[
    ("src/bench/http2/connection.rs", "`kilwa bench` connects"),
    ("src/cli/bench/mod.rs", "`kilwa bench` connects"),
    ("src/client/connection.rs", "Commands connect to the endpoint"),
    ("src/server/key_fetch.rs", "`jwks_url`"),
    ("src/traces/export.rs", "`--otel-provider`"),
    ("src/traces/http_client.rs", "`--otel-provider`"),
];

#[test]
fn connections_begin_where_the_security_review_says() {
    let begins = |text: &str| {
        let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((text, ""));
        BEGINNINGS.iter().any(|beginning| code.contains(beginning))
    };
    let found: BTreeSet<String> = source_files()
        .iter()
        .filter(|file| begins(&fs::read_to_string(file).unwrap()))
        .map(|file| shown(file))
        .collect();
    let known = FILES.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(found, known, "what begins connections, and what the page tells of");

    let page = fs::read_to_string(root().join("docs/security-review.md")).unwrap();
    let (_, section) = page.split_once("\n## Components\n").unwrap();
    for (file, said) in FILES {
        assert!(section.contains(said), "nothing is said of {file}");
    }
}
