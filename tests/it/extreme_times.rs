//! Durations and times at the ends of what can be written: each is accepted or refused with a reason, and none ends the
//! program or a call in a panic.

use super::caveat::judged;
use super::program;
use super::raw_http2::RawConnection;
use super::served::Served;
use super::server_support::{Bearer, KEY, SCHEMA, fresh, question, relationship, touch};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1::ReadRevisionAtRequest;
use kilwa::proto::kilwa::v1::permissions_service_client::PermissionsServiceClient;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use prost_types::Timestamp;
use std::fs;
use tonic::{Code, Status};

/// The longest duration that a flag accepts.
const LONGEST: &str = "18446744073709549568s";

/// Seconds at the ends of an integer, of the years 1 to 9999 and of the nanoseconds that revisions count.
fn seconds() -> impl Strategy<Value = i64> {
    let ends = [
        i64::MIN,
        -62_135_596_801,
        -62_135_596_800,
        -9_223_372_037,
        -1,
        0,
        9_223_372_036,
        9_223_372_037,
        253_402_300_799,
        253_402_300_800,
        i64::MAX,
    ];
    prop_oneof![prop::sample::select(ends.to_vec()).boxed(), any::<i64>().boxed()]
}

fn nanos() -> impl Strategy<Value = i32> {
    let ends = [i32::MIN, -1, 0, 1, 999_999_999, 1_000_000_000, i32::MAX];
    prop_oneof![prop::sample::select(ends.to_vec()).boxed(), any::<i32>().boxed()]
}

/// A duration as text, from none to more than any number holds.
fn duration_text() -> impl Strategy<Value = String> {
    "-?[0-9]{1,22}(\\.[0-9]{1,12})?(ns|us|µs|ms|s|m|h|d|w)"
}

fn time_text() -> impl Strategy<Value = String> {
    "[0-9]{4,6}-(01|02|12|13)-(01|29|31)T(00|23|24):(00|59):(00|59|60)(\\.[0-9]{1,12})?(Z|[+-](00|14|23|99):(00|59))"
}

/// Either fine or the caller's mistake.
fn require_answer(answer: Result<(), Status>, what: &str) {
    if let Err(status) = answer {
        let mistakes = [
            Code::InvalidArgument,
            Code::OutOfRange,
            Code::FailedPrecondition,
            Code::AlreadyExists,
        ];
        assert!(mistakes.contains(&status.code()), "{what}: {status}");
    }
}

#[tokio::test]
async fn timestamps_of_any_size_are_stored_or_refused() {
    let server = fresh().await;
    let mut permissions = server.permissions().await;
    let mut own =
        PermissionsServiceClient::with_interceptor(server.channel().await, Bearer(KEY.to_owned()));
    let mut runner = TestRunner::new(Config::default());
    let strategy = (seconds(), nanos());

    for _ in 0..100 {
        let (seconds, nanos) = strategy.new_tree(&mut runner).unwrap().current();
        let time = Timestamp { seconds, nanos };
        let what = format!("{time:?}");

        let mut update = touch("document:plan#viewer@user:ann");
        update.relationship.as_mut().unwrap().optional_expires_at = Some(time);
        let request =
            proto::WriteRelationshipsRequest { updates: vec![update], ..Default::default() };
        let written = permissions.write_relationships(request).await;
        require_answer(written.map(drop), &what);
        require_answer(server.check("document:plan#view@user:ann").await.map(drop), &what);

        let at = own.read_revision_at(ReadRevisionAtRequest { time: Some(time) }).await;
        require_answer(at.map(drop), &what);
    }
}

#[tokio::test]
async fn deadlines_of_any_size_are_kept_or_ignored() {
    let server = fresh().await;
    let mut connection = RawConnection::open(&server.address).await;
    let question = question("document:plan#view@user:ann");
    for amount in ["0", "1", "99999999", "999999999", "18446744073709551616", "-1", "", "+5"] {
        for unit in ["H", "M", "S", "m", "u", "n", "x", ""] {
            let timeout = format!("{amount}{unit}");
            let headers = [("grpc-timeout", timeout.as_str())];
            let path = "/authzed.api.v1.PermissionsService/CheckPermission";
            let answer = connection.call(path, &headers, &question).await;
            let status = answer.trailers.get("grpc-status").or(answer.headers.get("grpc-status"));
            let status = status.unwrap().to_str().unwrap();
            assert!(["0", "4"].contains(&status), "`{timeout}`: {status}");
        }
    }
}

// The clients answer the server while this thread waits for its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_runs_with_the_longest_of_all_durations() {
    let help = program::kilwa().args(["serve", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let flags: Vec<&str> =
        help.lines().filter_map(|line| line.trim().strip_suffix(" <DURATION>")).collect();
    assert!(flags.len() >= 10, "{help}");
    // A server that announces its stop for so long never ends.
    let flags = flags.iter().filter(|flag| **flag != "--grpc-shutdown-drain-delay");
    let arguments: Vec<&str> = flags.flat_map(|flag| [*flag, LONGEST]).collect();

    let folder = tempfile::tempdir().unwrap();
    let mut server = Served::start_with(folder.path(), &arguments);
    let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(schema).await.unwrap();
    let mut permissions = server.permissions().await;
    for number in 0..3 {
        let relationships = vec![relationship(&format!("document:d{number}#owner@user:ann"))];
        let parts = tokio_stream::iter([proto::ImportBulkRelationshipsRequest { relationships }]);
        permissions.import_bulk_relationships(parts).await.unwrap();
        permissions.check_permission(question("document:d0#view@user:ann")).await.unwrap();
    }
    let exported =
        permissions.export_bulk_relationships(proto::ExportBulkRelationshipsRequest::default());
    let mut exported = exported.await.unwrap().into_inner();
    assert_eq!(exported.message().await.unwrap().unwrap().relationships.len(), 3);

    drop((exported, permissions));
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn no_duration_or_time_of_a_command_line_ends_it_in_a_panic() {
    let mut runner = TestRunner::new(Config::default());
    let strategy = prop_oneof![duration_text().boxed(), time_text().boxed()];
    for _ in 0..12 {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        let check = ["permission", "check", "document:plan", "view", "user:ann"];
        let write = ["relationship", "touch", "document:plan", "viewer", "user:ann"];
        for (command, flag) in [(check, "--as-of"), (write, "--expires-at")] {
            let flag = format!("{flag}={text}");
            // Nothing listens there.
            let output = program::kilwa()
                .args(command)
                .args([&flag, "--endpoint", "127.0.0.1:1", "--token", "key"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{flag}: {said}");
            assert!(!said.contains("panicked"), "{flag}: {said}");
        }
    }
}

#[test]
fn no_expiration_of_a_validation_file_ends_it_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("validation.yaml");
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..12 {
        let time = time_text().new_tree(&mut runner).unwrap().current();
        let text = format!(
            "schema: |-\n  use expiration\n  definition user {{}}\n  definition document {{\n    relation viewer: user with expiration\n  }}\n\
             relationships: |-\n  document:plan#viewer@user:ann[expiration:{time}]\n\
             assertions:\n  assertTrue:\n    - document:plan#viewer@user:ann\n"
        );
        fs::write(&file, text).unwrap();
        let output = program::kilwa().arg("validate").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0..=2)), "{time}: {said}");
        assert!(!said.contains("panicked"), "{time}: {said}");
    }
}

proptest! {
    #[test]
    fn no_arithmetic_of_a_caveat_panics(
        time in time_text(),
        (a, b) in (duration_text(), duration_text()),
        operator in prop::sample::select(["+", "-"].as_slice()),
    ) {
        let given = "t timestamp, a duration, b duration";
        let context = format!(r#"{{"t": "{time}", "a": "{a}", "b": "{b}"}}"#);
        for body in [
            format!("t {operator} a < t && b <= b"),
            format!("a {operator} b < a || t == t"),
            format!("t {operator} a {operator} b == t"),
            format!("t - (t {operator} a) == b"),
            format!("(a {operator} b).getMilliseconds() == 0 || t != t"),
        ] {
            // Whatever it says.
            drop(judged(given, &body, "{}", &context));
        }
    }
}
