//! Text to syntax tree, by the grammar in `grammar.pest`. No other module uses pest.
//!
//! The grammar accepts any text: text that is not a statement becomes a `broken_…` node, which is then parsed a second time
//! by the rule that it should have matched, to find the position and the kind of the error. So one error does not hide the
//! next.

pub(super) mod ast;
mod builder;
pub(super) mod comments;
mod expressions;
mod grammar;
mod hints;
mod mistakes;
mod outline;
pub(super) mod scan;
pub(super) mod syntax_error;

use crate::schema::diagnostics::fault::{Faults, SchemaFault};
use crate::schema::diagnostics::position::Span;
use ast::FileSyntax;
use builder::SyntaxBuilder;
use comments::Comments;
use grammar::{Grammar, Rule};
pub(super) use outline::{Outline, outline};
use pest::Parser as _;
use scan::{NESTING_MAX, ScanError, TOKENS_MAX, scan};

/// The largest schema text, in bytes.
const TEXT_BYTES_MAX: usize = 4_194_304;

/// Reads a text; `file` is its position among the files of the schema.
pub(super) fn parse(file: usize, text: &str, faults: &mut Faults) -> FileSyntax {
    let empty = FileSyntax::default();
    let comments = match prepare(file, text) {
        Ok(comments) => comments,
        Err(fault) => {
            faults.push(*fault);
            faults.unread.anything();
            return empty;
        }
    };

    let Some(schema) = Grammar::parse(Rule::schema, text).ok().and_then(|mut pairs| pairs.next())
    else {
        faults.push(too_deep(Span { file, start: 0, end: 0 }));
        faults.unread.anything();
        return empty;
    };
    let mut builder = SyntaxBuilder::new(file, text, comments, faults);
    let items = builder.items(schema);
    FileSyntax { items, checks_annotations: builder.checks_annotations() }
}

/// Refuses what would be unsafe or hopeless to parse, and finds the comments.
fn prepare(file: usize, text: &str) -> Result<Comments<'_>, Box<SchemaFault>> {
    // The size comes first: everything below reads the whole text.
    if text.len() > TEXT_BYTES_MAX {
        let span = Span { file, start: 0, end: 0 };
        let message = format!("validation error: schema: must be at most {TEXT_BYTES_MAX} bytes");
        return Err(SchemaFault::parse("schema-too-large", span, message).into());
    }

    let found = scan(text).map_err(|error| match error {
        ScanError::UnclosedComment(at) => {
            let span = Span { file, start: at.start, end: at.end };
            SchemaFault::parse("unclosed-comment", span, "this comment is not closed")
                .help("close it with `*/`")
        }
        ScanError::UnclosedString(at) => {
            let span = Span { file, start: at.start, end: at.end };
            SchemaFault::parse(
                "unclosed-string",
                span,
                "this quote opens a string that is not closed",
            )
        }
        ScanError::TooDeep(at) => too_deep(Span { file, start: at.start, end: at.end }),
        ScanError::TooMany(at) => {
            let span = Span { file, start: at.start, end: at.end };
            let message = format!("the schema has more than {TOKENS_MAX} words and signs");
            SchemaFault::parse("schema-too-large", span, message).help("write a smaller schema")
        }
    })?;
    Ok(Comments::new(text, found.comments))
}

fn too_deep(span: Span) -> SchemaFault {
    let message = format!("brackets nest more than {NESTING_MAX} levels deep");
    SchemaFault::parse("nested-too-deep", span, message)
}
