//! The commands in README.md print what README.md says.

use crate::clients::client_folder;
use crate::outside::has_interpreter;
use crate::program;
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::KEY;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command and the lines that it prints.
pub(crate) struct Shown {
    pub(crate) command: String,
    pub(crate) output: Vec<String>,
}

#[test]
fn the_commands_print_what_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = root.join("schema-examples/gitpod/validation.yaml");
    let server = Served::bootstrapped(&folder.path().join("data"), &bootstrap);
    let mut commands = 0;
    for (info, lines) in blocks(&page) {
        if let Some(name) = info.strip_prefix("yaml ") {
            fs::write(folder.path().join(name), lines.join("\n") + "\n").unwrap();
        } else if info == "console" {
            for Shown { command, output } in shown(&lines) {
                let printed = run(&command, folder.path(), server.endpoint());
                let lines: Vec<&str> = printed.lines().collect();
                assert!(are_alike(&output, &lines), "$ {command}\n{printed}");
                commands += 1;
            }
        } else if info == "python" && has_interpreter("python3") {
            let home = folder.path().join("home");
            assert_eq!(run_python(&lines.join("\n"), &home, server.endpoint()), "True\n");
        }
    }
    assert!(commands > 5, "{commands} commands");
}

#[test]
fn the_limits_are_those_of_the_flags() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help = program::kilwa().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut flags = 0;
    for row in page.lines().filter(|line| line.contains("| `--")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (value, flag) = (cells[2].replace(',', ""), cells[3].trim_matches('`'));
        let (_, reported) =
            help.split_once(&format!("{flag} ")).unwrap_or_else(|| panic!("no {flag}"));
        let (_, default) = reported.split_once("[default: ").unwrap();
        let (default, _) = default.split_once(']').unwrap();
        assert_eq!(default.trim_end_matches(['h', 's']), value, "{flag}");
        flags += 1;
    }
    assert!(flags > 5, "{flags} flags");
}

/// The fenced blocks of a page: what stands after the opening fence, and the lines.
pub(crate) fn blocks(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            blocks.push((info, lines.by_ref().take_while(|line| *line != "```").collect()));
        }
    }
    blocks
}

/// The commands of a `console` block.
pub(crate) fn shown(lines: &[&str]) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in lines {
        match line.strip_prefix("$ ") {
            Some(command) => {
                all.push(Shown { command: command.to_owned(), output: Vec::new() });
            }
            None => all.last_mut().unwrap().output.push((*line).to_owned()),
        }
    }
    all
}

/// Whether the lines are the same; `…` stands for any one line.
pub(crate) fn are_alike(expected: &[String], actual: &[&str]) -> bool {
    expected.len() == actual.len()
        && expected
            .iter()
            .zip(actual)
            .all(|(expected, actual)| expected == "…" || expected == actual)
}

/// Runs a program with the official client, as a user whose server is the one at `endpoint`.
pub(crate) fn run_python(program: &str, home: &Path, endpoint: &str) -> String {
    let data = home.join(".local/share/kilwa");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("preshared.key"), KEY).unwrap();
    let output = Command::new(client_folder().join("bin/python"))
        .args(["-c", &program.replace("127.0.0.1:50051", endpoint)])
        .env("HOME", home)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    String::from_utf8(output.stdout).unwrap() + &error
}

/// Runs a command as a shell does, and gives what it prints on either stream.
pub(crate) fn run(command: &str, folder: &Path, endpoint: &str) -> String {
    run_in(without_variables("sh").env("KILWA_TOKEN", KEY), command, folder, endpoint)
}

/// The same for somebody who has set nothing but the address, which is the default one for readers, and whose home is `home`.
pub(crate) fn run_as_reader(command: &str, folder: &Path, home: &Path, endpoint: &str) -> String {
    let mut shell = without_variables("sh");
    shell.env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME").env("HOME", home);
    run_in(&mut shell, command, folder, endpoint)
}

fn run_in(shell: &mut Command, command: &str, folder: &Path, endpoint: &str) -> String {
    let mut folders = vec![PathBuf::from(env!("CARGO_BIN_EXE_kilwa")).parent().unwrap().to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let output = shell
        .args(["-c", &format!("{{ {command}; }} 2>&1")])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("KILWA_ENDPOINT", endpoint)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
