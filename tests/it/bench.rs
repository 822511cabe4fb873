//! `kilwa bench` against a real server: answers are right for each workload and kind of call, and wrong ones are counted.

use crate::program;
use crate::served::Served;
use crate::server_support::KEY;
use kilwa::proto::authzed::api::v1 as proto;
use proto::relationship_update::Operation;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tonic::codegen::{Bytes, http};

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
    // Without a warm-up, whose calls would not count, however slow the machine is.
    for (flag, value) in [("--duration", "200ms"), ("--warm-up", "0s"), ("--rounds", "1")] {
        if !arguments.contains(&flag) {
            program.args([flag, value]);
        }
    }
    program.args(arguments);
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

#[test]
fn data_are_written_once_and_only_to_a_server_without_others() {
    let (server, _dir) = server();
    let without = bench(server.endpoint(), &["--no-load"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(text(&without.stderr).contains("leave out `--no-load`"), "{}", text(&without.stderr));

    report(server.endpoint(), &[]);
    report(server.endpoint(), &["--no-load"]);
    for others in [["--seed", "2"], ["--workload", "drive"]] {
        let refused = bench(server.endpoint(), &others);
        assert_eq!(refused.status.code(), Some(2), "{others:?}");
        assert!(text(&refused.stderr).contains("data of another benchmark"), "{others:?}");
    }

    let dir = tempfile::tempdir().unwrap();
    let own = Served::start(dir.path());
    Runtime::new().unwrap().block_on(async {
        let request = proto::WriteSchemaRequest { schema: "definition user {}".to_owned() };
        own.schema().await.write_schema(request).await.unwrap();
    });
    let refused = bench(own.endpoint(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("not of a benchmark"), "{}", text(&refused.stderr));
}

#[test]
fn wrong_answers_are_counted_and_shown() {
    let (server, _dir) = server();
    report(server.endpoint(), &[]);
    // Behind the back of the benchmark one person loses a right, and another gets one everywhere.
    change(&server, Operation::Touch, "installation:main", "admin", "user:intruder");
    change(&server, Operation::Touch, "installation:main", "blocked", "user:u0-0");
    for person in 0..42 {
        for org in 0..5 {
            let (organization, user) =
                (format!("organization:o{org}"), format!("user:u{org}-{person}"));
            change(&server, Operation::Delete, &organization, "member", &user);
        }
    }

    for call in ["check", "bulk", "lookup-resources", "lookup-subjects", "90:10"] {
        let output = bench(server.endpoint(), &["--no-load", "--call", call, "--json"]);
        assert_eq!(output.status.code(), Some(1), "{call}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let round = &report["targets"][0]["rounds"][0];
        assert!(round["wrong"].as_u64().unwrap() > 0, "{call}: {round:#}");
        assert_eq!(round["failed"], 0, "{call}: {round:#}");
    }
    let shown = text(&bench(server.endpoint(), &["--no-load"]).stdout);
    assert!(shown.contains("wrong: check of "), "{shown}");
    assert!(shown.contains("the answer was no, and yes is right"), "{shown}");
}

#[test]
fn calls_that_fail_are_counted_and_shown() {
    let (server, _dir) = server();
    report(server.endpoint(), &[]);
    // One of the permissions that are asked for is gone.
    let schema = include_str!("../../schema-examples/gitpod/schema.zed");
    let schema = schema.replace("permission use_api = everyone - blocked", "");
    let schema = format!("{schema}\ndefinition bench_dataset {{ relation loaded: bench_dataset }}");
    Runtime::new().unwrap().block_on(async {
        let request = proto::WriteSchemaRequest { schema };
        server.schema().await.write_schema(request).await.unwrap();
    });

    let output = bench(server.endpoint(), &["--no-load"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("FAILED_PRECONDITION"), "{}", text(&output.stdout));
}

#[test]
fn headers_of_official_clients_do_not_change_answers() {
    let (server, _dir) = server();
    for call in ["check", "bulk", "lookup-subjects"] {
        report(server.endpoint(), &["--call", call, "--gzip", "--deadline", "30s"]);
        report(
            server.endpoint(),
            &["--call", call, "--distribution", "zipf", "--bulk-items", "1000"],
        );
    }
}

#[test]
fn an_open_loop_counts_the_waiting_of_calls_that_could_not_be_made() {
    let (server, _dir) = server();
    // One call at a time cannot be made and answered every two microseconds.
    let arguments = ["--rate", "500000", "--connections", "1", "--in-flight", "1"];
    let times = ["--duration", "1ms"];
    let report = report(server.endpoint(), &[&arguments[..], &times].concat());

    let round = &report["targets"][0]["rounds"][0];
    let seconds = round["seconds"].as_f64().unwrap();
    let latencies = &round["latencies"][0];
    assert_eq!(latencies["count"], 500, "every intended call is made: {round:#}");
    assert!(seconds > 0.001, "{round:#}");
    // The last one was intended at the end of the round and answered at the very end.
    let waited = latencies["max"].as_f64().unwrap() / 1e6;
    assert!(waited > (seconds - 0.001) * 0.9, "{round:#}");
    assert!(latencies["p50"].as_f64().unwrap() / 1e6 > (seconds - 0.001) * 0.2, "{round:#}");
}

#[test]
fn the_servers_process_is_found_and_its_cpu_time_is_read() {
    let (server, _dir) = server();
    for arguments in [vec![], vec!["--server-pid".to_owned(), server.process_id().to_string()]] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let report = report(server.endpoint(), &arguments);
        let used = &report["targets"][0]["rounds"][0]["server"];
        assert!(used["cpu_micros_per_call"].as_f64().unwrap() > 0.0, "{report:#}");
        assert!(used["resident_bytes"].as_u64().unwrap() > 1 << 20, "{report:#}");
    }
}

#[test]
fn two_servers_are_compared_round_by_round() {
    let (first, _first_dir) = server();
    let (second, _second_dir) = server();
    let arguments = ["--compare", second.endpoint(), "--rounds", "2"];
    let report = report(first.endpoint(), &arguments);
    assert_eq!(report["targets"][1]["endpoint"], second.endpoint());
    assert_eq!(report["targets"][1]["rounds"].as_array().unwrap().len(), 2);
    for name in ["calls/s", "check p50 µs", "check p99 µs", "server CPU µs/call"] {
        let ratios = report["ratios"].as_array().unwrap();
        let ratio = ratios.iter().find(|ratio| ratio["name"] == name);
        let ratio = ratio.unwrap_or_else(|| panic!("{name}: {report:#}"));
        let by_round: Vec<f64> = ratio["by_round"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect();
        assert_eq!(by_round.len(), 2, "{name}");
        let median = ratio["spread"]["median"].as_f64().unwrap();
        assert!(
            (median - f64::midpoint(by_round[0], by_round[1])).abs() < 1e-9,
            "{name}: {ratio:#}"
        );
    }

    let shown = text(&bench(first.endpoint(), &arguments).stdout);
    let heading = format!("{} to {}", second.endpoint(), first.endpoint());
    assert!(shown.contains(&heading) && shown.contains("ratio"), "{shown}");
}

#[test]
fn the_reference_server_answers_without_data() {
    let mut reference = program::kilwa();
    let mut reference =
        reference.args(["bench", "reference"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(reference.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let endpoint = line.trim().strip_prefix("listening at ").unwrap().to_owned();

    let measured = [&[][..], &["--call", "health"], &["--gzip", "--deadline", "5s"]]
        .map(|arguments| bench(&endpoint, &[arguments, &["--json"]].concat()));
    reference.kill().unwrap();
    reference.wait().unwrap();
    for output in measured {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(report["targets"][0]["is_reference"], true);
        assert!(report["targets"][0]["rounds"][0]["rate"].as_f64().unwrap() > 0.0, "{report:#}");
    }
}

#[test]
fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
    let (first, dir) = server();
    let (second, _second_dir) = server();
    let file = dir.path().join("page.html");
    let arguments = ["--call", "90:10", "--compare", second.endpoint(), "--rounds", "2"];
    report(first.endpoint(), &[&arguments[..], &["--html", file.to_str().unwrap()]].concat());

    let page = fs::read_to_string(file).unwrap();
    require_closed(page.strip_prefix("<!DOCTYPE html>").unwrap());
    for part in [
        "<svg",
        "Latency by percentile: check",
        "Latency by percentile: write",
        "by round",
        second.endpoint(),
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for outside in ["src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn calls_continue_on_a_new_connection_when_a_server_closes_the_old_one() {
    const CALLS_PER_CONNECTION: usize = 50;
    let runtime = Runtime::new().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (address, counted) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counted = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer_some(stream, CALLS_PER_CONNECTION));
            }
        });
        drop(serving);
        (address, counted)
    });

    let report = report(&address, &["--connections", "1"]);
    let round = &report["targets"][0]["rounds"][0];
    assert_eq!(round["failed"], 0, "{round:#}");
    assert!(counted.load(Ordering::Relaxed) > 2, "{round:#}");
}

/// Answers like the reference server, but says after some calls that it takes no more.
async fn answer_some(stream: TcpStream, calls_max: usize) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut calls = 0;
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        calls += 1;
        let response = http::Response::new(());
        let mut body = respond.send_response(response, false).unwrap();
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 0x10, 2]), false).unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        body.send_trailers(trailers).unwrap();
        if calls == calls_max {
            connection.graceful_shutdown();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes or deletes a relationship.
fn change(server: &Served, operation: Operation, resource: &str, relation: &str, subject: &str) {
    let object = |text: &str| {
        let (object_type, object_id) = text.split_once(':').unwrap();
        proto::ObjectReference {
            object_type: object_type.to_owned(),
            object_id: object_id.to_owned(),
        }
    };
    let subject = proto::SubjectReference { object: Some(object(subject)), ..Default::default() };
    let relationship = proto::Relationship {
        resource: Some(object(resource)),
        relation: relation.to_owned(),
        subject: Some(subject),
        ..Default::default()
    };
    let update =
        proto::RelationshipUpdate { operation: operation.into(), relationship: Some(relationship) };
    let request = proto::WriteRelationshipsRequest { updates: vec![update], ..Default::default() };
    Runtime::new().unwrap().block_on(async {
        server.permissions().await.write_relationships(request).await.unwrap();
    });
}

/// Requires that every element of a page is closed where it has to be.
#[track_caller]
fn require_closed(page: &str) {
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("not closed: {part}"));
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "in {tag}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}
