//! Flags of `spicedb serve`, one by one, as the page says.

use super::page::{self, Outcome};
use super::{Started, refused, server};
use crate::cli_serve::kilwa;

/// The flags of `spicedb serve` and `spicedb serve-testing` in release 1.56.2, hidden ones and some of earlier releases
/// beside them, one a line: a name and `switch` or `value`.
const ALL: &str = include_str!("flags.txt");

/// A flag of `SpiceDB`.
struct Flag {
    name: &'static str,
    is_switch: bool,
}

fn all() -> Vec<Flag> {
    let flags: Vec<Flag> = ALL
        .lines()
        .map(|line| {
            let (name, shape) = line.split_once(' ').unwrap();
            assert!(["switch", "value"].contains(&shape), "{line}");
            Flag { name, is_switch: shape == "switch" }
        })
        .collect();
    assert!(flags.len() > 150, "{}", flags.len());
    flags
}

/// The flag with a value that the page does not accept, where it accepts some.
fn given(flag: &Flag) -> Vec<String> {
    let name = format!("--{}", flag.name);
    match (flag.is_switch, flag.name) {
        (true, "grpc-enabled") => vec![format!("{name}=false")],
        (true, _) => vec![name],
        (false, _) => vec![name, "postgres".to_owned()],
    }
}

fn texts(arguments: &[Vec<String>]) -> Vec<&str> {
    arguments.iter().flatten().map(String::as_str).collect()
}

#[test]
fn flags_without_effect_are_accepted_with_one_warning() {
    let page = page::read();
    let flags: Vec<Flag> = all()
        .into_iter()
        .filter(|flag| page::outcome(&page, flag.name).outcome == Outcome::NoEffect)
        .collect();
    assert!(flags.len() > 100, "{}", flags.len());
    let arguments: Vec<Vec<String>> = flags.iter().map(given).collect();
    let started = Started::new(&texts(&arguments), &[]);

    let warnings = started.logged("without effect");
    assert_eq!(warnings.len(), 1, "{}", started.log());
    for flag in &flags {
        assert!(warnings[0].contains(&format!("`--{}`", flag.name)), "{}: {warnings:?}", flag.name);
    }
    assert!(!warnings[0].contains("postgres"), "a value is told: {warnings:?}");
}

#[test]
fn flags_that_ask_for_something_else_are_refused_with_a_sentence() {
    let page = page::read();
    let mut refusals = 0;
    for flag in all() {
        let row = page::outcome(&page, flag.name);
        if row.outcome != Outcome::Refused {
            continue;
        }
        refusals += 1;
        let arguments = [given(&flag)];
        let error = refused(&texts(&arguments), &[]);
        assert!(error.starts_with("error: `--"), "{error}");
        assert!(error.contains(&format!("`--{}`", flag.name)), "{error}");
        assert!(error.contains("leave it out"), "{error}");
        assert!(!error.contains("postgres"), "a value is told: {error}");
        assert!(!error.contains("similar"), "{error}");
    }
    assert!(refusals > 10, "{refusals}");

    let both = refused(&["--datastore-conn-uri=x", "--readonly-grpc-tls-key-path=y"], &[]);
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn values_that_ask_for_nothing_else_are_accepted() {
    let page = page::read();
    let mut arguments = Vec::new();
    for flag in all() {
        for value in &page::outcome(&page, flag.name).accepted {
            // A flag that Kilwa has may be given only once.
            arguments.push(format!("--{}={value}", flag.name));
        }
    }
    assert!(arguments.len() > 8, "{arguments:?}");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started = Started::new(&arguments, &[]);
    let warnings = started.logged("without effect");
    assert_eq!(warnings.len(), 1, "{}", started.log());
    assert!(warnings[0].contains("`--datastore-engine`"), "{warnings:?}");
}

/// A value that a flag takes which Kilwa has as well.
fn sample(name: &str) -> &'static str {
    match name {
        name if name.ends_with("-addr") => "127.0.0.1:0",
        name if name.ends_with("-enabled") || name == "datastore-readonly" => "false",
        "otel-provider" => "none",
        "otel-sample-ratio" => "0.5",
        "otel-insecure" => "true",
        "otel-trace-propagator" => "w3c",
        "log-level" => "debug",
        "log-format" => "auto",
        name if name.ends_with("-limit") || name.ends_with("-call") => "7",
        name if name.ends_with("-size")
            || name.ends_with("-length")
            || name.ends_with("-depth") =>
        {
            "7"
        }
        "grpc-preshared-key" | "datastore-bootstrap-files" | "load-configs" => "text",
        _ => "30s",
    }
}

#[test]
fn flags_with_the_same_meaning_are_flags_of_kilwa() {
    let page = page::read();
    let folder = tempfile::tempdir().unwrap();
    let mut same = 0;
    for flag in all() {
        if page::outcome(&page, flag.name).outcome != Outcome::Same {
            continue;
        }
        same += 1;
        // Whether the value is taken, without starting anything.
        let given = format!("--{}={}", flag.name, sample(flag.name));
        let of_testing = flag.name.starts_with("readonly-") || flag.name == "load-configs";
        let command = if of_testing { "serve-testing" } else { "serve" };
        let output = kilwa(folder.path()).args([command, &given, "--help"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{given}: {}", super::said(&output));
        let nonsense = format!("--{}x=1", flag.name);
        let output = kilwa(folder.path()).args([command, &nonsense]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{nonsense}");
    }
    assert!(same > 20, "{same}");
}

#[test]
fn a_switch_is_read_as_go_reads_it() {
    for (value, accepted) in
        [("=0", true), ("=F", true), ("=false", true), ("", false), ("=T", false)]
    {
        let flag = format!("--datastore-bootstrap-overwrite{value}");
        let folder = tempfile::tempdir().unwrap();
        // The level is refused before anything is opened.
        let output = server(folder.path(), &[&flag, "--log-level", "loud"], &[]).output().unwrap();
        let error = super::said(&output);
        assert_eq!(error.contains("no log level"), accepted, "{flag}: {error}");
    }
    let started = Started::new(&["--datastore-readonly=1"], &[]);
    assert!(started.address.starts_with("127.0.0.1:"));
}

#[test]
fn what_looks_like_a_flag_of_spicedb_and_is_none_is_refused_by_its_name() {
    // The last one lacks its value.
    for flag in
        ["--datastore-conn-urj=x", "--dispatch-max-dept=5", "--telemetry", "--datastore-engine"]
    {
        let error = refused(&[flag], &[]);
        let name = flag.split('=').next().unwrap();
        assert!(error.contains(&format!("unexpected argument '{name}'")), "{error}");
    }
}

#[test]
fn commands_of_spicedb_and_zed_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    for (words, sentence) in [
        (vec!["datastore", "migrate", "head"], "needs no migrations"),
        (vec!["migrate", "head"], "needs no migrations"),
        (vec!["lsp"], "`kilwa schema check FILE`"),
        (vec!["context", "set", "dev", "localhost:50051", "key"], "KILWA_ENDPOINT"),
        (vec!["schema", "compile", "root.zed"], "`kilwa schema format FILE`"),
        (vec!["backup", "parse-revision", "a"], "ZedToken"),
        (vec!["check", "document:plan", "view", "user:ann"], "`kilwa permission check`"),
        (vec!["relationship", "check"], "`kilwa permission check`"),
    ] {
        let output = kilwa(folder.path()).args(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let error = super::said(&output);
        assert!(error.starts_with("error: ") && error.contains(sentence), "{words:?}: {error}");
    }
}
