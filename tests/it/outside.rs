//! What lies outside of the project: interpreters of the official clients, corpora, the published protocol.
//!
//! A test that lacks something says so. `make test`, which installs the interpreters, lets none of them be missing.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set to anything, it makes a missing interpreter or tool a failure.
const CLIENTS_REQUIRED: &str = "KILWA_TEST_CLIENTS_REQUIRED";
/// Set to anything, it leaves out what `make quick` leaves out.
const QUICK: &str = "KILWA_TEST_QUICK";
/// Where corpora and the published protocol lie when the environment does not say.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");

/// Says that a test is left out, past the test runner, which keeps back what a passing test prints.
pub(crate) fn skipped(reason: &str) {
    tell(&format!("SKIPPED: {reason}"));
}

/// Says something past the test runner.
pub(crate) fn tell(what: &impl Display) {
    // Not `eprintln!`, which the test runner catches.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{what}").unwrap();
}

/// Whether this run leaves out other languages and packages. If so, that is said.
pub(crate) fn is_quick(what: &str) -> bool {
    let is_quick = env::var_os(QUICK).is_some();
    if is_quick {
        skipped(&format!("{what}: `make quick` leaves it out, `make test` does not"));
    }
    is_quick
}

/// Whether an interpreter can be run. When not, that is said, or is a failure where it has to be there.
pub(crate) fn has_interpreter(interpreter: &str) -> bool {
    !is_quick(interpreter) && has_tool(&[interpreter, "--version"], "`make test` installs it")
}

/// Whether a program can be run, with arguments that only make it say its version. When not, that is said with what helps, or is
/// a failure where it has to be there.
pub(crate) fn has_tool(words: &[&str], help: &str) -> bool {
    let is_there = runs(words);
    if !is_there {
        let reason = format!("{} is missing: {help}", words[0]);
        assert!(env::var_os(CLIENTS_REQUIRED).is_none(), "{reason}");
        skipped(&reason);
    }
    is_there
}

/// Whether there is promtool, which checks what is meant for Prometheus. When not, that is said: `make test` goes on where it
/// cannot be fetched.
pub(crate) fn has_promtool() -> bool {
    let is_there = runs(&["promtool", "--version"]);
    if !is_there {
        skipped("promtool is missing: Debian has it in the package `prometheus`");
    }
    is_there
}

/// Whether a program can be run with these arguments.
fn runs(words: &[&str]) -> bool {
    let mut version = Command::new(words[0]);
    version.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// The program that a variable names, if it does.
pub(crate) fn program(variable: &str) -> Option<OsString> {
    let program = env::var_os(variable);
    if program.is_none() {
        skipped(&format!("{variable} does not name a program"));
    }
    program
}

/// A number that the environment sets, for longer runs and what is run by name.
#[expect(clippy::disallowed_methods, reason = "tests have no arguments")]
pub(crate) fn setting(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{value}`")))
}

/// The validation files of the corpora, all of which must hold, in order: those below the folder that
/// `KILWA_TEST_CORPUS` names.
pub(crate) fn corpus_files() -> Vec<PathBuf> {
    let folder = beside("KILWA_TEST_CORPUS", "corpus");
    let pattern = folder.join("**/*.yaml");
    let found = glob::glob(pattern.to_str().unwrap()).unwrap();
    let files: Vec<PathBuf> = found.map(Result::unwrap).collect();
    if files.is_empty() {
        skipped(&format!(
            "there are no corpora in `{}`: KILWA_TEST_CORPUS says where",
            folder.display()
        ));
    }
    files
}

/// The descriptors of the published protocol: the file that `KILWA_TEST_SPEC` names.
pub(crate) fn published_protocol() -> Option<Vec<u8>> {
    let file = beside("KILWA_TEST_SPEC", "spec/authzed-api-v1.binpb");
    let found = std::fs::read(&file).ok();
    if found.is_none() {
        skipped(&format!("`{}` cannot be read: KILWA_TEST_SPEC says where it is", file.display()));
    }
    found
}

/// The answers of SpiceDB's HTTP gateway, if they are there. When not, that is said.
pub(crate) fn gateway_answers() -> Option<String> {
    let path = beside("KILWA_GATEWAY_ANSWERS", "corpus/gateway/golden-spicedb-1.56.0.txt");
    let answers = std::fs::read_to_string(&path).ok();
    if answers.is_none() {
        skipped(&format!(
            "the answers of SpiceDB's HTTP gateway are not at `{}`: KILWA_GATEWAY_ANSWERS says where",
            path.display()
        ));
    }
    answers
}

fn beside(variable: &str, path: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| Path::new(BESIDE).join(path), PathBuf::from)
}
