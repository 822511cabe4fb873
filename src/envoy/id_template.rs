//! Object ids made of the parts of a path.

use super::path_pattern::{Captured, Captures};
use crate::relationship::{NameKind, require_name, to_object_id};

/// An object id with names of parts: `{project}/{file}`.
///
/// Invariant: two requests with different parts never give the same id. Parts are written in the form of
/// [`to_object_id`] and have no `/` of their own, and a `/` stands between any two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdTemplate {
    pieces: Vec<TemplatePiece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePiece {
    Text(String),
    Name(String),
}

impl IdTemplate {
    /// Reads a template that may use these names.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
            if !known.contains(&name) {
                return Err(format!("there is no `{{{name}}}` in the path or the host"));
            }
            let is_first = pieces.is_empty();
            if !is_first && !before.contains('/') {
                return Err(
                    "between two names stands a `/`, so that different requests have different ids"
                        .to_owned(),
                );
            }
            pieces.push(TemplatePiece::Text(before.to_owned()));
            pieces.push(TemplatePiece::Name(name.to_owned()));
            rest = after;
        }
        pieces.push(TemplatePiece::Text(rest.to_owned()));

        for piece in &pieces {
            if let TemplatePiece::Text(text) = piece
                && !text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"/_|-+".contains(&byte))
            {
                return Err("an object id has letters, digits and `/_|-+` beside names in braces"
                    .to_owned());
            }
        }
        if text.is_empty() {
            return Err("an object id is not empty".to_owned());
        }
        Ok(Self { pieces })
    }

    /// The object id; `None` when none can be made of these parts.
    pub(super) fn object_id(&self, captures: &Captures) -> Option<String> {
        let mut id = String::new();
        for piece in &self.pieces {
            match piece {
                TemplatePiece::Text(text) => id.push_str(text),
                TemplatePiece::Name(name) => match captures.get(name)? {
                    Captured::One(text) => id.push_str(&to_object_id(text)),
                    Captured::Rest(segments) => {
                        let parts: Vec<String> =
                            segments.iter().map(|segment| to_object_id(segment)).collect();
                        id.push_str(&parts.join("/"));
                    }
                },
            }
        }
        require_name(NameKind::ObjectId, &id).is_ok().then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(template: &str, captures: &[(&str, Captured)]) -> Option<String> {
        let names: Vec<&str> = captures.iter().map(|(name, _)| *name).collect();
        let captures = captures.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        IdTemplate::parse(template, &names).unwrap().object_id(&captures.collect())
    }

    fn one(text: &str) -> Captured {
        Captured::One(text.to_owned())
    }

    #[test]
    fn ids_have_the_parts_in_their_alphabet() {
        let parts = [("a", one("x")), ("b", one("y@z"))];
        assert_eq!(id("{a}/{b}", &parts).unwrap(), "x/y=40z");
        assert_eq!(id("p-{b}", &parts).unwrap(), "p-y=40z");
        assert_eq!(id("one", &parts).unwrap(), "one");
        assert_eq!(id("{a}", &[("a", one("*"))]).unwrap(), "=2A");
        let rest = Captured::Rest(vec!["a b".to_owned(), "c".to_owned()]);
        assert_eq!(id("{r}", &[("r", rest)]).unwrap(), "a=20b/c");
        assert_eq!(id("{r}", &[("r", Captured::Rest(Vec::new()))]), None);
        assert_eq!(id("{a}", &[("a", one(&"x".repeat(1025)))]), None);
    }

    #[test]
    fn templates_whose_ids_could_collide_are_refused() {
        for template in ["{a}{b}", "{a}-{b}", "{c}", "{a", "", "a b", "{a}=40", "a:b"] {
            assert!(IdTemplate::parse(template, &["a", "b"]).is_err(), "{template}");
        }
    }
}
