//! The scripts of `docs/operations.md`: they run to their end, as they stand on the page but for the ports.

use super::page;
use crate::healing::SmallDisk;
use crate::outside::has_tool;
use crate::program::without_variables;
use crate::readme::blocks;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

#[test]
fn a_server_is_secured_watched_rotated_backed_up_lost_and_restored() {
    let Some((printed, errors)) = run("drill") else { return };
    for line in [
        "true",
        concat!("kilwa ", env!("CARGO_PKG_VERSION")),
        "kilwa data folder, format 3",
        "2 relationships, complete and undamaged",
        "2 relationships restored",
        "3 relationships, complete and undamaged",
        "3 relationships restored",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}\n{errors}");
    }
    assert!(errors.contains("do not include the object id `other-plan`"), "{errors}");
    assert!(printed.contains("grpc_code=\"PermissionDenied\"} 1"), "{printed}");
}

/// Steps of the drill that have to fail, each with what makes it fail and what is said then.
const BROKEN: &[[&str; 3]] = &[
    // A key that is not limited.
    [
        "access operation:full acme:acme\n",
        "access operation:full acme:full\n",
        "not refused: as acme kilwa",
    ],
    // A server that is not there: its answer is no refusal.
    [
        "refused PERMISSION_DENIED as acme kilwa permission check",
        "stop\nrefused PERMISSION_DENIED as acme kilwa permission check",
        "no server answers",
    ],
    // A backup that does not have what it should have.
    [
        "kilwa backup verify drill.backup",
        "rm drill.backup\nkilwa backup verify drill.backup",
        "`drill.backup` cannot be read",
    ],
];

#[test]
fn a_drill_ends_with_the_first_step_that_does_not_do_what_it_should() {
    let Some(script) = script("drill") else { return };
    for [step, broken, said] in BROKEN {
        let (before, after) = script.split_once(step).unwrap();
        let output = run_script(&format!("{before}{broken}{after}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{broken}");
        assert!(errors.contains(said), "{broken}: {errors}");
    }
}

#[test]
fn a_disk_that_gets_full_is_noticed_and_gets_room_again() {
    if SmallDisk::new().is_none() {
        return;
    }
    let Some((printed, errors)) = run("full-disk") else { return };
    assert!(printed.contains("kilwa_disk_free_bytes "), "{printed}\n{errors}");
    assert!(printed.contains("document:plan"), "{printed}\n{errors}");
}

#[test]
fn certificates_of_the_server_and_of_clients_are_made_required_and_replaced() {
    let Some((printed, errors)) = run("tls") else { return };
    assert!(printed.contains("SERVING\n"), "{printed}\n{errors}");
    assert!(printed.ends_with("definition user {}\n"), "{printed}\n{errors}");
}

/// What a script prints, and its errors; nothing where a tool is missing.
fn run(name: &str) -> Option<(String, String)> {
    let output = run_script(&script(name)?);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{printed}\n{errors}");
    Some((printed, errors))
}

/// A script of the page with ports that are free; nothing where a tool is missing.
fn script(name: &str) -> Option<String> {
    let help = format!(
        "the script `{name}` of docs/operations.md needs it, install the package of this name"
    );
    for tool in [["openssl", "version"], ["curl", "--version"]] {
        if !has_tool(&tool, &help) {
            return None;
        }
    }
    let page = page("operations.md");
    let info = format!("sh {name}");
    let (_, lines) = blocks(&page).into_iter().find(|(known, _)| *known == info).unwrap();
    let [grpc, metrics] = free_ports();
    let script = lines.join("\n").replace("50051", &grpc.to_string());
    let script = script.replace("9090", &metrics.to_string());
    if script.contains("--grpc-addr") {
        return Some(script);
    }
    let address = format!("--data-dir data --grpc-addr 127.0.0.1:{grpc}");
    Some(script.replace("--data-dir data", &address))
}

fn run_script(script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = without_variables("bash");
    let binary = Path::new(env!("CARGO_BIN_EXE_kilwa")).parent().unwrap();
    let binary = binary.display();
    // Whatever happens, the server does not outlive the script.
    let script = format!(
        "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nPATH='{binary}':$PATH\n{script}"
    );
    shell.args(["-euo", "pipefail", "-c", &script]).current_dir(&folder);
    shell.output().unwrap()
}

/// Two ports that were free before.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
