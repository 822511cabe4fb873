//! docs/http.md and docs/authzen.md.

use super::page;
use crate::outside::{has_tool, is_quick};
use crate::program;
use crate::readme::blocks;
use crate::served::Served;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A server without a key of its own, which keeps its data below a home folder.
fn served(home: &Path, arguments: &[&str]) -> (Served, String) {
    let mut program = program::kilwa();
    program.env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME").env("HOME", home);
    program.args(["serve", "--grpc-addr", "127.0.0.1:0"]);
    program.args(["--http-enabled", "--http-addr", "127.0.0.1:0"]).args(arguments);
    let served = Served::run(program);
    let line = served.await_line("http http://");
    let (_, endpoint) = line.split_once("://").unwrap();
    let endpoint = endpoint.trim().to_owned();
    (served, endpoint)
}

/// What the commands of a block print.
fn printed(home: &Path, endpoint: &str, lines: &[&str]) -> String {
    // This generator is a package of Python, with a test of its own.
    let lines = lines.iter().filter(|line| !line.starts_with("openapi-python-client"));
    let commands: Vec<&str> = lines.copied().collect();
    let commands = commands.join("\n").replace("127.0.0.1:8443", endpoint);
    let mut shell = Command::new("sh");
    shell.env("HOME", home).current_dir(home).args(["-euc", &commands]);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{commands}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the commands of a page, and compares the last answer of each block with the block that follows.
fn run_commands(home: &Path, endpoint: &str, name: &str) -> usize {
    let page = page(name);
    let (mut last, mut compared) = (String::new(), 0);
    for (info, lines) in blocks(&page) {
        match info {
            "sh" if lines == ["kilwa serve --http-enabled"] => {}
            "sh" => last = printed(home, endpoint, &lines),
            "json" => {
                let answers = serde_json::Deserializer::from_str(&last).into_iter::<Value>();
                let answer = answers.last().unwrap().unwrap();
                let expected: Value = serde_json::from_str(&lines.join("\n")).unwrap();
                for (member, value) in expected.as_object().unwrap() {
                    assert_eq!(&answer[member], value, "{name}: {answer}");
                }
                compared += 1;
            }
            _ => {}
        }
    }
    compared
}

#[test]
fn the_commands_do_what_the_pages_show() {
    if is_quick("the commands of docs/http.md") {
        return;
    }
    let help = "the commands of docs/http.md need it, install the package `curl`";
    if !has_tool(&["curl", "--version"], help) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (_server, endpoint) = served(home.path(), &[]);
    // The second continues with the server of the first.
    for name in ["http.md", "authzen.md"] {
        assert_eq!(run_commands(home.path(), &endpoint, name), 1, "{name}");
    }
    let home = tempfile::tempdir().unwrap();
    let (_server, endpoint) = served(home.path(), &[]);
    assert_eq!(run_commands(home.path(), &endpoint, "authzen.md"), 1);
}

#[test]
fn the_mapping_file_of_the_page_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let page = page("authzen.md");
    let name = "toml authzen.toml";
    let (_, lines) = blocks(&page).into_iter().find(|(info, _)| *info == name).unwrap();
    let file = folder.path().join("authzen.toml");
    fs::write(&file, lines.join("\n")).unwrap();
    served(folder.path(), &["--authzen-mapping-file", file.to_str().unwrap()]);
}
