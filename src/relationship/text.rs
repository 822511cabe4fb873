//! The text form of relationships: `document:plan#viewer@group:eng#member[office_hours:{"hour":9}][expiration:2030-01-01T00:00:00Z]`.

use super::context::{Context, ContextError};
use super::name::{InvalidName, NameKind, require_name};
use super::object::ObjectRef;
use super::subject::Subject;
use super::timestamp::{Timestamp, TimestampError};
use super::tuple::{ContextualizedCaveat, Qualifiers, Relationship};
use std::fmt;
use std::str::FromStr;

/// A text that is not a relationship, object or subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A separator is missing.
    #[error("`{text}` is not {what}: `{separator}` is missing; write it like `{example}`")]
    Incomplete {
        /// The text as given.
        text: String,
        /// What was read.
        what: &'static str,
        /// The separator that was looked for.
        separator: char,
        /// A text that would be right.
        example: &'static str,
    },
    /// A part does not match its pattern.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The bracket after the subject is neither a caveat nor an expiration, or is not closed.
    #[error(
        "`{0}` is neither a caveat like `[only_on:{{\"day\": \"monday\"}}]` nor an expiration like `[expiration:2030-01-02T03:04:05Z]`, in this order"
    )]
    Bracket(String),
    /// The caveat's context is not a JSON object.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The expiration is not a time.
    #[error(transparent)]
    Expiration(#[from] TimestampError),
}

const RELATIONSHIP_EXAMPLE: &str = "document:plan#viewer@user:ann";

impl FromStr for ObjectRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (object_type, object_id) = split(text, ':', "an object", "document:plan")?;
        Ok(Self::new(object_type, object_id)?)
    }
}

impl FromStr for Subject {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (object, relation) = text.split_once('#').unwrap_or((text, ""));
        let (object_type, object_id) = split(object, ':', "a subject", "group:eng#member")?;
        if text.ends_with('#') {
            require_name(NameKind::Relation, relation)?;
        }
        Ok(Self::new(object_type, object_id, relation)?)
    }
}

impl FromStr for Relationship {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        // Names and ids contain no bracket, so the first one starts the qualifiers.
        let (key, qualifiers) = text.split_at(text.find('[').unwrap_or(text.len()));
        let (resource, relation, subject) = parse_relationship_key(key)?;
        let Qualifiers { caveat, expires_at } = parse_qualifiers(qualifiers)?;
        Ok(Self { resource, relation, subject, caveat, expires_at })
    }
}

/// Reads `document:plan#view@user:ann`: the resource, the permission or relation, and the subject.
pub fn parse_relationship_key(text: &str) -> Result<(ObjectRef, String, Subject), ParseError> {
    let what = "a relationship";
    let (left, subject) = split(text.trim(), '@', what, RELATIONSHIP_EXAMPLE)?;
    let (resource, relation) = split(left, '#', what, RELATIONSHIP_EXAMPLE)?;
    require_name(NameKind::Relation, relation)?;
    Ok((resource.parse()?, relation.to_owned(), subject.parse()?))
}

fn split<'t>(
    text: &'t str,
    separator: char,
    what: &'static str,
    example: &'static str,
) -> Result<(&'t str, &'t str), ParseError> {
    text.split_once(separator).ok_or_else(|| ParseError::Incomplete {
        text: text.to_owned(),
        what,
        separator,
        example,
    })
}

fn parse_qualifiers(text: &str) -> Result<Qualifiers, ParseError> {
    if text.is_empty() {
        return Ok(Qualifiers::default());
    }
    let invalid = || ParseError::Bracket(text.to_owned());
    // A context may contain `][expiration:`, but an expiration contains no bracket: so the search starts at the end.
    let (caveat, expiration) = match text.rfind("[expiration:") {
        Some(at) if text.get(at..).is_some_and(|tail| tail.find(']') == Some(tail.len() - 1)) => {
            text.split_at(at)
        }
        _ => (text, ""),
    };

    let expires_at = match expiration {
        "" => None,
        _ => Some(Timestamp::parse(inside(expiration, "[expiration:").ok_or_else(invalid)?)?),
    };
    let caveat = match caveat {
        "" => None,
        _ => Some(parse_caveat(inside(caveat, "[").ok_or_else(invalid)?)?),
    };
    Ok(Qualifiers { caveat, expires_at })
}

fn inside<'t>(text: &'t str, opening: &str) -> Option<&'t str> {
    text.strip_prefix(opening)?.strip_suffix(']')
}

fn parse_caveat(text: &str) -> Result<ContextualizedCaveat, ParseError> {
    let (name, context) = match text.split_once(':') {
        Some((name, json)) => (name, Context::parse(json)?),
        None => (text, Context::default()),
    };
    require_name(NameKind::Caveat, name)?;
    Ok(ContextualizedCaveat { name: name.to_owned(), context })
}

impl fmt::Display for Relationship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.resource, self.relation, self.subject)?;
        if let Some(caveat) = &self.caveat {
            write!(f, "[{caveat}]")?;
        }
        match self.expires_at {
            Some(at) => write!(f, "[expiration:{at}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ContextualizedCaveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.context.is_empty() { Ok(()) } else { write!(f, ":{}", self.context) }
    }
}
