//! Just enough of Rust's syntax to find the paths that a file names: comments, strings, `use` trees, inline modules.

/// A path as a file writes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathUse {
    /// Its names, from the left; `*` for a glob.
    pub(super) segments: Vec<String>,
    /// The line, from 1.
    pub(super) line: usize,
    /// Whether it stands in a `use` or an `extern crate`.
    pub(super) import: bool,
    /// Whether it stands in a `pub use` of any visibility.
    pub(super) reexport: bool,
    /// How many inline modules lie around it.
    pub(super) module_depth: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Colons,
    Mark(char),
}

/// Every path of a source text.
pub(super) fn paths(text: &str) -> Vec<PathUse> {
    let mut reader = PathReader { tokens: tokens(text), ..PathReader::default() };
    while reader.step() {}
    reader.found
}

#[derive(Default)]
struct PathReader {
    tokens: Vec<(Token, usize)>,
    at: usize,
    braces: usize,
    /// For each open inline module, the number of braces that were open before it.
    modules: Vec<usize>,
    found: Vec<PathUse>,
}

impl PathReader {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(_, line)| *line)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.peek(ahead)? {
            Token::Word(word) => Some(word),
            Token::Colons | Token::Mark(_) => None,
        }
    }

    fn is_mark(&self, ahead: usize, mark: char) -> bool {
        self.peek(ahead) == Some(&Token::Mark(mark))
    }

    /// Reads one item, path or mark; false at the end.
    fn step(&mut self) -> bool {
        match self.peek(0).cloned() {
            None => return false,
            Some(Token::Mark('{')) => self.braces += 1,
            Some(Token::Mark('}')) => {
                self.braces = self.braces.saturating_sub(1);
                self.modules.retain(|open| *open < self.braces);
            }
            Some(Token::Word(word)) => return self.step_word(&word),
            Some(Token::Colons | Token::Mark(_)) => {}
        }
        self.at += 1;
        true
    }

    fn step_word(&mut self, word: &str) -> bool {
        match word {
            "use" => self.read_use(self.follows_visibility()),
            "extern" if self.word(1) == Some("crate") => {
                self.at += 2;
                self.read_path(true);
            }
            "mod" if self.is_mark(2, '{') => {
                self.modules.push(self.braces);
                self.at += 2;
            }
            _ if self.follows_dot() => self.at += 1,
            _ => self.read_path(false),
        }
        true
    }

    /// Whether the word here is a field or method: `.name`.
    fn follows_dot(&self) -> bool {
        self.at.checked_sub(1).is_some_and(|before| self.tokens[before].0 == Token::Mark('.'))
    }

    /// Whether `pub` or `pub(…)` stands before the word here.
    fn follows_visibility(&self) -> bool {
        let before = &self.tokens[..self.at];
        let before = match before.last() {
            Some((Token::Mark(')'), _)) => {
                let opening = before.iter().rposition(|(token, _)| *token == Token::Mark('('));
                &before[..opening.unwrap_or(0)]
            }
            _ => before,
        };
        before.last().is_some_and(|(token, _)| *token == Token::Word("pub".to_owned()))
    }

    fn read_path(&mut self, import: bool) {
        let line = self.line();
        let mut segments = Vec::new();
        while let Some(word) = self.word(0) {
            segments.push(word.to_owned());
            self.at += 1;
            if self.peek(0) != Some(&Token::Colons) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        self.push(segments, line, import, false);
    }

    fn read_use(&mut self, reexport: bool) {
        self.at += 1;
        self.read_tree(&[], reexport);
    }

    fn read_tree(&mut self, prefix: &[String], reexport: bool) {
        let line = self.line();
        let mut segments = prefix.to_vec();
        loop {
            match self.peek(0).cloned() {
                Some(Token::Word(word)) if word == "as" => self.at += 2,
                Some(Token::Word(word)) => {
                    segments.push(word);
                    self.at += 1;
                }
                Some(Token::Colons) => self.at += 1,
                Some(Token::Mark('*')) => {
                    segments.push("*".to_owned());
                    self.at += 1;
                }
                Some(Token::Mark('{')) => return self.read_branches(&segments, reexport),
                Some(Token::Mark(_)) | None => break,
            }
        }
        self.push(segments, line, true, reexport);
    }

    fn read_branches(&mut self, prefix: &[String], reexport: bool) {
        self.at += 1;
        while !self.is_mark(0, '}') && self.peek(0).is_some() {
            self.read_tree(prefix, reexport);
            if self.is_mark(0, ',') {
                self.at += 1;
            } else if !self.is_mark(0, '}') {
                return;
            }
        }
        self.at += 1;
    }

    fn push(&mut self, segments: Vec<String>, line: usize, import: bool, reexport: bool) {
        let module_depth = self.modules.len();
        self.found.push(PathUse { segments, line, import, reexport, module_depth });
    }
}

/// The words and marks of a text, with their lines, without comments, strings, characters, numbers and lifetimes.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let (token, end) = next_token(&chars, at);
        found.extend(token.map(|token| (token, line)));
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    found
}

/// The token that starts at a position, when one does, and the position after it.
fn next_token(chars: &[char], at: usize) -> (Option<Token>, usize) {
    let ahead = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    match ahead(0) {
        '/' if ahead(1) == '/' => (None, end_of(chars, at, |c| c == '\n')),
        '/' if ahead(1) == '*' => (None, end_of_block_comment(chars, at)),
        '"' => (None, end_of_quoted(chars, at + 1, '"')),
        '\'' if ahead(1) == '\\' || ahead(2) == '\'' => (None, end_of_quoted(chars, at + 1, '\'')),
        '\'' => (None, end_of(chars, at + 1, |c| !is_word(c))),
        ':' if ahead(1) == ':' => (Some(Token::Colons), at + 2),
        c if c.is_ascii_digit() => (None, end_of(chars, at, |c| !is_word(c))),
        c if is_word(c) => word_or_literal(chars, at),
        c if c.is_whitespace() => (None, at + 1),
        c => (Some(Token::Mark(c)), at + 1),
    }
}

/// A word, unless it is the prefix of a string such as `r#"…"#`, `b"…"` or `b'…'`.
fn word_or_literal(chars: &[char], at: usize) -> (Option<Token>, usize) {
    let end = end_of(chars, at, |c| !is_word(c));
    let word: String = chars[at..end].iter().collect();
    let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
    let after = chars.get(end + hashes).copied();
    match (word.as_str(), after) {
        ("r" | "br" | "cr", Some('"')) => (None, end_of_raw(chars, end + hashes + 1, hashes)),
        ("b" | "c", Some('"')) if hashes == 0 => (None, end_of_quoted(chars, end + 1, '"')),
        ("b", Some('\'')) if hashes == 0 => (None, end_of_quoted(chars, end + 1, '\'')),
        ("r", Some(_)) if hashes == 1 => word_or_literal(chars, end + 1),
        _ => (Some(Token::Word(word)), end),
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn end_of(chars: &[char], from: usize, ends: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|c| ends(*c)).map_or(chars.len(), |length| from + length)
}

fn end_of_quoted(chars: &[char], from: usize, quote: char) -> usize {
    let mut at = from;
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            c if *c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn end_of_raw(chars: &[char], from: usize, hashes: usize) -> usize {
    let closes = |at: usize| {
        chars[at] == '"'
            && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (from..chars.len()).find(|at| closes(*at)).map_or(chars.len(), |at| at + 1 + hashes)
}

fn end_of_block_comment(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}
