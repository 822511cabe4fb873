//! Words that the code's prose and the documents do not use, because a reader would have to look twice or search in vain.
//!
//! Prose is: comments and string literals of `src`, comments of the project's `.proto` files, and the text of documents.
//! Code is not: identifiers, and whatever stands in backticks or, on a page, in a fenced block.

use super::{root, rust_files, shown};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A word or phrase, in lower case, and what to write instead. A single word stands for its plural too.
type Stray = (&'static str, &'static str);

/// Strays of all prose.
const STRAYS: &[Stray] = &[
    ("the house", "`the crate`"),
    ("bell", "`wake-up`: what a commit sends to watchers"),
    ("as always", "`by default`"),
    ("makes no sense", "`is invalid`"),
    ("lean on", "`depend on`"),
];

/// Strays of all prose but that of [`UNFINISHED`].
const MORE_STRAYS: &[Stray] = &[
    ("moment", "`revision`, `time` or `point in time`"),
    ("whoever", "name the caller, client or user"),
    ("somebody", "name the caller, client or user"),
    ("nobody", "`no caller`, `no subject`, `no one`"),
    ("in vain", "`without effect`, or say what was not found"),
    ("look whether", "`check whether`"),
    ("looks whether", "`checks whether`"),
    ("leans on", "`depends on`"),
    ("door", "`entry point`, `layer`"),
    ("goes on", "`continues`, `resumes`"),
    ("go on", "`continue`, `resume`"),
    ("is told", "`is given`, `is reported`"),
    ("are told", "`are given`, `are reported`"),
    ("told from", "`distinguished from`"),
    ("piece by piece", "`in chunks`, `in parts`"),
    ("under way", "`in progress`"),
    ("comes to", "`reaches`, `results in`"),
    ("leap over", "`skip`"),
    ("leaps over", "`skips`"),
    ("circle", "`cycle`"),
];

/// Files and folders whose prose is not yet free of [`MORE_STRAYS`]. Remove a line to see what is left there.
const UNFINISHED: &[&str] = &[];

/// Where a stray is right: a part of the path, the stray, and the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Folders of documents, from the root of the repository.
const DOCUMENTS: &[&str] = &["", "docs", "examples", "schema-examples"];

/// Stands for code in prose: no word, and no space between words.
const CODE: char = '\u{1}';

#[test]
fn prose_uses_the_words_of_the_field() {
    let mut strays = Vec::new();
    for (file, prose) in all_prose() {
        let file = shown(&file);
        for (line, (stray, reason)) in strays_in(&prose, &strays_of(&file)) {
            let is_exception =
                |(path, word, _): &(&str, &str, &str)| file.contains(path) && *word == *stray;
            if !EXCEPTIONS.iter().any(is_exception) {
                strays.push(format!("{file}:{line}: \"{stray}\": {reason}"));
            }
        }
    }
    assert!(strays.is_empty(), "{} stray words:\n{}", strays.len(), strays.join("\n"));
}

#[test]
fn every_exception_is_needed() {
    let all: Vec<(String, String)> =
        all_prose().into_iter().map(|(file, prose)| (shown(&file), prose)).collect();
    for (path, word, reason) in EXCEPTIONS {
        let is_needed = all.iter().any(|(file, prose)| {
            file.contains(path)
                && strays_in(prose, STRAYS).iter().any(|(_, (stray, _))| stray == word)
        });
        assert!(is_needed, "\"{word}\" is not in {path}: {reason}");
    }
}

#[test]
fn strays_are_found_in_prose_and_not_in_code() {
    let rust = "//! Looked up in\n//! vain.\nfn in_vain() { in vain; f(\"it leans on it\", 'i', \"\\\"\") } // Look whether\n\
                /// `in vain`, and [`in vain`]\nconst A: &str = r#\"in \"vain\", in vain\"#; /* In Vain */ fn f<'a>(in: &'a vain) {}";
    let strays = [("in vain", ""), ("look whether", ""), ("leans on", "")];
    let found = strays_in(&rust_prose(rust), &strays);
    let found: Vec<(usize, &str)> =
        found.iter().map(|(line, (stray, _))| (*line, *stray)).collect();
    assert_eq!(
        found,
        [(1, "in vain"), (3, "leans on"), (3, "look whether"), (5, "in vain"), (5, "in vain")]
    );

    let page = "In vain.\n```sh\nin vain\n```\n| in `in vain` vain | in\n  vain |";
    let found = strays_in(&page_prose(page), &strays);
    let found: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(found, [1, 5]);
}

/// The strays that are looked for in a file.
fn strays_of(file: &str) -> Vec<Stray> {
    let is_unfinished = UNFINISHED.iter().any(|start| file.starts_with(start));
    let more = if is_unfinished { &[] } else { MORE_STRAYS };
    [STRAYS, more].concat()
}

/// Every file that has prose, with it. Lines of the prose are lines of the file.
fn all_prose() -> Vec<(PathBuf, String)> {
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let sources = rust_files(&root().join("src"));
    let sources = sources.into_iter().map(|path| (rust_prose(&read(&path)), path));

    let protos = files(&root().join("proto/kilwa"), "proto", true);
    let protos = protos.into_iter().map(|path| (rust_prose(&read(&path)), path));

    let pages =
        DOCUMENTS.iter().flat_map(|folder| files(&root().join(folder), "md", !folder.is_empty()));
    let pages = pages.map(|path| (page_prose(&read(&path)), path));

    let all: Vec<(PathBuf, String)> =
        sources.chain(protos).chain(pages).map(|(prose, path)| (path, prose)).collect();
    assert!(all.len() > 100, "only {} files were read", all.len());
    all
}

/// The files of a folder with an ending, in the folders below it too if `deep`.
fn files(folder: &Path, ending: &str, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && deep {
            found.extend(files(&path, ending, deep));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The strays of a prose with their lines, in order of lines.
fn strays_in<'s>(prose: &str, strays: &'s [Stray]) -> Vec<(usize, &'s Stray)> {
    let words = words(prose);
    let mut found = Vec::new();
    for (position, first) in words.iter().enumerate() {
        for stray in strays {
            if is_at(prose, &words[position..], stray.0) {
                let line = prose[..first.start].matches('\n').count() + 1;
                found.push((line, stray));
            }
        }
    }
    found
}

/// Whether a phrase stands where some words begin.
fn is_at(prose: &str, words: &[Range<usize>], phrase: &str) -> bool {
    let parts: Vec<&str> = phrase.split(' ').collect();
    let Some(words) = words.get(..parts.len()) else { return false };
    let is_same = |(word, part): (&Range<usize>, &&str)| {
        let word = prose[word.clone()].to_lowercase();
        word == *part || (parts.len() == 1 && word.strip_suffix('s') == Some(part))
    };
    let is_joined = |pair: &[Range<usize>]| prose[pair[0].end..pair[1].start].trim().is_empty();
    words.iter().zip(&parts).all(is_same) && words.windows(2).all(is_joined)
}

fn words(prose: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '\'';
    let mut words: Vec<Range<usize>> = Vec::new();
    for (start, c) in prose.char_indices().filter(|(_, c)| is_word(*c)) {
        let end = start + c.len_utf8();
        match words.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => words.push(start..end),
        }
    }
    words
}

/// A page without its fenced blocks and without what stands in backticks.
fn page_prose(page: &str) -> String {
    let mut prose = String::new();
    let mut is_fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            prose.push_str(line);
        }
        prose.push('\n');
    }
    without_backticks(&prose)
}

/// Prose with each stretch between backticks replaced. One that is not closed within its paragraph stays.
fn without_backticks(prose: &str) -> String {
    let mut left = String::new();
    let mut rest = prose;
    while let Some((before, after)) = rest.split_once('`') {
        left.push_str(before);
        match after.split_once('`') {
            Some((code, behind)) if !code.contains("\n\n") && !code.contains(CODE) => {
                left.push(CODE);
                left.extend(code.chars().filter(|c| *c == '\n'));
                rest = behind;
            }
            _ => rest = after,
        }
    }
    left.push_str(rest);
    left
}

/// The comments and string literals of a source text in Rust or Protocol Buffers.
fn rust_prose(text: &str) -> String {
    let mut prose = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = piece(rest, first);
        let (piece, behind) = rest.split_at(length);
        match kind {
            Kind::Comment => prose.push_str(&piece.replace(['/', '!', '*'], " ")),
            Kind::String => {
                prose.push(CODE);
                prose.push_str(&piece[1..].replace("\\\n", " \n").replace("\\n", "  "));
                prose.push(CODE);
            }
            // Spaces keep the lines of one comment together; code keeps comments apart.
            Kind::Code if first.is_whitespace() => prose.push(first),
            Kind::Code => {
                prose.extend(std::iter::once(CODE).chain(piece.chars().filter(|c| *c == '\n')));
            }
        }
        rest = behind;
    }
    without_backticks(&prose)
}

enum Kind {
    Comment,
    String,
    Code,
}

/// The length of the comment, literal, word or mark that a text begins with.
fn piece(rest: &str, first: char) -> (usize, Kind) {
    let until = |start: usize, end: &str| {
        rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len())
    };
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let after_word = &rest[word..];
    let hashes = after_word.len() - after_word.trim_start_matches('#').len();
    if rest.starts_with("//") {
        let end = rest.find('\n').unwrap_or(rest.len());
        (end, Kind::Comment)
    } else if rest.starts_with("/*") {
        (until(2, "*/"), Kind::Comment)
    } else if ["r", "br"].contains(&&rest[..word]) && after_word[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        (until(word + hashes + 1, &end), Kind::String)
    } else if first == '"' {
        (string_length(rest), Kind::String)
    } else if first == '\'' {
        (char_length(rest), Kind::Code)
    } else {
        (word.max(first.len_utf8()), Kind::Code)
    }
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; of a lifetime only its mark.
fn char_length(rest: &str) -> usize {
    let inside = rest.get(1..).unwrap_or_default();
    let escape = if inside.starts_with('\\') { 2 } else { 0 };
    let shortest = inside.chars().next().map_or(0, char::len_utf8).max(escape);
    match inside.get(shortest..).and_then(|behind| behind.find('\'')) {
        Some(0) => shortest + 2,
        Some(at) if escape > 0 && at < 12 => shortest + at + 2,
        _ => 1,
    }
}
