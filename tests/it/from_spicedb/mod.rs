//! Coming from `SpiceDB`: its flags, its variables, those of `zed`, and the page about them.

mod clients;
mod flags;
mod page;
mod variables;

use crate::cli_serve::kilwa;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A server whose log is kept. It is killed when it is dropped.
struct Started {
    folder: TempDir,
    process: Child,
    address: String,
}

impl Started {
    /// Starts `kilwa serve` on a folder of its own.
    fn new(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = server(folder.path(), arguments, variables);
        command.stdout(Stdio::piped()).stderr(File::create(folder.path().join("log")).unwrap());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        let started = Self { folder, process, address };
        assert!(started.address.starts_with("127.0.0.1:"), "{line}{}", started.log());
        started
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The lines of the log in which a text stands.
    fn logged(&self, text: &str) -> Vec<String> {
        let log = self.log();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn server(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = kilwa(folder);
    command.args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir", "data"]).args(arguments);
    command.envs(variables.iter().copied());
    command
}

/// Standard error of a server that does not start.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = server(folder.path(), arguments, variables).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {variables:?}");
    assert!(!folder.path().join("data").exists(), "something was begun");
    said(&output)
}

/// Standard error.
fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
