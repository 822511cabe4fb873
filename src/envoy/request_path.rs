//! The path of a request, as long as it can be read in one way only.
//!
//! Invariant: between the proxy and the upstream service, no reader of the path may see another one than the rules. Servers
//! differ in what they do with dot segments, empty segments, encoded slashes, backslashes, path parameters and doubly encoded
//! bytes, so a path that has one of them is refused.

/// The longest path, in bytes, without its query.
const PATH_BYTES_MAX: usize = 8 << 10;

/// The segments of a path, decoded. A slash at the end makes no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestPath {
    segments: Vec<String>,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AmbiguousPath {
    /// It is none.
    #[error("the path does not start with `/`")]
    NoSlash,
    /// It is too long.
    #[error("the path has more than {PATH_BYTES_MAX} bytes")]
    Long,
    /// An empty segment.
    #[error("the path has an empty segment (`//`), which some servers leave out")]
    EmptySegment,
    /// `.` or `..`.
    #[error("the path has a segment `.` or `..`, which some servers resolve")]
    DotSegment,
    /// `%` without two digits, or bytes that are no text.
    #[error("the path has a percent sign that encodes nothing, or no text")]
    Encoding,
    /// A character that some servers treat specially, encoded or not.
    #[error("the path has a character that some servers treat specially: {0}")]
    Special(&'static str),
}

impl RequestPath {
    /// Reads the path of a request target, which may have a query.
    pub(super) fn parse(target: &str) -> Result<Self, AmbiguousPath> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        if path.len() > PATH_BYTES_MAX {
            return Err(AmbiguousPath::Long);
        }
        let path = path.strip_prefix('/').ok_or(AmbiguousPath::NoSlash)?;
        if path.is_empty() {
            return Ok(Self { segments: Vec::new() });
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = path.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    /// The segments, decoded.
    pub(super) fn segments(&self) -> &[String] {
        &self.segments
    }
}

fn segment(encoded: &str) -> Result<String, AmbiguousPath> {
    let text = decoded(encoded).ok_or(AmbiguousPath::Encoding)?;
    if text.is_empty() {
        return Err(AmbiguousPath::EmptySegment);
    }
    if ["..", "."].contains(&text.as_str()) {
        return Err(AmbiguousPath::DotSegment);
    }
    match text.chars().find_map(special) {
        Some(name) => Err(AmbiguousPath::Special(name)),
        None => Ok(text),
    }
}

/// A segment without its percent-encoding, which is taken off once.
fn decoded(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let digit = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// The name of a character that is not a plain part of a segment for every server.
fn special(letter: char) -> Option<&'static str> {
    Some(match letter {
        '/' => "an encoded slash",
        '\\' => "a backslash, which some take for a slash",
        ';' => "a semicolon, after which some read parameters",
        '%' => "a percent sign that is encoded itself",
        '?' => "an encoded question mark",
        '#' => "a number sign",
        letter if letter.is_control() => "a control character",
        letter if letter.is_whitespace() => "a blank",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_split_and_decoded_once() {
        let read = |target| RequestPath::parse(target).unwrap().segments;
        assert_eq!(read("/"), Vec::<String>::new());
        assert_eq!(read("/a/b"), ["a", "b"]);
        assert_eq!(read("/a/b/"), ["a", "b"]);
        assert_eq!(read("/%61/b%40c?x=/../%2e"), ["a", "b@c"]);
        assert_eq!(read("/%C3%BC/a+b=c"), ["ü", "a+b=c"]);
        assert_eq!(read("/..."), ["..."]);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let targets = [
            "",
            "*",
            "a",
            "http://host/a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/../b",
            "/a/..",
            "/%2e%2e/b",
            "/.%2E/b",
            "/a/%2e/",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/a;x=1/b",
            "/a%3bb",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/a%ff",
            "/%c0%af",
            "/%252e",
            "/a%25",
            "/a%00",
            "/a%0a",
            "/a%20b",
            "/a b",
            "/a%3fb",
            "/a%23b",
            "/a#b",
            "/a%7f",
            "/a\u{85}b",
        ];

        for target in targets {
            assert!(RequestPath::parse(target).is_err(), "{target}");
        }
        assert_eq!(RequestPath::parse(&"/a".repeat(8192)), Err(AmbiguousPath::Long));
    }
}
