//! Regular expressions in RE2's syntax, which CEL speaks, said in the words of the `regex` crate.

use regex::{Regex, RegexBuilder};

/// How large a compiled pattern may be, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// The pattern that a text writes, or what is wrong with it.
pub(crate) fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translated(text)).octal(true).size_limit(SIZE_MAX).build().map_err(|error| {
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("the pattern `{text}` is no regular expression: {reason}")
    })
}

/// The differences: RE2's `\d`, `\s`, `\w` and `\b` know ASCII only, it has `\Q…\E` and `\C`, and in its classes
/// `[`, `&&`, `--` and `~~` are plain characters.
fn translated(text: &str) -> String {
    let mut translator = Translator { rest: text, translated: String::with_capacity(text.len()) };
    while let Some(c) = translator.next() {
        match c {
            '\\' => translator.escape(false),
            '[' => translator.class(),
            _ => translator.translated.push(c),
        }
    }
    translator.translated
}

struct Translator<'t> {
    rest: &'t str,
    translated: String,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.skip(c.len_utf8());
        Some(c)
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) {
        let Some(c) = self.next() else { return self.translated.push('\\') };
        let (within, negated) = match c {
            'd' | 'D' => ("0-9", c == 'D'),
            's' | 'S' => (r"\t\n\f\r ", c == 'S'),
            'w' | 'W' => ("0-9A-Za-z_", c == 'W'),
            // The ASCII form of `\B` could match within a character, so that one stays as it is.
            'b' if !in_class => return self.translated.push_str(r"(?-u:\b)"),
            'Q' if !in_class => return self.quoted(),
            _ => {
                self.translated.push('\\');
                return self.translated.push(c);
            }
        };
        match (in_class, negated) {
            (true, false) => self.translated.push_str(within),
            (_, false) => self.translated.extend(["[", within, "]"]),
            (_, true) => self.translated.extend(["[^", within, "]"]),
        }
    }

    /// `\Q…\E`: everything means itself.
    fn quoted(&mut self) {
        let end = self.rest.find(r"\E").unwrap_or(self.rest.len());
        let literal = self.rest.get(..end).unwrap_or_default();
        self.translated.push_str(&regex::escape(literal));
        self.skip(end + 2);
    }

    /// What follows an opening bracket, up to the closing one.
    fn class(&mut self) {
        self.translated.push('[');
        if self.rest.starts_with('^') {
            self.skip(1);
            self.translated.push('^');
        }
        if self.rest.starts_with(']') {
            self.skip(1);
            self.translated.push_str(r"\]");
        }
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(true),
                '[' if self.rest.starts_with(':') && self.rest.contains(":]") => {
                    let end = self.rest.find(":]").map_or(0, |end| end + 2);
                    self.translated.push('[');
                    self.translated.push_str(self.rest.get(..end).unwrap_or_default());
                    self.skip(end);
                }
                '[' | '&' | '~' => self.translated.extend(['\\', c]),
                // The second of two would begin a difference; a range ends with the first.
                '-' if self.rest.starts_with('-') => self.translated.push_str(r"\-"),
                ']' => return self.translated.push(']'),
                _ => self.translated.push(c),
            }
        }
    }
}
