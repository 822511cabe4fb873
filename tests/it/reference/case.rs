//! A schema, relationships and checks as one text, so that a case that failed once can be kept.

use kilwa::relationship::{
    Context, ObjectRef, Relationship, RelationshipSet, Subject, Timestamp, parse_relationship_key,
};
use std::fmt;

/// The time at which every case is evaluated.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2030-01-01T00:00:00Z").unwrap()
}

/// Is this subject in that relation or permission of this resource?
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) resource: ObjectRef,
    pub(crate) permission: String,
    pub(crate) subject: Subject,
    pub(crate) context: Context,
}

/// A check for both the engine and the reference.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) schema: String,
    pub(crate) relationships: RelationshipSet,
    pub(crate) questions: Vec<Asked>,
}

impl Case {
    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Self {
        let (schema, rest) =
            text.split_once("--- relationships\n").expect("there are relationships");
        let (relationships, questions) =
            rest.split_once("--- questions\n").expect("there are questions");
        Self {
            schema: schema.to_owned(),
            relationships: written(relationships)
                .map(|line| line.parse::<Relationship>().unwrap())
                .collect(),
            questions: written(questions).map(Asked::parse).collect(),
        }
    }
}

fn written(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"))
}

impl Asked {
    /// Reads `document:plan#view@user:ann with {"hour": 9}`; the context may be left out.
    pub(crate) fn parse(text: &str) -> Self {
        let (question, context) = text.split_once(" with ").unwrap_or((text, "{}"));
        let (resource, permission, subject) = parse_relationship_key(question).unwrap();
        Self { resource, permission, subject, context: Context::parse(context).unwrap() }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, permission, subject, context } = self;
        write!(f, "{resource}#{permission}@{subject}")?;
        if context.is_empty() { Ok(()) } else { write!(f, " with {context}") }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.schema)?;
        writeln!(f, "--- relationships")?;
        for relationship in self.relationships.iter() {
            writeln!(f, "{relationship}")?;
        }
        writeln!(f, "--- questions")?;
        self.questions.iter().try_for_each(|question| writeln!(f, "{question}"))
    }
}
