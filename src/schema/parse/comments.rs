//! Doc comments: which comments belong to which item, and what they say without their marks.

use crate::schema::parse::ast::Comment;
use std::ops::Range;

/// The comments of one text, for looking up those above an item.
#[derive(Debug)]
pub(in crate::schema) struct Comments<'t> {
    text: &'t str,
    ranges: Vec<Range<usize>>,
}

impl<'t> Comments<'t> {
    /// `ranges` are the comments of `text`, in order.
    pub(in crate::schema) fn new(text: &'t str, ranges: Vec<Range<usize>>) -> Self {
        Self { text, ranges }
    }

    /// The comments directly above what starts at `start`. A comment on the line of other code belongs to nothing.
    pub(in crate::schema) fn above(&self, start: usize) -> Comment {
        let mut written: Vec<&str> = Vec::new();
        let mut below = start;
        let mut count = self.ranges.partition_point(|range| range.end <= start);
        while let Some(range) = count.checked_sub(1).and_then(|last| self.ranges.get(last)) {
            let end_before = count.checked_sub(2).and_then(|i| self.ranges.get(i));
            let gap_before = end_before.map_or(0, |range| range.end)..range.start;
            if !self.is_blank(range.end..below) || self.trails_code(gap_before) {
                break;
            }
            written.push(self.text.get(range.clone()).unwrap_or_default());
            below = range.start;
            count -= 1;
        }
        written.reverse();
        Comment { text: without_marks(&written), written: written.join("\n") }
    }

    /// A part of the text without the spaces and comments at its ends.
    pub(in crate::schema) fn between(&self, part: Range<usize>) -> Range<usize> {
        let Range { mut start, mut end } = part;
        let mut first = self.ranges.partition_point(|range| range.start < start);
        let mut last = self.ranges.partition_point(|range| range.end <= end);
        loop {
            start = end - self.slice(start..end).trim_start().len();
            match self.ranges.get(first) {
                Some(comment) if comment.start == start && comment.end <= end => {
                    start = comment.end;
                    first += 1;
                }
                _ => break,
            }
        }

        loop {
            end = start + self.slice(start..end).trim_end().len();
            match last.checked_sub(1).and_then(|last| self.ranges.get(last)) {
                Some(comment) if comment.end == end && comment.start >= start => {
                    end = comment.start;
                    last -= 1;
                }
                _ => return start..end,
            }
        }
    }

    fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    fn is_blank(&self, range: Range<usize>) -> bool {
        self.text.get(range).is_some_and(|text| text.chars().all(char::is_whitespace))
    }

    /// Whether this text before a comment ends in code on the comment's own line.
    fn trails_code(&self, gap: Range<usize>) -> bool {
        let gap = self.text.get(gap).unwrap_or_default();
        let line = gap.rfind(['\n', '\r']).map_or(gap, |at| gap.get(at..).unwrap_or_default());
        !line.chars().all(|c| c.is_whitespace() || c == '\u{FEFF}')
    }
}

fn without_marks(written: &[&str]) -> String {
    let lines: Vec<&str> = written.iter().flat_map(|comment| unmarked_lines(comment)).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The lines of one comment, without marks and without the space that follows a mark.
pub(in crate::schema) fn unmarked_lines(comment: &str) -> Vec<&str> {
    if let Some(line) = comment.strip_prefix("//") {
        return vec![line.strip_prefix(' ').unwrap_or(line).trim_end()];
    }
    let inside = comment.strip_prefix("/*").unwrap_or(comment);
    let inside = inside.strip_suffix("*/").unwrap_or(inside).trim_start_matches('*');
    inside.lines().map(unmarked_block_line).collect()
}

fn unmarked_block_line(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix('*').map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest)).trim_end()
}

/// The comments of one item, taken apart again.
pub(in crate::schema) fn split_comments(written: &str) -> Vec<&str> {
    let mut comments = Vec::new();
    let mut rest = written;
    while !rest.is_empty() {
        let length = if rest.starts_with("/*") {
            rest.get(2..).and_then(|inside| inside.find("*/")).map(|at| at + "/**/".len())
        } else {
            rest.find(['\n', '\r'])
        };
        let (comment, after) =
            rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or((rest, ""));
        comments.push(comment);
        rest = after.trim_start();
    }
    comments
}
