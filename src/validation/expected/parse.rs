//! How expected relations are written: `[user:* - {user:bad}] is <document:plan#viewer>/<group:eng#member>`.

use crate::relationship::{NameKind, ObjectRef, ParseError, Subject, require_name};
use std::collections::BTreeSet;

/// What marks a subject that is there only under a caveat.
const CAVEATED: &str = "[...]";

/// A subject that is expected to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpectedSubject {
    pub(super) subject: Subject,
    pub(super) caveated: bool,
    /// The subjects that a wildcard leaves out, and whether each only under a caveat.
    pub(super) exceptions: BTreeSet<(Subject, bool)>,
    /// The relations through which it is to be found, written `type:id#relation`.
    pub(super) through: BTreeSet<String>,
}

/// A text that is no expected subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpectedError {
    #[error(transparent)]
    Name(#[from] ParseError),
    #[error(
        "`{0}` needs closing braces: write exceptions like `[user:* - {{user:ann, user:bob}}]`"
    )]
    Braces(String),
    #[error("`{0}` is not a relation of an object: write it like `document:plan#viewer`")]
    Relation(String),
}

/// Reads an expected subject; `None` when the text names no subject at all.
pub(super) fn parse(text: &str) -> Result<Option<ExpectedSubject>, ExpectedError> {
    let Some((_, bracketed)) = text.split_once('[') else { return Ok(None) };
    let Some((inside, _)) = bracketed.rsplit_once(']') else { return Ok(None) };
    let (subject, exceptions) = match inside.split_once('{') {
        Some((subject, list)) => {
            let braces = || ExpectedError::Braces(inside.to_owned());
            let subject = subject.trim_end().strip_suffix('-').ok_or_else(braces)?;
            (subject, list.trim_end().strip_suffix('}').ok_or_else(braces)?)
        }
        None => (inside, ""),
    };

    let (subject, caveated) = marked_subject(subject)?;
    let exceptions = exceptions
        .split(',')
        .filter(|exception| !exception.trim().is_empty())
        .map(marked_subject)
        .collect::<Result<_, _>>()?;
    let through = angled(text).map(relation).collect::<Result<_, _>>()?;
    Ok(Some(ExpectedSubject { subject, caveated, exceptions, through }))
}

/// Reads `type:id#relation` into the object and the relation.
pub(super) fn parse_relation(text: &str) -> Result<(ObjectRef, String), ExpectedError> {
    let invalid = || ExpectedError::Relation(text.to_owned());
    let (object, relation) = text.trim().split_once('#').ok_or_else(invalid)?;
    require_name(NameKind::Relation, relation).map_err(ParseError::from)?;
    Ok((object.parse()?, relation.to_owned()))
}

fn relation(text: &str) -> Result<String, ExpectedError> {
    let (object, relation) = parse_relation(text)?;
    Ok(format!("{object}#{relation}"))
}

fn marked_subject(text: &str) -> Result<(Subject, bool), ExpectedError> {
    let text = text.trim();
    let plain = text.strip_suffix(CAVEATED);
    Ok((plain.unwrap_or(text).trim().parse()?, plain.is_some()))
}

/// What stands in angle brackets.
fn angled(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_read_with_its_exceptions_and_marks() {
        let text = "[user:*[...] - {user:ann, user:bob[...]}] is <doc:1#aaa>/<doc:1#bbb>";
        let expected = parse(text).unwrap().unwrap();
        assert_eq!(expected.subject.to_string(), "user:*");
        assert!(expected.caveated);
        assert_eq!(expected.exceptions.len(), 2);
        assert_eq!(expected.through.len(), 2);
    }

    #[test]
    fn a_text_without_subject_is_distinguished_from_a_wrong_one() {
        assert_eq!(parse("is <document:1#viewer>"), Ok(None));
        assert!(parse("[ann] is <document:1#viewer>").is_err());
        assert!(parse("[user:* - {user:ann] is <document:1#viewer>").is_err());
        assert!(parse("[user:ann] is <document:1>").is_err());
    }
}
