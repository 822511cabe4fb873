//! The programs in `examples` do what they show.

use crate::clients::{client_folder, installed};
use crate::outside::{has_interpreter, is_quick, skipped};
use crate::program;
use crate::served::{Served, await_exit};
use crate::server_support::KEY;
use kilwa::client::Connection;
use kilwa::config::Config;
use kilwa::server;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// What each client prints.
const ANSWERS: &str = "\
ann may edit the plan: yes
ben may edit the plan: no
ben may read the plan: yes
ann, read, memo: PERMISSIONSHIP_NO_PERMISSION
ann, read, plan: PERMISSIONSHIP_HAS_PERMISSION
readers of the plan: ann ben
ben may read: memo note
ben may read: plan
refused: FAILED_PRECONDITION, ERROR_REASON_UNKNOWN_DEFINITION
";

/// What each client of `kilwa.v1` prints.
const OWN_ANSWERS: &str = "\
ben, edit: PERMISSIONSHIP_NO_PERMISSION
ben, read: PERMISSIONSHIP_HAS_PERMISSION
";

#[test]
fn the_engine_answers_without_a_server() {
    let Some(program) = example("embed_engine") else { return };
    let printed = Command::new(program).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed, "user:ann: HasPermission\nuser:ben: NoPermission\n");
}

#[test]
fn a_program_has_a_server_inside() {
    let Some(program) = example("embed_server") else { return };
    let data = tempfile::tempdir().unwrap();
    let mut process =
        Command::new(program).arg(data.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("kilwa listens on ").unwrap();

    let connection = Connection::open(address, Some("secret")).unwrap();
    assert!(connection.is_serving("").unwrap());
    assert!(connection.is_serving("no.such.Service").is_err());
    let answer = program::kilwa()
        .args(["permission", "check", "document:plan", "read", "user:ann"])
        .args(["--endpoint", address, "--token", "secret"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), "true\n");

    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    assert!(await_exit(&mut process).success());
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped\n");
}

#[test]
fn a_client_in_python() {
    if has_interpreter("python3") {
        let mut program = Command::new(client_folder().join("bin/python"));
        program.arg("-B").arg(root().join("examples/python/app.py"));
        let mut own = Command::new(client_folder().join("bin/python"));
        own.arg("-B").arg(root().join("examples/python/kilwa_v1.py"));
        assert_answers(program, Some(own));
    }
}

#[test]
fn a_client_in_node() {
    if has_interpreter("node") {
        // A module is looked up beside the program, as `npm install` puts it there.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("app.mjs");
        fs::copy(root().join("examples/node/app.mjs"), &program).unwrap();
        symlink(installed("node").join("node_modules"), folder.path().join("node_modules"))
            .unwrap();
        let mut node = Command::new("node");
        node.arg(program);
        let program = folder.path().join("kilwa_v1.mjs");
        fs::copy(root().join("examples/node/kilwa_v1.mjs"), &program).unwrap();
        let mut own = Command::new("node");
        own.arg(program).env("KILWA_PROTO", root().join("proto"));
        assert_answers(node, Some(own));
    }
}

#[test]
fn a_client_in_go() {
    if is_quick("go") {
        return;
    }
    // Says so where Go is too old or missing, as for the other tests with it.
    if installed("go").as_os_str().is_empty() {
        skipped("there is no Go that can build the example");
        return;
    }

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("app");
    let built = Command::new("go")
        .args(["build", "-C"])
        .arg(root().join("examples/go"))
        .arg("-o")
        .arg(&program)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-trimpath")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    assert_answers(Command::new(program), None);
}

/// Runs a client twice against a server that starts empty: it prints the same each time. Then runs one that calls
/// `kilwa.v1`.
#[track_caller]
fn assert_answers(mut program: Command, own: Option<Command>) {
    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    program.env("KILWA_ENDPOINT", server.endpoint()).env("KILWA_TOKEN", KEY);
    for _ in 0..2 {
        let output = program.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), ANSWERS, "{error}");
    }
    if let Some(mut own) = own {
        own.env("KILWA_ENDPOINT", server.endpoint()).env("KILWA_TOKEN", KEY);
        let output = own.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), OWN_ANSWERS, "{error}");
    }
}

/// The program that cargo builds from an example, beside the tests. `cargo test --test it` alone does not build it.
fn example(name: &str) -> Option<PathBuf> {
    let this = std::env::current_exe().unwrap();
    let program = this.parent().unwrap().parent().unwrap().join("examples").join(name);
    let source = root().join("examples").join(name).with_extension("rs");
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    if modified(&program).is_ok_and(|built| built >= modified(&source).unwrap()) {
        return Some(program);
    }
    let reason = format!("the example `{name}` is not built; `make test` builds it");
    assert!(std::env::var_os("KILWA_TEST_CLIENTS_REQUIRED").is_none(), "{reason}");
    skipped(&reason);
    None
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn health_can_wait_for_a_server_that_is_being_started() {
    let runtime = Runtime::new().unwrap();
    let data = tempfile::tempdir().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let waiting = program::kilwa()
        .args(["health", "--wait", "60s", "--endpoint", &address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    // Its first attempt fails for certain.
    drop(runtime.block_on(listener.accept()).unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = runtime.spawn(server::run(listener, Config::new(data.path()), async {
        let _ = stopped.await;
    }));
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "SERVING\n");
    assert!(output.status.success());

    stop.send(()).unwrap();
    runtime.block_on(serving).unwrap().unwrap();
    let gone = program::kilwa().args(["health", "--wait", "1ms", "--endpoint", &address]).output();
    assert_eq!(gone.unwrap().status.code(), Some(2));
}
