//! The drill of `docs/operations.md`: its script runs to its end, as it stands on the page but for the ports.

use super::page;
use crate::outside::skipped;
use crate::program::without_variables;
use crate::readme::blocks;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

#[test]
fn a_server_is_secured_watched_rotated_backed_up_lost_and_restored() {
    for (tool, argument) in [("openssl", "version"), ("curl", "--version")] {
        if Command::new(tool).arg(argument).output().is_err() {
            return skipped(&format!("the drill: there is no {tool}"));
        }
    }
    let page = page("operations.md");
    let (_, lines) = blocks(&page).into_iter().find(|(info, _)| *info == "sh drill").unwrap();
    let [grpc, metrics] = free_ports();
    let listeners = format!(
        "--metrics-enabled --metrics-addr 127.0.0.1:{metrics} --grpc-addr 127.0.0.1:{grpc}"
    );
    let script = lines.join("\n").replace("50051", &grpc.to_string());
    let script = script.replace("9090", &metrics.to_string());
    let script = script.replace("--metrics-enabled", &listeners);

    let folder = tempfile::tempdir().unwrap();
    let mut shell = without_variables("bash");
    let binary = Path::new(env!("CARGO_BIN_EXE_kilwa")).parent().unwrap();
    let binary = binary.display();
    // Whatever happens, the server does not outlive the script.
    let script = format!(
        "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nPATH='{binary}':$PATH\n{script}"
    );
    shell.args(["-euo", "pipefail", "-c", &script]).current_dir(&folder);
    let output = shell.output().unwrap();

    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    for line in ["true", "2 relationships, complete and undamaged", "2 relationships restored"] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}\n{errors}");
    }
    assert!(errors.contains("do not include the object id `other-plan`"), "{errors}");
    assert!(printed.contains("grpc_code=\"PermissionDenied\"} 1"), "{printed}");
}

/// Two ports that were free before.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
