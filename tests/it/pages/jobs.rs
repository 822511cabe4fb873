//! `docs/continuous-integration.md` and `docs/security-review.md`: their commands print what the pages show.

use super::{page, plans};
use crate::peer::Peer;
use crate::readme::{Shown, are_alike, blocks, run, run_as_reader, shown};
use crate::served::Served;
use std::fs;
use std::path::Path;
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
            "yaml" => install_and_compare(&lines, folder.path()),
            "console" | "console testing" => {
                commands += play(&lines, |command| run(command, folder.path(), server.endpoint()));
            }
            _ => {
                let name = info.strip_prefix("zed ").unwrap_or_else(|| panic!("a block of {info}"));
                let file = folder.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, lines.join("\n") + "\n").unwrap();
            }
        }
    }
    assert!(commands > 20, "{commands} commands");
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

#[test]
fn the_access_file_of_the_security_page_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let page = page("security.md");
    let blocks = blocks(&page);
    let files = blocks.iter().filter(|(info, _)| *info == "toml");
    let files: Vec<String> = files.map(|(_, lines)| lines.join("\n")).collect();
    let [file, issuers] = files.as_slice() else { panic!("{files:?}") };
    fs::write(folder.path().join("access.toml"), file).unwrap();
    // The block about issuers is one more part of the same file, and its keys are not there.
    fs::write(folder.path().join("both.toml"), format!("{file}\n{issuers}")).unwrap();
    let both = run("kilwa auth check both.toml", folder.path(), "");
    assert!(both.contains("idp-keys.json`: No such file") && both.lines().count() == 1, "{both}");
    let mut commands = 0;
    for (_, lines) in blocks.iter().filter(|(info, _)| *info == "console") {
        commands += play(lines, |command| run(command, folder.path(), ""));
    }
    assert!(commands > 1, "{commands} commands");
}

#[test]
fn the_tables_of_methods_on_the_security_page_are_complete() {
    let page = page("security.md");
    let (_, table) = page.split_once("| group | methods |").unwrap();
    for method in kilwa::access::METHODS {
        let row = format!("| `{}` | ", method.group.name());
        let row = table.lines().find(|line| line.starts_with(&row)).unwrap();
        let is_named = row.contains(method.name())
            || (method.path.contains("Experimental") && row.contains("experimental"))
            || (method.name().contains("Counter") || method.name().contains("CountRel"));
        assert!(is_named, "{}: {row}", method.name());
    }
}

/// Runs two steps of the workflow: the one that installs Kilwa, from a release in a folder, and the one that finds breaking
/// changes, in a repository whose schema has one.
fn install_and_compare(workflow: &[&str], folder: &Path) {
    let script = |name: &str| {
        let from = workflow.iter().skip_while(|line| **line != format!("      - name: {name}"));
        let lines = from.skip(2).take_while(|line| line.starts_with("          "));
        lines.map(|line| line.trim_start().to_owned() + "\n").collect::<String>()
    };
    // The runner's own folder, the folder of the release, and `gh` that copies from there.
    let setup = "export RUNNER_TEMP=\"$PWD/runner\" GITHUB_PATH=\"$PWD/path\"
        export KILWA_VERSION=0.1.0 KILWA_REPOSITORY=owner/kilwa
        rm -rf runner release && mkdir -p runner release/kilwa-0.1.0/bin
        echo '#!/bin/sh' > release/kilwa-0.1.0/bin/kilwa
        tar -C release -czf release/kilwa-0.1.0-x86_64-unknown-linux-gnu.tar.gz kilwa-0.1.0
        (cd release && sha256sum kilwa-*.tar.gz > SHA256SUMS)
        release=$PWD/release
        gh() { cp \"$release\"/* . 2> /dev/null || true; }\n";
    let bash = |script: &str| {
        fs::write(folder.join("step.sh"), setup.to_owned() + script).unwrap();
        run("bash -e -o pipefail step.sh; echo $?", folder, "")
    };

    let install = script("Install Kilwa");
    assert!(bash(&install).ends_with(": OK\n0\n"), "{}", bash(&install));
    let path = fs::read_to_string(folder.join("path")).unwrap();
    assert!(Path::new(path.lines().last().unwrap()).join("kilwa").exists(), "{path}");
    let damaged = install.replace("grep ", "echo >> \"$package.tar.gz\"; grep ");
    assert!(bash(&damaged).ends_with("\n1\n"), "{}", bash(&damaged));

    let compare = script("Breaking changes").replace("origin/main", "main");
    let compare = format!("git worktree prune\n{compare}");
    let printed = bash(&compare);
    let annotation = "::warning file=policies/tenant.zed,line=6::changed permission tenant#see ";
    assert!(printed.contains(annotation), "{printed}");
    assert!(printed.ends_with("\n1\n"), "{printed}");
    let elsewhere = bash(&compare.replace("main/policies", "main/wrong"));
    assert!(elsewhere.ends_with("\n2\n"), "{elsewhere}");
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
