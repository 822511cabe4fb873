//! The first difference between a text and its formatted form.

use crate::cli::render::{BAD, GOOD, STRONG, styled};

/// Lines shown of each side.
const LINES_MAX: usize = 4;

/// The first lines of `name` that differ from its formatted text: `-` for the present text, `+` for the formatted one.
pub(super) fn shown(name: &str, text: &str, formatted: &str) -> String {
    let is: Vec<&str> = text.split_inclusive('\n').collect();
    let should: Vec<&str> = formatted.split_inclusive('\n').collect();
    let same = is.iter().zip(&should).take_while(|(one, other)| one == other).count();
    let (is, should) = (is.get(same..), should.get(same..));
    let (is, should) = (is.unwrap_or_default(), should.unwrap_or_default());

    let location = styled(STRONG, format!("{name}:{}", first_line(text, formatted)));
    let mut shown = format!("{location}: not formatted\n");
    let (removed, added) = first_difference(is, should);
    for (style, mark, lines) in [(BAD, '-', removed), (GOOD, '+', added)] {
        for line in lines.iter().take(LINES_MAX) {
            let line = visible(line);
            shown.push_str(&styled(style, format!("{mark} {line}")));
            shown.push('\n');
        }
    }
    shown
}

/// The number of the first line that differs, counted from 1.
pub(super) fn first_line(text: &str, formatted: &str) -> usize {
    let pairs = text.split_inclusive('\n').zip(formatted.split_inclusive('\n'));
    pairs.take_while(|(one, other)| one == other).count() + 1
}

/// The lines at the start of both sides, up to the next equal lines.
fn first_difference<'l>(
    is: &'l [&'l str],
    should: &'l [&'l str],
) -> (&'l [&'l str], &'l [&'l str]) {
    let near = |lines: &[&str]| lines.len().min(LINES_MAX + 1);
    let pairs = (0..near(is)).flat_map(|at| (0..near(should)).map(move |to| (at, to)));
    let same = |(at, to): &(usize, usize)| is.get(*at) == should.get(*to);
    let (at, to) =
        pairs.filter(same).min_by_key(|(at, to)| at + to).unwrap_or((LINES_MAX, LINES_MAX));
    (is.get(..at).unwrap_or(is), should.get(..to).unwrap_or(should))
}

/// A line with visible trailing spaces.
fn visible(line: &str) -> String {
    let (line, has_end) = match line.strip_suffix('\n') {
        Some(line) => (line, true),
        None => (line, false),
    };
    let said = line.trim_end();
    let spaces = line.get(said.len()..).unwrap_or_default();
    let spaces: String = spaces.escape_debug().map(|c| if c == ' ' { '·' } else { c }).collect();
    let missing = if has_end { "" } else { " (no line break at the end)" };
    format!("{said}{spaces}{missing}")
}
