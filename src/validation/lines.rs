//! A block of relationships: one a line.

use super::problem::{Block, Fault, Problems};
use crate::relationship::{Relationship, RelationshipSet};
use crate::schema::Schema;
use std::collections::HashMap;
use std::ops::Range;

/// A relationship and where it is written.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) relationship: Relationship,
    pub(super) span: Range<usize>,
}

/// Reads the lines of `text`, but not the blank ones and comments. `span` leads from bytes of the text to those of the
/// file.
pub(super) fn read(
    text: &str,
    span: impl Fn(Range<usize>) -> Range<usize>,
    problems: &mut Problems,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for raw in text.split_inclusive('\n') {
        let indent = raw.len() - raw.trim_start().len();
        let line = raw.trim();
        let span = || span(start + indent..start + indent + line.len());
        if !line.is_empty() && !line.starts_with("//") {
            match line.parse() {
                Ok(relationship) => lines.push(Line { relationship, span: span() }),
                Err(error) => {
                    problems.error(span(), Fault::new(Block::Relationships, "relationship", error));
                }
            }
        }
        start += raw.len();
    }
    lines
}

/// Puts the relationships together and checks each against the schema.
pub(super) fn load(
    lines: Vec<Line>,
    schema: Option<&Schema>,
    problems: &mut Problems,
) -> RelationshipSet {
    let mut set = RelationshipSet::default();
    let mut known: HashMap<String, Range<usize>> = HashMap::new();
    for Line { relationship, span } in lines {
        if let Some(Err(error)) = schema.map(|schema| schema.check_relationship(&relationship)) {
            problems
                .type_error(span.clone(), Fault::new(Block::Relationships, "relationship", error));
        }
        let Relationship { resource, relation, subject, .. } = &relationship;
        let key = format!("{resource}#{relation}@{subject}");
        let earlier = known.insert(key, span.clone());
        let same = set.insert(relationship.clone()).map(|replaced| replaced == relationship);
        if let (Some(earlier), Some(same)) = (earlier, same) {
            repeated(&relationship, same, earlier, span, problems);
        }
    }
    set
}

/// Two lines with one key: a repetition is refused, another caveat or expiration replaces what was there.
fn repeated(
    relationship: &Relationship,
    same: bool,
    earlier: Range<usize>,
    span: Range<usize>,
    problems: &mut Problems,
) {
    let earlier = problems.source.place(earlier).start().line;
    if same {
        let message = format!("found repeated relationship `{relationship}`");
        let help = format!("line {earlier} says the same");
        problems.error(
            span,
            Fault::new(Block::Relationships, "relationship-repeated", message).help(help),
        );
    } else {
        let message = format!("`{relationship}` replaces the one in line {earlier}");
        let help = "resource, relation and subject are the same, so only the last line counts";
        problems.warning(
            span,
            Fault::new(Block::Relationships, "relationship-replaced", message).help(help),
        );
    }
}
