//! Variables and flags of `zed`, and the hints of the commands for new users.

use super::said;
use crate::cli_serve::kilwa;
use crate::served::Served;
use crate::server_support::KEY;
use std::net::TcpListener;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A server, and a folder for the commands that speak to it.
struct Beside {
    server: Served,
    folder: TempDir,
    _data: TempDir,
}

impl Beside {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { server: Served::start(data.path()), folder, _data: data }
    }

    fn command(&self) -> Command {
        let mut command = kilwa(self.folder.path());
        command.env_remove("KILWA_ENDPOINT");
        command
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command().args(arguments).envs(variables.iter().copied()).output().unwrap()
    }

    fn write_schema(&self) {
        let text = "definition user {}\ndefinition document {\n  relation viewer: user\n}\n";
        std::fs::write(self.folder.path().join("a.zed"), text).unwrap();
        let output = self.run(&["schema", "write", "a.zed"], &self.zed());
        assert!(output.status.success(), "{}", said(&output));
    }

    fn zed(&self) -> [(&str, &str); 2] {
        [("ZED_ENDPOINT", self.server.endpoint()), ("ZED_TOKEN", KEY)]
    }
}

#[test]
fn commands_read_the_variables_of_zed() {
    let beside = Beside::new();
    beside.write_schema();
    let output = beside.run(&["schema", "read"], &beside.zed());
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "used: ZED_ENDPOINT, ZED_TOKEN\n");

    let endpoint = beside.server.endpoint();
    let own = [
        ("ZED_ENDPOINT", "192.0.2.1:1"),
        ("KILWA_ENDPOINT", endpoint),
        ("ZED_TOKEN", "wrong"),
        ("KILWA_TOKEN", KEY),
    ];
    let output = beside.run(&["schema", "read"], &own);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "");

    let flags = ["schema", "read", "--endpoint", endpoint, "--token", KEY];
    let output = beside.run(&flags, &[("ZED_ENDPOINT", "192.0.2.1:1"), ("ZED_TOKEN", "wrong")]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_key_is_not_sent_in_the_clear_where_zed_would_speak_tls() {
    let beside = Beside::new();
    let away = [("ZED_ENDPOINT", "192.0.2.1:443"), ("ZED_TOKEN", "secret")];
    let output = beside.run(&["schema", "read"], &away);
    assert_eq!(output.status.code(), Some(2));
    let error = said(&output);
    assert!(error.contains("ZED_INSECURE") && error.contains("TLS"), "{error}");
    assert!(!error.contains("secret"), "{error}");

    // Loopback needs no TLS.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = beside.run(&["schema", "read"], &[("ZED_ENDPOINT", &nobody)]);
    assert!(said(&output).contains("no server answers"), "{}", said(&output));
}

#[test]
fn flags_of_zed_are_taken_or_refused_with_a_sentence() {
    let beside = Beside::new();
    beside.write_schema();
    let endpoint = beside.server.endpoint();
    let before = ["--endpoint", endpoint, "--insecure", "--token", KEY, "--log-level=debug"];
    let read = ["schema", "read", "--skip-version-check", "--max-retries", "3"];
    let output = beside.run(&[&before[..], &read].concat(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let warning = said(&output);
    assert_eq!(warning.lines().count(), 1, "{warning}");
    for flag in ["`--log-level`", "`--skip-version-check`", "`--max-retries`"] {
        assert!(warning.contains(flag), "{warning}");
    }

    // Flags may stand between the words of a command.
    let between = ["schema", "--endpoint", endpoint, "read", "--token", KEY];
    let output = beside.run(&between, &[]);
    assert!(output.status.success(), "{}", said(&output));
    // What Go reads as true.
    let [endpoint, token] = beside.zed();
    for (value, is_json) in [("1", true), ("T", true), ("0", false), ("false", false)] {
        let output = beside.run(&["schema", "read"], &[endpoint, token, ("ZED_JSON", value)]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(output.stdout.starts_with(b"{"), is_json, "{value}");
    }

    for flag in ["--hostname-override=shop", "--permissions-system=shop"] {
        let output = beside.run(&["schema", "read", flag], &beside.zed());
        assert_eq!(output.status.code(), Some(2), "{flag}");
        let name = flag.split('=').next().unwrap();
        assert!(said(&output).starts_with(&format!("error: `{name}`")), "{}", said(&output));
    }
    // What Kilwa has under the same name is Kilwa's.
    let lookup = ["permission", "lookup-resources", "document", "viewer", "user:ann"];
    let output = beside.run(&[&lookup[..], &["--page-limit", "3"]].concat(), &beside.zed());
    assert!(output.status.success() && !said(&output).contains("effect"), "{}", said(&output));
}

/// The flags of zed's commands, beside those for every command.
const OF_COMMANDS: &[(&str, &[&str])] = &[
    ("backup create a.backup", &["page-limit 5", "prefix-filter shop", "rewrite-legacy"]),
    (
        "backup restore a.backup",
        &["batch-size 5", "batches-per-transaction 5", "disable-retries", "request-timeout 5s"],
    ),
    (
        "backup redact a.backup b.backup",
        &[
            "print-redacted-object-ids",
            "redact-definitions",
            "redact-object-ids",
            "redact-relations",
        ],
    ),
    ("import a.yaml", &["batch-size 5", "workers 5", "schema=false", "relationships=false"]),
    ("permission bulk a:b#view@c:d", &["explain", "json", "revision x", "schema"]),
    ("permission check a:b view c:d", &["error-on-no-permission", "explain", "schema"]),
    ("permission expand view a:b", &["json", "revision x"]),
    ("permission lookup-resources a view c:d", &["page-limit 5", "show-cursor=false"]),
    ("permission lookup-subjects a:b view c", &["revision x", "consistency-min-latency"]),
    ("relationship bulk-delete a", &["force", "optional-limit 5", "subject-filter c"]),
    ("relationship create a:b view c:d", &["batch-size 5", "expiration-time 2030-01-02T03:04:05Z"]),
    ("relationship read a", &["page-limit 5", "subject-filter c"]),
    ("relationship watch", &["filter a"]),
    ("relationship watch a", &["object_types a", "revision x", "timestamp"]),
    ("schema write a.zed", &["json", "schema-definition-prefix shop"]),
    ("schema read", &["json"]),
    ("version", &["include-remote-version"]),
];

#[test]
fn every_flag_of_zed_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let global = [
        "certificate-path x",
        "hostname-override x",
        "insecure",
        "log-format auto",
        "log-level debug",
        "max-message-size 5",
        "max-retries 5",
        "no-verify-ca",
        "permissions-system x",
        "proxy x",
        "request-id x",
        "skip-version-check",
        "token x",
    ];
    for (command, flags) in OF_COMMANDS {
        for flag in global.iter().chain(flags.iter()) {
            let words = format!("{command} --{flag} --endpoint {nobody}");
            let mut kilwa = kilwa(folder.path());
            let output = kilwa.args(words.split(' ')).output().unwrap();
            // Whatever else is wrong, the flag is not.
            let error = said(&output);
            for clap in ["unexpected argument", "unrecognized", "Usage", "tip:"] {
                assert!(!error.contains(clap), "{words}: {error}");
            }
        }
    }
}

#[test]
fn a_server_tells_its_version() {
    let beside = Beside::new();
    let version = env!("CARGO_PKG_VERSION");
    for with_schema in [false, true] {
        if with_schema {
            beside.write_schema();
        }
        for flag in ["--server", "--include-remote-version"] {
            let output = beside.run(&["version", flag], &beside.zed());
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text, format!("kilwa {version}\nserver kilwa-{version}\n"));
        }
    }
    let output = beside.run(&["version", "--server", "--json"], &beside.zed());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["server"], format!("kilwa-{version}"));

    let output = beside.run(&["version"], &[]);
    assert_eq!(output.stdout, format!("kilwa {version}\n").into_bytes());
    let wrong = [("KILWA_ENDPOINT", beside.server.endpoint()), ("KILWA_TOKEN", "wrong")];
    let output = beside.run(&["version", "--server"], &wrong);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn mistakes_of_somebody_new_come_with_what_to_do() {
    let beside = Beside::new();
    let endpoint = beside.server.endpoint();
    let at = ["--endpoint", endpoint];
    let refused = |arguments: &[&str]| {
        let output = beside.run(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = said(&output);
        assert!(error.starts_with("error: "), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let with = |arguments: &[&str]| refused(&[arguments, &at, &["--token", KEY]].concat());

    let error = refused(&[&["schema", "read"], &at[..], &["--token", "wrong"]].concat());
    assert!(error.contains("invalid preshared key") && error.contains("KILWA_TOKEN"), "{error}");
    let error = refused(&[&["schema", "read"], &at[..]].concat());
    assert!(error.contains("UNAUTHENTICATED") && error.contains("preshared.key"), "{error}");
    let error = with(&["schema", "read"]);
    assert!(error.contains("NOT_FOUND") && error.contains("kilwa schema write FILE"), "{error}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = refused(&["schema", "read", "--endpoint", &nobody]);
    assert!(error.contains(&nobody) && error.contains("kilwa serve"), "{error}");
    for endpoint in ["localhost", "127.0.0.1", "", "a b:1"] {
        let error = refused(&["schema", "read", "--endpoint", endpoint]);
        assert!(error.contains("write it like `127.0.0.1:50051`"), "{endpoint}: {error}");
    }
    let error = refused(&["schema", "read", "--endpoint", "https://example.org:443", "--insecure"]);
    assert!(error.contains("leave out one of them"), "{error}");
    let error = with(&["schema", "write", "none.zed"]);
    assert!(error.contains("`none.zed` cannot be read"), "{error}");

    beside.write_schema();
    let error = with(&["permission", "check", "document:plan", "view", "user:ann"]);
    assert!(error.contains("UNKNOWN_RELATION_OR_PERMISSION"), "{error}");
    assert!(error.contains("`view`") && error.contains("`document`"), "{error}");
    let error = with(&["relationship", "create", "document:plan", "viewer", "ann"]);
    assert!(error.contains("ann"), "{error}");
}

#[test]
fn servers_with_tls_or_another_protocol_are_distinguished_from_missing_ones() {
    use std::io::{Read as _, Write as _};
    // A TLS alert, as a TLS server answers something that is no TLS; and a web server.
    for answer in [&b"\x15\x03\x01\x00\x02\x02\x46"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).unwrap();
            // Padded to the length of a frame's head.
            stream.write_all(&[answer, &[0; 9]].concat()).unwrap();
            drop(stream.read(&mut [0; 1024]));
        });
        let folder = tempfile::tempdir().unwrap();
        let mut command = kilwa(folder.path());
        let output = command.args(["schema", "read", "--endpoint", &endpoint]).output().unwrap();
        answering.join().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("it may need TLS"), "{}", said(&output));
    }
}
