//! The outline of a text: positions of statements and caveat bodies, for the formatter.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all rules only a few can occur at each position"
)]

use super::grammar::{Grammar, Rule};
use pest::Parser as _;
use std::ops::Range;

/// Where a text without mistakes has its statements and the bodies of its caveats.
#[derive(Debug, Default)]
pub(in crate::schema) struct Outline {
    /// Where each statement starts, in bytes, in order.
    pub(in crate::schema) statements: Vec<usize>,
    /// The `use` statements, without what ends them.
    pub(in crate::schema) uses: Vec<Range<usize>>,
    /// The `import` statements, without what ends them.
    pub(in crate::schema) imports: Vec<Range<usize>>,
    /// The bodies of caveats, without braces, as byte ranges in order.
    pub(in crate::schema) caveat_bodies: Vec<Range<usize>>,
}

/// Finds them in a text that was parsed without a fault.
pub(in crate::schema) fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    let mut brace_end = 0;

    for pair in
        Grammar::parse(Rule::schema, text).into_iter().flat_map(pest::iterators::Pairs::flatten)
    {
        let span = pair.as_span();
        match pair.as_rule() {
            Rule::use_flag => {
                outline.statements.push(span.start());
                outline.uses.push(span.start()..span.end());
            }
            Rule::import => {
                outline.statements.push(span.start());
                outline.imports.push(span.start()..span.end());
            }
            Rule::definition
            | Rule::partial
            | Rule::caveat
            | Rule::relation
            | Rule::permission
            | Rule::partial_reference => outline.statements.push(span.start()),
            // Comments and spaces after the brace are no part of the rule, which skips them.
            Rule::body_start => brace_end = span.end(),
            Rule::caveat_body => outline.caveat_bodies.push(brace_end..span.end()),
            _ => {}
        }
    }
    outline
}
