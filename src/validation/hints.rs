//! Advice for mistakes that are made often, or come with texts that are pasted from elsewhere.

use crate::schema::OddCharacter;

/// How many lines before the position of a YAML error may hold its cause.
const LINES_BEFORE: usize = 2;

/// Advice about a YAML syntax error.
pub(super) fn yaml(text: &str, at: usize) -> Option<String> {
    let line_end =
        text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| at + end);
    let until = text.get(..line_end).unwrap_or(text);
    until.rsplit('\n').take(LINES_BEFORE + 1).find_map(line_of_yaml)
}

fn line_of_yaml(line: &str) -> Option<String> {
    if let Some((_, odd)) = OddCharacter::first_in(line) {
        return Some(odd_character(odd));
    }
    let said = line.trim();
    let indent = line.split_at_checked(line.len() - line.trim_start().len()).map_or("", |(i, _)| i);
    if indent.contains('\t') {
        return Some("YAML is indented with spaces: write spaces instead of the tab".to_owned());
    }
    let item = said.strip_prefix("- ")?.trim();
    let is_expected = item.starts_with('[') && item.contains('<');
    let is_assertion = item.contains('#') && item.contains('@');
    (is_expected || is_assertion).then(|| quotes(item))
}

/// An item of a list that YAML does not take as a text.
pub(super) fn quotes(item: &str) -> String {
    let item = item.trim().trim_matches(['"', '\'']);
    format!("put quotes around the line: `- '{}'`", item.replace('\'', "''"))
}

/// A line that holds several relationships.
pub(super) fn several_relationships(line: &str) -> Option<&'static str> {
    let is_one = |word: &&str| word.contains('#') && word.contains('@');
    let several = line.split_whitespace().filter(is_one).nth(1).is_some();
    several.then_some(
        "one relationship a line: begin the block with `relationships: |-`, not with `>`",
    )
}

pub(super) fn odd_character(odd: OddCharacter) -> String {
    format!("the text holds {}: {}", odd.described(), odd.advice())
}
