//! The official clients, unmodified, against real servers: an application that uses them, a tour of everything that they
//! can call, an application and its tenant over TLS, and the tests that they are published with.

use crate::access::over_tls::{FULL, TENANT, TenantServer};
use crate::outside::{has_interpreter, is_quick, skipped};
use crate::peer::Peer;
use crate::served::Served;
use crate::server_support::KEY;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::runtime::Runtime;

/// Makes a tour play what `SpiceDB` does not have as well.
const BEYOND: &str = "--kilwa";
/// How a script ends that lacks something, which it has said.
const LACKING: i32 = 77;

#[test]
fn python() {
    if has_interpreter("python3") {
        play("python", "run", &[]);
    }
}

#[test]
fn python_tour() {
    if has_interpreter("python3") {
        play("python", "tour", &[BEYOND]);
    }
}

#[test]
fn python_with_roles() {
    if has_interpreter("python3") {
        play_roles("python");
    }
}

#[test]
fn node() {
    if has_interpreter("node") {
        play("node", "run", &[]);
    }
}

#[test]
fn node_tour() {
    if has_interpreter("node") {
        play("node", "tour", &[BEYOND]);
    }
}

#[test]
fn node_with_roles() {
    if has_interpreter("node") {
        play_roles("node");
    }
}

#[test]
fn node_published() {
    if has_interpreter("node") {
        play_published("node");
    }
}

#[test]
fn go_tour() {
    if !is_quick("go") {
        play("go", "tour", &[BEYOND]);
    }
}

#[test]
fn go_with_roles() {
    if !is_quick("go") {
        play_roles("go");
    }
}

#[test]
fn go_published() {
    if !is_quick("go") {
        play_published("go");
    }
}

/// Against a server with a key and an empty store.
fn play(client: &str, script: &str, more: &[&str]) {
    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    run(client, script, &[&[server.endpoint(), KEY], more].concat());
}

/// Against a server with TLS, a key that may do everything, and one that a role limits.
fn play_roles(client: &str) {
    let server = TenantServer::start();
    let [trusted, other] = [&server.trusted, &server.other].map(|path| path.to_str().unwrap());
    run(client, "roles", &[server.endpoint(), trusted, other, FULL, TENANT]);
}

/// Against a server that keeps a store for each key.
fn play_published(client: &str) {
    let runtime = Runtime::new().unwrap();
    let server = Peer::kilwa(&runtime);
    run(client, "published", &[server.endpoint()]);
}

fn run(client: &str, script: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(client);
    let played = Command::new(folder.join(script)).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&played.stderr);
    if played.status.code() == Some(LACKING) {
        skipped(complaint.trim());
        return;
    }
    let reported = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{reported}{complaint}");
}

/// The virtual environment of the Python client.
pub(crate) fn client_folder() -> PathBuf {
    installed("python")
}

/// The folder of a client, which is installed when it is not there yet.
pub(crate) fn installed(client: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(client);
    let installed = Command::new(folder.join("install")).output().unwrap();
    PathBuf::from(String::from_utf8(installed.stdout).unwrap().trim())
}
