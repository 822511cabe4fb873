//! The official clients, unmodified, against a real server.

use crate::outside::has_interpreter;
use crate::served::Served;
use crate::server_support::KEY;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn python() {
    play("python", "python3");
}

#[test]
fn node() {
    play("node", "node");
}

fn play(client: &str, interpreter: &str) {
    if !has_interpreter(interpreter) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(client);
    let played = Command::new(script.join("run")).args([server.endpoint(), KEY]).output().unwrap();
    assert!(
        played.status.success(),
        "{}{}",
        String::from_utf8_lossy(&played.stdout),
        String::from_utf8_lossy(&played.stderr)
    );
}

/// The virtual environment of the Python client, which is installed when it is not there yet.
pub(crate) fn client_folder() -> PathBuf {
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/install");
    let installed = Command::new(install).output().unwrap();
    PathBuf::from(String::from_utf8(installed.stdout).unwrap().trim())
}
