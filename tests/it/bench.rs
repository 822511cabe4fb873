//! `kilwa bench` against a real server: answers are right for each workload and kind of call, and wrong ones are counted.

use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use serde_json::Value;
use std::process::{Command, Output};
use tempfile::TempDir;

const WORKLOADS: [&str; 8] =
    ["tenants", "drive", "groups", "wide", "lattice", "exclusions", "caveats", "social"];
const CALLS: [&str; 8] = [
    "check",
    "bulk",
    "lookup-resources",
    "lookup-subjects",
    "write",
    "write-then-read",
    "90:10",
    "health",
];

fn server() -> (Served, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Served::start(dir.path()), dir)
}

/// A short run with a key.
fn bench(endpoint: &str, arguments: &[&str]) -> Output {
    command(endpoint, arguments).output().unwrap()
}

fn command(endpoint: &str, arguments: &[&str]) -> Command {
    let mut program = program::kilwa();
    program.args(["bench", "--endpoint", endpoint, "--token", KEY, "--relationships", "2000"]);
    program.args(["--duration", "200ms", "--warm-up", "50ms", "--rounds", "1"]).args(arguments);
    program
}

/// The report of a run that went well.
#[track_caller]
fn report(endpoint: &str, arguments: &[&str]) -> Value {
    let output = bench(endpoint, &[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    let report: Value = report.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {report:#} {said}");
    report
}

#[test]
fn every_answer_is_right_for_each_workload_and_kind_of_call() {
    for workload in WORKLOADS {
        let (server, _dir) = server();
        for call in CALLS {
            let report = report(server.endpoint(), &["--workload", workload, "--call", call]);
            let round = &report["targets"][0]["rounds"][0];
            assert_eq!(round["wrong"], 0, "{workload}, {call}: {round:#}");
            assert_eq!(round["failed"], 0, "{workload}, {call}: {round:#}");
            let answers = round["latencies"][0]["count"].as_u64().unwrap();
            assert!(answers > 0, "{workload}, {call}: {round:#}");
        }
    }
}
