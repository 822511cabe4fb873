//! Long functions are set in paragraphs, so that set-up, decisive step and result can be told apart at a glance.

use super::{shown, source_files};
use std::fs;

/// A function body of so many lines has a blank line in it, unless it is a single expression.
const LINES_MIN: usize = 20;

#[test]
fn long_functions_have_paragraphs() {
    let faults: Vec<String> = source_files()
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            solid(&text)
                .into_iter()
                .map(|line| format!("{}:{line}", shown(file)))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(
        faults.is_empty(),
        "these functions have {LINES_MIN} lines or more and no blank line:\n{}",
        faults.join("\n")
    );
}

#[test]
fn a_long_function_without_a_blank_line_is_found() {
    let body = "    step();\n".repeat(LINES_MIN);
    let with_blank = format!("{}\n{}", "    step();\n".repeat(10), "    step();\n".repeat(10));
    assert_eq!(solid(&format!("pub(crate) async fn f(\n    a: u8,\n) -> u8 {{\n{body}}}\n")), [1]);
    assert_eq!(solid(&format!("fn f() {{\n{with_blank}}}\n")), Vec::<usize>::new());
    let literal = "        field,\n".repeat(LINES_MIN);
    assert_eq!(
        solid(&format!("fn f() -> S {{\n    S {{\n{literal}    }}\n}}\n")),
        Vec::<usize>::new()
    );
    assert_eq!(solid("fn f();\nfn g() {}\nconst C: u8 = 1;\n"), Vec::<usize>::new());
}

/// The lines, from 1, at which long functions without a blank line begin.
fn solid(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
        let rest = &lines[start..];
        let Some(header) = rest.iter().position(|line| line.ends_with(['{', '}', ';'])) else {
            continue;
        };
        if !rest[header].ends_with('{') {
            continue;
        }
        // rustfmt closes a function at the indentation of its first line.
        let indentation = &line[..line.len() - line.trim_start().len()];
        let body: Vec<&&str> = rest[header + 1..]
            .iter()
            .take_while(|line| line.strip_prefix(indentation) != Some("}"))
            .collect();
        let depth = indentation.len() + 4;
        let statements = body.iter().filter(|line| begins_statement(line, depth)).count();
        let is_solid = body.iter().all(|line| !line.trim().is_empty());
        if body.len() >= LINES_MIN && statements > 1 && is_solid {
            found.push(start + 1);
        }
    }
    found
}

/// Whether a line at the depth of the body begins a statement rather than continuing or closing one.
fn begins_statement(line: &str, depth: usize) -> bool {
    let text = line.trim_start();
    line.len() - text.len() == depth
        && text.starts_with(|c: char| c.is_alphanumeric() || "_*&(!#".contains(c))
}

fn begins_function(line: &str) -> bool {
    let before = line.split("fn ").next().unwrap_or_default();
    line.contains("fn ")
        && before.split_whitespace().all(|word| {
            matches!(word, "pub" | "const" | "async" | "unsafe") || word.starts_with("pub(")
        })
}
