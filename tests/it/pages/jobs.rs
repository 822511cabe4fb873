//! `docs/continuous-integration.md` and `docs/security-review.md`: their commands print what the pages show.

use super::{page, plans};
use crate::peer::Peer;
use crate::readme::{Shown, are_alike, blocks, run, run_as_reader, shown};
use crate::served::Served;
use std::fs;
use tokio::runtime::Runtime;

#[test]
fn the_commands_for_continuous_integration_print_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plans.yaml"), plans()).unwrap();
    let runtime = Runtime::new().unwrap();
    let server = Peer::kilwa(&runtime);
    let mut commands = 0;
    for (info, lines) in blocks(&page("continuous-integration.md")) {
        match info {
            "zed plans.zed" => {
                fs::write(folder.path().join("plans.zed"), lines.join("\n") + "\n").unwrap();
            }
            "console" | "console testing" => {
                commands += play(&lines, |command| run(command, folder.path(), server.endpoint()));
            }
            _ => {}
        }
    }
    assert!(commands > 12, "{commands} commands");
}

#[test]
fn the_commands_of_the_security_review_print_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.yaml");
    fs::write(&file, plans()).unwrap();
    let home = folder.path().join("home");
    let server = Served::as_shown(&home, &folder.path().join("data"), &file);
    let mut commands = 0;
    for (info, lines) in blocks(&page("security-review.md")) {
        if info == "console" {
            commands += play(&lines, |command| {
                run_as_reader(command, folder.path(), &home, server.endpoint())
            });
        }
    }
    assert!(commands > 6, "{commands} commands");
}

/// Runs the commands of a block, and gives how many there are.
fn play(lines: &[&str], run: impl Fn(&str) -> String) -> usize {
    let commands = shown(lines);
    for Shown { command, output } in &commands {
        let printed = run(command);
        let lines: Vec<&str> = printed.lines().collect();
        assert!(are_alike(output, &lines), "$ {command}\n{printed}");
    }
    commands.len()
}
