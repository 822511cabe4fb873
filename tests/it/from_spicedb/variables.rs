//! Variables of `SpiceDB` for a server.

use super::{Started, refused};

const KEY: &str = "a secret of SpiceDB";

#[test]
fn variables_are_used_where_kilwas_own_are_not_set() {
    let variables = [
        ("SPICEDB_GRPC_PRESHARED_KEY", KEY),
        ("SPICEDB_DATASTORE_GC_WINDOW", "2h"),
        ("SPICEDB_GRPC_SHUTDOWN_GRACE_PERIOD", "1s"),
        ("KILWA_LOG_FORMAT", "text"),
        ("SPICEDB_LOG_FORMAT", "json"),
        ("SPICEDB_GRPC_ADDR", "192.0.2.1:1"),
        ("SPICEDB_TELEMETRY_ENDPOINT", "https://example.org"),
        ("SPICEDB_DATASTORE_CONN_URI", ""),
        ("SPICEDB_SERVICE_HOST", "10.0.0.1"),
        ("SPICEDB_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
    ];
    let started = Started::new(&[], &variables);
    let lines = started.logged("variables of SpiceDB");
    assert_eq!(lines.len(), 1, "{}", started.log());
    let (used, ignored) = lines[0].split_once("ignored").unwrap();
    for name in
        ["GRPC_PRESHARED_KEY", "DATASTORE_GC_WINDOW", "GRPC_SHUTDOWN_GRACE_PERIOD"].map(spicedb)
    {
        assert!(used.contains(&name), "{name}: {used}");
    }
    // A variable of Kilwa wins, and so does a flag.
    for name in ["LOG_FORMAT", "GRPC_ADDR"].map(spicedb) {
        assert!(!lines[0].contains(&name), "{name}: {lines:?}");
    }
    for name in ["SERVICE_HOST", "PORT_50051_TCP"].map(spicedb) {
        assert!(ignored.contains(&name), "{name}: {ignored}");
    }
    assert!(started.logged("without effect")[0].contains("`SPICEDB_TELEMETRY_ENDPOINT`"));
    assert!(!started.log().contains(KEY), "the key is in the log");

    let mut command = crate::cli_serve::kilwa(started.folder.path());
    command.args(["relationship", "read", "document", "--endpoint", &started.address]);
    let output = command.args(["--token", KEY]).output().unwrap();
    assert!(!super::said(&output).contains("PERMISSION_DENIED"), "{}", super::said(&output));
}

fn spicedb(name: &str) -> String {
    format!("SPICEDB_{name}")
}

#[test]
fn nothing_is_logged_where_there_is_no_variable() {
    let started = Started::new(&[], &[("SPICEDB_LOG_LEVEL", "")]);
    assert!(started.logged("SpiceDB").is_empty(), "{}", started.log());
}

#[test]
fn variables_that_ask_for_something_else_are_refused() {
    for (name, value) in [
        ("SPICEDB_DATASTORE_CONN_URI", "postgres://me:secret@db/spicedb"),
        ("SPICEDB_DATASTORE_ENGINE", "postgres"),
        ("SPICEDB_READONLY_GRPC_TLS_CERT_PATH", "cert.pem"),
        ("SPICEDB_DATASTORE_BOOTSTRAP_OVERWRITE", "true"),
    ] {
        let error = refused(&[], &[(name, value)]);
        assert!(error.starts_with(&format!("error: `{name}`")), "{error}");
        assert!(!error.contains(value), "{error}");
    }
}

#[test]
fn a_value_that_is_refused_is_traced_to_its_variable() {
    for name in ["SPICEDB_DATASTORE_GC_WINDOW", "KILWA_DATASTORE_GC_WINDOW"] {
        let error = refused(&[], &[(name, "soon")]);
        assert!(error.contains("`soon` is not a duration"), "{error}");
        assert!(error.contains(name), "{error}");
    }
    let error = refused(&["--datastore-gc-window=soon"], &[("SPICEDB_DATASTORE_GC_WINDOW", "1h")]);
    assert!(!error.contains("variable"), "{error}");
}
