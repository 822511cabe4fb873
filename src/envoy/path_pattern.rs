//! Patterns of paths and hosts, with names for the parts that vary.

use super::request_path::RequestPath;
use std::collections::BTreeMap;

/// What the names of patterns stand for in a request.
pub(super) type Captures = BTreeMap<String, Captured>;

/// What a name of a pattern stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Captured {
    /// One segment of a path, or one label of a host; it has no `/`.
    One(String),
    /// The rest of a path.
    Rest(Vec<String>),
}

/// A pattern of paths: `/projects/{project}/files/{file}`, with `{name...}` at the end for any number of segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPattern {
    parts: Vec<PatternPart>,
    rest: Option<String>,
}

/// A pattern of hosts: `api.example.com`, or `{tenant}.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPattern {
    labels: Vec<PatternPart>,
}

/// How a pattern fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternFit {
    /// Not at all.
    No,
    /// Only if the case of letters makes no difference, as it makes none to some servers.
    CaseAside,
    /// As it stands.
    Exact,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternPart {
    Text(String),
    Name(String),
}

impl PatternPart {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            if text.contains(['{', '}']) {
                return Err(format!("`{text}`: a name in braces stands for a whole segment"));
            }
            return Ok(Self::Text(text.to_owned()));
        };
        require_plain_name(name)?;
        Ok(Self::Name(name.to_owned()))
    }

    fn fit(&self, text: &str) -> PatternFit {
        match self {
            Self::Name(_) => PatternFit::Exact,
            Self::Text(expected) if expected == text => PatternFit::Exact,
            Self::Text(expected) if expected.to_lowercase() == text.to_lowercase() => {
                PatternFit::CaseAside
            }
            Self::Text(_) => PatternFit::No,
        }
    }

    fn capture(&self, text: &str, captures: &mut Captures) {
        if let Self::Name(name) = self {
            captures.insert(name.clone(), Captured::One(text.to_owned()));
        }
    }
}

impl PathPattern {
    /// Reads a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (text, rest) = match text.strip_suffix("...}").and_then(|text| text.rsplit_once("/{")) {
            Some((text, name)) => {
                require_plain_name(name)?;
                (format!("{text}/"), Some(name.to_owned()))
            }
            None => (text.to_owned(), None),
        };
        if text.contains(['%', '?']) {
            return Err("write the path without percent-encoding and without a query".to_owned());
        }
        // The pattern is written as its paths are once they are decoded.
        let path = RequestPath::parse(&text).map_err(|error| error.to_string())?;
        let parts = path.segments().iter().map(|segment| PatternPart::parse(segment));
        let parts: Vec<PatternPart> = parts.collect::<Result<_, _>>()?;

        let pattern = Self { parts, rest };
        let mut names = pattern.names();
        names.sort_unstable();
        let is_repeated = names.windows(2).any(|pair| pair.first() == pair.last());
        if is_repeated { Err("each name can occur once".to_owned()) } else { Ok(pattern) }
    }

    /// The names of its parts.
    pub(super) fn names(&self) -> Vec<&str> {
        names(&self.parts).chain(self.rest.as_deref()).collect()
    }

    /// How a path fits. The rest of a path may be empty.
    pub(super) fn fit(&self, path: &RequestPath) -> PatternFit {
        let segments = path.segments();
        let fits = segments.len() == self.parts.len()
            || (self.rest.is_some() && segments.len() > self.parts.len());
        if fits { weakest(&self.parts, segments) } else { PatternFit::No }
    }

    /// Adds what its names stand for in a path that fits.
    pub(super) fn capture(&self, path: &RequestPath, captures: &mut Captures) {
        for (part, segment) in self.parts.iter().zip(path.segments()) {
            part.capture(segment, captures);
        }
        if let Some(name) = &self.rest {
            let rest = path.segments().iter().skip(self.parts.len()).cloned().collect();
            captures.insert(name.clone(), Captured::Rest(rest));
        }
    }
}

impl HostPattern {
    /// Reads a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let labels = text.split('.').map(PatternPart::parse).collect::<Result<Vec<_>, _>>()?;
        let is_label = |label: &PatternPart| match label {
            PatternPart::Name(_) => true,
            PatternPart::Text(text) => is_host_label(text),
        };
        if !labels.iter().all(is_label) {
            return Err(
                "a host has labels of lower-case letters, digits and `-` between dots, and no port"
                    .to_owned(),
            );
        }
        Ok(Self { labels })
    }

    /// The names of its labels.
    pub(super) fn names(&self) -> Vec<&str> {
        names(&self.labels).collect()
    }

    /// What its names stand for in a host; `None` if it does not fit. The port and the case of letters make no difference.
    pub(super) fn captures(&self, host: &str) -> Option<Captures> {
        let name = plain_host(host)?;
        let labels: Vec<&str> = name.split('.').collect();
        if labels.len() != self.labels.len() {
            return None;
        }
        let mut captures = Captures::new();
        for (part, label) in self.labels.iter().zip(labels) {
            if part.fit(label) != PatternFit::Exact {
                return None;
            }
            part.capture(label, &mut captures);
        }
        Some(captures)
    }
}

/// A host in lower case and without its port; `None` for one that servers can read in different ways, such as with a dot at its
/// end.
pub(super) fn plain_host(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return None,
        None => host.as_str(),
    };
    name.split('.').all(is_host_label).then(|| name.to_owned())
}

fn names(parts: &[PatternPart]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        PatternPart::Name(name) => Some(name.as_str()),
        PatternPart::Text(_) => None,
    })
}

fn weakest(parts: &[PatternPart], texts: &[String]) -> PatternFit {
    let mut weakest = PatternFit::Exact;
    for (part, text) in parts.iter().zip(texts) {
        match part.fit(text) {
            PatternFit::No => return PatternFit::No,
            PatternFit::CaseAside => weakest = PatternFit::CaseAside,
            PatternFit::Exact => {}
        }
    }
    weakest
}

fn is_host_label(label: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !label.is_empty() && label.bytes().all(is_plain)
}

/// Requires that a name of a pattern has letters, digits and `_` only.
fn require_plain_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!(
        "`{{{name}}}`: a name has letters, digits and `_`; `{{name...}}` stands at the end of a path only"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str, path: &str) -> PatternFit {
        PathPattern::parse(pattern).unwrap().fit(&RequestPath::parse(path).unwrap())
    }

    #[test]
    fn paths_fit_segment_by_segment() {
        assert_eq!(fit("/files/{file}", "/files/1"), PatternFit::Exact);
        assert_eq!(fit("/files/{file}/", "/files/1"), PatternFit::Exact);
        assert_eq!(fit("/files/{file}", "/files/1/"), PatternFit::Exact);
        assert_eq!(fit("/files/{file}", "/%66iles/1"), PatternFit::Exact);
        assert_eq!(fit("/files/{file}", "/files"), PatternFit::No);
        assert_eq!(fit("/files/{file}", "/files/1/2"), PatternFit::No);
        assert_eq!(fit("/files/{file}", "/FILES/1"), PatternFit::CaseAside);
        assert_eq!(fit("/", "/"), PatternFit::Exact);
        assert_eq!(fit("/", "/a"), PatternFit::No);
        assert_eq!(fit("/{rest...}", "/"), PatternFit::Exact);
        assert_eq!(fit("/a/{rest...}", "/a"), PatternFit::Exact);
        assert_eq!(fit("/a/{rest...}", "/a/b/c"), PatternFit::Exact);
        assert_eq!(fit("/a/{rest...}", "/ab/c"), PatternFit::No);
        assert_eq!(fit("/a/{rest...}", "/A/c"), PatternFit::CaseAside);
    }

    #[test]
    fn names_stand_for_what_they_captured() {
        let pattern = PathPattern::parse("/p/{project}/{rest...}").unwrap();
        let mut captures = Captures::new();
        pattern.capture(&RequestPath::parse("/p/1/a/b").unwrap(), &mut captures);
        let rest = Captured::Rest(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(captures.get("project"), Some(&Captured::One("1".to_owned())));
        assert_eq!(captures.get("rest"), Some(&rest));
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for pattern in [
            "a",
            "/a//b",
            "/a/..",
            "/a?b",
            "/a%20b",
            "/{a}/{a}",
            "/{a}/{a...}",
            "/x{a}",
            "/{a}x",
            "/{}",
            "/{a-b}",
            "/{a...}/b",
            "/{a",
            "/a}",
            "/{...}",
            "",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn hosts_fit_without_port_and_case() {
        let pattern = HostPattern::parse("{tenant}.example.com").unwrap();
        for host in ["alpha.example.com", "ALPHA.Example.com:8443"] {
            let captures = pattern.captures(host).unwrap();
            assert_eq!(captures.get("tenant"), Some(&Captured::One("alpha".to_owned())));
        }

        for host in [
            "example.com",
            "a.b.example.com",
            ".example.com",
            "alpha.example.com.",
            "a/b.example.com",
            "[::1]:80",
            "alpha.example.com:x",
            "",
        ] {
            assert_eq!(pattern.captures(host), None, "{host}");
        }
        for pattern in ["", "a..b", "A.b", "a:80", "*.b", "x{a}.b"] {
            assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
