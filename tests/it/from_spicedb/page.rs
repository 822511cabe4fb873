//! `docs/from-spicedb.md`: its commands run, and its table of flags covers every flag.

use crate::program::without_variables;
use crate::readme::{Shown, blocks, shown};
use crate::served::Served;
use crate::server_support::KEY;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a flag of `SpiceDB` does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Same,
    NoEffect,
    Refused,
}

/// A row of the table of flags.
pub(super) struct Row {
    /// Flags without their dashes; `*` at the end stands for any ending.
    flags: Vec<String>,
    /// Values in brackets, by flag.
    accepted: Vec<(String, Vec<String>)>,
    outcome: Outcome,
}

/// What the page says of one flag.
pub(super) struct Said<'p> {
    pub(super) outcome: Outcome,
    pub(super) accepted: Vec<&'p str>,
}

pub(super) fn read() -> Vec<Row> {
    let text = text();
    let (_, table) = text.split_once("| flag of SpiceDB |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(row).collect()
}

fn text() -> String {
    fs::read_to_string(root().join("docs/from-spicedb.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let (mut flags, mut accepted) = (Vec::new(), Vec::new());
    for code in codes(cells[1]) {
        match code.strip_prefix("--") {
            Some(flag) => {
                flags.push(flag.to_owned());
                accepted.push((flag.to_owned(), Vec::new()));
            }
            None => accepted.last_mut().unwrap().1.push(code.to_owned()),
        }
    }
    let outcome = match cells[2] {
        "same" => Outcome::Same,
        "no effect" => Outcome::NoEffect,
        "refused" => Outcome::Refused,
        other => panic!("`{other}` in {line}"),
    };
    Row { flags, accepted, outcome }
}

/// What stands in backticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The row that names a flag, or else the longest pattern that it matches.
pub(super) fn outcome<'p>(rows: &'p [Row], name: &str) -> Said<'p> {
    let length = |flag: &String| match flag.strip_suffix('*') {
        Some(start) if name.starts_with(start) => Some(start.len()),
        None if flag == name => Some(usize::MAX),
        _ => None,
    };
    let matching =
        |row: &'p Row| row.flags.iter().filter_map(length).max().map(|length| (length, row));
    let mut found: Vec<(usize, &Row)> = rows.iter().filter_map(matching).collect();
    found.sort_by_key(|(length, _)| *length);
    let (best, row) = found.pop().unwrap_or_else(|| panic!("`--{name}` is not on the page"));
    let is_one = found.last().is_none_or(|(length, _)| *length < best);
    assert!(is_one, "`--{name}` is on the page twice");
    let accepted = row.accepted.iter().filter(|(flag, _)| flag == name);
    Said {
        outcome: row.outcome,
        accepted: accepted.flat_map(|(_, values)| values.iter().map(String::as_str)).collect(),
    }
}

/// A user's server, another that stands for `SpiceDB`, and a folder.
struct Mover {
    own: Served,
    spicedb: Served,
    folder: tempfile::TempDir,
    _data: [tempfile::TempDir; 2],
}

impl Mover {
    fn new() -> Self {
        let data = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let folder = tempfile::tempdir().unwrap();
        let plans = readme_file("plans.yaml");
        fs::write(folder.path().join("plans.yaml"), &plans).unwrap();
        let schema =
            plans.split_once("schema: |-\n").unwrap().1.split_once("\nrelationships").unwrap().0;
        fs::write(folder.path().join("plans.zed"), schema.replace("\n  ", "\n").trim_start())
            .unwrap();
        let spicedb = Served::bootstrapped(data[0].path(), &folder.path().join("plans.yaml"));
        Self { own: Served::start(data[1].path()), spicedb, folder, _data: data }
    }

    /// A command for the shell, with what the page says about the environment.
    fn shell(&self, command: &str) -> Command {
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_kilwa")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap();
        let folders = std::iter::once(bin).chain(std::env::split_paths(&path));
        let mut shell = without_variables("bash");
        shell
            .args(["-o", "pipefail", "-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(self.folder.path());
        shell.env("PATH", std::env::join_paths(folders).unwrap());
        shell.env("KILWA_ENDPOINT", self.own.endpoint()).env("KILWA_TOKEN", KEY);
        shell.env("OLD_ENDPOINT", self.spicedb.endpoint()).env("OLD_TOKEN", KEY);
        shell.env("NEW_ENDPOINT", self.spicedb.endpoint()).env("NEW_TOKEN", KEY);
        shell
    }

    /// What a command prints that succeeds.
    fn run(&self, command: &str) -> String {
        let output = self.shell(command).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "$ {command}\n{printed}");
        printed
    }
}

/// A file that README.md shows.
fn readme_file(name: &str) -> String {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let info = format!("yaml {name}");
    let (_, lines) = blocks(&page).into_iter().find(|(known, _)| *known == info).unwrap();
    lines.join("\n") + "\n"
}

#[test]
fn every_command_of_the_table_of_zed_runs() {
    let mover = Mover::new();
    let text = text();
    let (_, table) = text.split_once("| zed | Kilwa |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let commands: Vec<&str> = rows.flat_map(|row| codes(row.split('|').nth(2).unwrap())).collect();
    let is_run = |code: &&str| code.split(' ').take(2).any(|word| word == "kilwa");
    let commands: Vec<&str> = commands.into_iter().filter(is_run).collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        if command.starts_with("kilwa relationship watch") {
            // It never ends by itself. What it prints is tested below.
            let parsed = mover.run(&format!("{command} --help"));
            assert!(parsed.contains("Usage"), "{parsed}");
        } else {
            mover.run(command);
        }
    }
}

#[test]
fn the_steps_of_the_move_work() {
    let mover = Mover::new();
    let text = text();
    let page: String = text.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    let (_, steps) = page.split_once("## Moving a running system").unwrap();
    let mut followed = 0;
    for (info, lines) in blocks(steps) {
        match info {
            "console" => {
                for Shown { command, output } in shown(&lines) {
                    let printed = mover.run(&command);
                    let printed: Vec<&str> = printed.lines().collect();
                    assert_eq!(printed, output, "$ {command}");
                }
            }
            "sh old.sh" | "text checks" => {
                let (_, name) = info.split_once(' ').unwrap();
                fs::write(mover.folder.path().join(name), lines.join("\n") + "\n").unwrap();
            }
            "sh follow" => {
                follow(&mover, &lines.join("\n"), ["sh old.sh", "kilwa"], "revision");
                followed += 1;
            }
            "sh follow-back" => {
                follow(&mover, &lines.join("\n"), ["kilwa", "sh old.sh"], "revision-back");
                followed += 1;
            }
            "sh" => assert!(lines.join("").starts_with("kilwa serve "), "{lines:?}"),
            other => panic!("a block of `{other}`"),
        }
    }
    assert_eq!(followed, 2);
}

/// Runs the command that applies changes of one server to the other until those that were made meanwhile have arrived, and
/// interrupts it.
fn follow(mover: &Mover, command: &str, [from, to]: [&str; 2], revision: &str) {
    let file = mover.folder.path().join(revision);
    let before = fs::read_to_string(&file).unwrap();
    let mut following = mover.shell(command);
    following.stdout(Stdio::piped()).process_group(0);
    let following = following.spawn().unwrap();
    mover.run(&format!("{from} relationship create document:plan owner user:{revision}"));
    mover.run(&format!("{from} relationship delete document:plan owner user:ann"));
    mover.run(&format!("{from} relationship touch document:plan owner user:{revision}"));
    // Each look takes some milliseconds.
    let arrived = (0..5_000).any(|_| {
        let look = format!("{to} relationship read document:plan owner --consistency-full");
        let owners = mover.run(&look);
        owners.contains(&format!("user:{revision}\n"))
            && !owners.contains("user:ann")
            && fs::read_to_string(&file).unwrap() != before
    });
    let group = format!("-{}", following.id());
    drop(Command::new("kill").args(["-INT", "--", &group]).status());
    let output = following.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(arrived, "the changes did not arrive: {printed}");
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains(&format!("changes applied; `{revision}` has")), "{printed}");
}

#[test]
fn following_needs_a_revision_and_a_key() {
    let mover = Mover::new();
    let follow = |file: &str, key: &str| {
        let command = format!(
            "KILWA_TOKEN='{key}' kilwa relationship follow --revision-file {file} --to-endpoint $OLD_ENDPOINT; echo $?"
        );
        mover.run(&command)
    };
    assert!(follow("none", KEY).contains("`none` cannot be used"));
    fs::write(mover.folder.path().join("empty"), "\n").unwrap();
    let printed = follow("empty", KEY);
    assert!(printed.contains("`empty` is empty") && printed.ends_with("\n2\n"), "{printed}");
    // Another attempt would not help, so there is none.
    mover.run("kilwa schema write plans.zed");
    mover.run("kilwa schema read --json | sed -n 's/.*\"token\": \"\\(.*\\)\"/\\1/p' > now");
    let printed = follow("now", "wrong");
    assert!(printed.contains("invalid preshared key") && printed.ends_with("\n2\n"), "{printed}");
}

#[test]
fn readme_links_to_the_page() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(page.contains("(docs/from-spicedb.md)"));
}
