//! The help of every command follows simple rules: each argument is explained, in plain words, and lines fit a terminal.

use crate::program;

/// Words of which no help text has need, with what to write instead.
const STRAYS: &[(&str, &str)] = &[
    ("moment", "revision or point in time"),
    ("question", "check"),
    ("whoever", "client or user"),
    ("nobody", "no one, or none"),
    ("somebody", "client or user"),
    ("told", "given or reported"),
    ("tell", "report"),
    ("goes on", "resumes or continues"),
    ("go on", "resume or continue"),
    ("come later", "not supported yet"),
    ("in vain", "without effect"),
    ("UNSPECIFIED", "no reason at all"),
];

/// The widest line, in characters.
const WIDTH_MAX: usize = 100;

fn help(command: &[String]) -> String {
    let output = program::kilwa().args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of a section, without its heading.
fn section<'t>(text: &'t str, heading: &str) -> Vec<&'t str> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Requires that every entry of the sections is followed by a text of its own.
fn require_explained(command: &[String], text: &str) {
    let mut lines = text.lines().peekable();
    let mut entries = 0;
    while let Some(line) = lines.next() {
        let entry = line.trim_start();
        let is_entry =
            line.starts_with("  ") && entry.starts_with(['-', '<', '[']) && indent(line) < 8;
        if !is_entry {
            continue;
        }
        entries += 1;
        // Either after two spaces on the same line, or indented on the next.
        let is_explained = entry.contains("  ")
            || lines.peek().is_some_and(|next| {
                indent(next) > indent(line) && !next.trim().starts_with("[env")
            });
        assert!(is_explained, "{command:?}: `{entry}` has no help");
    }
    assert!(entries > 0, "{command:?} has no options, not even --help:\n{text}");
}

fn require_plain(command: &[String], text: &str) {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .collect();
    let text_of_words = format!(" {} ", words.join(" "));
    for (stray, instead) in STRAYS {
        let is_there = text_of_words.contains(&format!(" {} ", stray.to_lowercase()));
        assert!(!is_there, "{command:?} says `{stray}`: write {instead}");
    }
    for line in text.lines() {
        // A default or variable is one word, which cannot be wrapped.
        let is_long = line.chars().count() > WIDTH_MAX && line.trim().contains(' ');
        assert!(!is_long, "{command:?}: too wide: {line}");
    }
}

#[test]
fn every_command_explains_each_argument_in_plain_words() {
    let mut open = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = open.pop() {
        let text = help(&command);
        let about = text.lines().next().unwrap_or_default();
        assert!(about.starts_with(char::is_uppercase), "{command:?}: {about}");
        require_explained(&command, &text);
        require_plain(&command, &text);

        for line in section(&text, "Commands:") {
            let mut words = line.split_whitespace();
            let Some(name) = words.next().filter(|_| indent(line) == 2) else { continue };
            assert!(words.next().is_some(), "{command:?} {name} has no description");
            if name != "help" {
                open.push([command.clone(), vec![name.to_owned()]].concat());
            }
        }
        seen += 1;
    }
    assert!(seen > 40, "only {seen} commands were found");
}

#[test]
fn flags_without_effect_are_hidden() {
    let serve = help(&["serve".to_owned()]);
    assert!(serve.contains("--grpc-addr"));
    assert!(serve.contains("--metrics-enabled") && serve.contains("--http-enabled"));
    assert!(serve.contains("--otel-endpoint") && !serve.contains("--pprof-block-profile-rate"));
}
