//! `docs/tenant-events.md`: its programs run with the official clients, and print what the page shows.

use super::{page, root};
use crate::clients::{client_folder, installed};
use crate::outside::has_interpreter;
use crate::readme::blocks;
use crate::served::Served;
use crate::server_support::KEY;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

#[test]
fn the_python_program_prints_what_is_shown() {
    if has_interpreter("python3") {
        let program = root().join("docs/programs/tenant_events.py");
        play(Command::new(client_folder().join("bin/python")).arg(program));
    }
}

#[test]
fn the_python_program_fails_with_a_wrong_schema() {
    if has_interpreter("python3") {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("docs/programs"), folder.path());
        let program = folder.path().join("tenant_events.py");
        fail(Command::new(client_folder().join("bin/python")).arg(program), folder.path());
    }
}

#[test]
fn the_node_program_fails_with_a_wrong_schema() {
    if has_interpreter("node") {
        let folder = tempfile::tempdir().unwrap();
        symlink(installed("node").join("node_modules"), folder.path().join("node_modules"))
            .unwrap();
        copy(&root().join("docs/programs"), folder.path());
        fail(Command::new("node").arg(folder.path().join("tenant_events.mjs")), folder.path());
    }
}

#[test]
fn the_node_program_prints_what_is_shown() {
    if has_interpreter("node") {
        // A program finds its packages in a folder above it.
        let folder = tempfile::tempdir().unwrap();
        symlink(installed("node").join("node_modules"), folder.path().join("node_modules"))
            .unwrap();
        copy(&root().join("docs/programs"), folder.path());
        play(Command::new("node").arg(folder.path().join("tenant_events.mjs")));
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Runs a program whose schema lacks a role: that is no event which has taken effect.
fn fail(program: &mut Command, folder: &Path) {
    let schema = folder.join("tenants.zed");
    let text = fs::read_to_string(&schema).unwrap();
    fs::write(
        &schema,
        text.replace("relation member", "relation visitor").replace("+ member", "+ visitor"),
    )
    .unwrap();
    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    let output =
        program.env("KILWA_ENDPOINT", server.endpoint()).env("KILWA_TOKEN", KEY).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{printed}");
    assert!(error.contains("`member` not found"), "{error}");
    assert!(!printed.contains("ben joins"), "{printed}");
}

/// Runs a program against a server with an empty store.
fn play(program: &mut Command) {
    let page = page("tenant-events.md");
    let (_, shown) = blocks(&page).into_iter().find(|(info, _)| *info == "text").unwrap();
    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    let output =
        program.env("KILWA_ENDPOINT", server.endpoint()).env("KILWA_TOKEN", KEY).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{error}");
    assert_eq!(printed.lines().collect::<Vec<_>>(), shown, "{error}");
}
