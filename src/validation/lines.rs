//! A block of relationships: one a line.

use super::hints;
use super::problem::{FileProblem, FileSection, Problems};
use super::run_options::RunOptions;
use crate::engine::EngineError;
use crate::relationship::{Relationship, RelationshipSet};
use crate::schema::Schema;
use std::collections::HashMap;
use std::ops::Range;

/// How many relationships pass between two looks at whether the caller still waits.
const LINES_PER_INTERRUPTION: usize = 256;

/// A relationship and where it is written.
#[derive(Debug)]
pub(super) struct RelationshipLine {
    pub(super) relationship: Relationship,
    pub(super) span: Range<usize>,
}

/// Reads the lines of `text`, but not the blank ones and comments. `span` leads from bytes of the text to those of the
/// file.
pub(super) fn read(
    text: &str,
    span: impl Fn(Range<usize>) -> Range<usize>,
    problems: &mut Problems,
) -> Vec<RelationshipLine> {
    let mut lines = Vec::new();
    let mut start = 0;
    for raw in text.split_inclusive('\n') {
        let indent = raw.len() - raw.trim_start().len();
        let line = raw.trim();
        let span = || span(start + indent..start + indent + line.len());
        if !line.is_empty() && !line.starts_with("//") {
            match line.parse() {
                Ok(relationship) => lines.push(RelationshipLine { relationship, span: span() }),
                Err(error) => {
                    let fault = FileProblem::new(FileSection::Relationships, "relationship", error);
                    problems.error(span(), fault.help_if(hints::several_relationships(line)));
                }
            }
        }
        start += raw.len();
    }

    lines
}

/// Puts the relationships together and checks each against the schema and that nothing says the same twice.
pub(super) fn load(
    lines: Vec<RelationshipLine>,
    schema: Option<&Schema>,
    problems: &mut Problems,
    options: &RunOptions<'_>,
) -> Result<RelationshipSet, EngineError> {
    let mut set = RelationshipSet::default();
    let mut known: HashMap<String, Range<usize>> = HashMap::new();

    for (at, RelationshipLine { relationship, span }) in lines.into_iter().enumerate() {
        if at.is_multiple_of(LINES_PER_INTERRUPTION) {
            options.check_interruption()?;
        }
        if let Some(Err(error)) = schema.map(|schema| schema.check_relationship(&relationship)) {
            problems.type_error(
                span.clone(),
                FileProblem::new(FileSection::Relationships, "relationship", error),
            );
        }
        let Relationship { resource, relation, subject, .. } = &relationship;
        let key = format!("{resource}#{relation}@{subject}");
        // Of two relationships with one key only one could be stored.
        if let Some(earlier) = known.insert(key, span.clone()) {
            repeated(&relationship, earlier, span, problems);
        }
        set.insert(relationship);
    }

    Ok(set)
}

/// Two lines with one resource, relation and subject, of which only one could be stored.
fn repeated(
    relationship: &Relationship,
    earlier: Range<usize>,
    span: Range<usize>,
    problems: &mut Problems,
) {
    let earlier = problems.source.location(earlier).start().line;
    let message = format!("found repeated relationship `{relationship}`");
    let help = format!("line {earlier} has the same resource, relation and subject");
    let fault = FileProblem::new(FileSection::Relationships, "relationship-repeated", message);
    problems.error(span, fault.help(help));
}
