//! The dashboard and the alert rules in `deploy/`: every metric that they name is in a scrape of a running server.

use crate::certificates::Authority;
use crate::metrics::ask;
use crate::outside::has_promtool;
use crate::server_support::{SCHEMA, config, start_with};
use kilwa::audit::AuditTarget;
use kilwa::config::{HttpListenerOptions, TlsFiles, TransportSecurity};
use kilwa::server::Server;
use kilwa::traces::TraceProtocol;
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// The queries of a dashboard, at any depth.
pub(crate) fn queries(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(text) if name == "expr" => vec![text.to_owned()],
                _ => queries(value),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(queries).collect(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => Vec::new(),
    }
}

/// The metrics of Kilwa that a query names.
fn metrics(query: &str) -> BTreeSet<String> {
    // What stands in quotes or after `by` is a label or its value.
    let bare = Regex::new("\"[^\"]*\"|by \\([^)]*\\)").unwrap().replace_all(query, "");
    let name = Regex::new(r"\b(kilwa|grpc_server|check)_[a-z_]+\b").unwrap();
    name.find_iter(&bare).map(|found| found.as_str().to_owned()).collect()
}

/// A scrape of a server that has answered a check.
async fn scrape() -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir.path().join("data"));
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    // What is in a scrape only where it is used: the audit log, traces, and TLS.
    config.audit.target = Some(AuditTarget::File(dir.path().join("audit.jsonl")));
    config.traces.protocol = Some(TraceProtocol::Http);
    config.traces.sample_ratio = 0.0;
    let files = Authority::new("an authority").server().write(dir.path(), "http");
    let tls = TlsFiles { certificate: files.certificate, key: files.key, client_ca: None };
    config.http = Some(HttpListenerOptions {
        address: "127.0.0.1:0".to_owned(),
        transport: TransportSecurity::Tls(tls),
        ..HttpListenerOptions::default()
    });
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;
    running.write_schema(SCHEMA).await.unwrap();
    assert!(!running.has("document:plan#view@user:ann").await);
    let answer = ask(address, &["GET /metrics HTTP/1.1"]).await;
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    running.stop().await.unwrap();
    text.to_owned()
}

#[tokio::test]
async fn what_the_dashboard_and_the_alerts_name_is_there() {
    let scrape = scrape().await;
    let dashboard = fs::read_to_string(deployed("grafana/kilwa.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let shown = queries(&dashboard);
    assert!(shown.len() > 30, "the dashboard has {} queries", shown.len());

    let rules = fs::read_to_string(deployed("prometheus/kilwa.rules.yml")).unwrap();
    let rules = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let alerts: Vec<String> = rules.map(str::to_owned).collect();
    assert!(alerts.len() >= 10, "there are {} alerts", alerts.len());

    for query in shown.iter().chain(&alerts) {
        let named = metrics(query);
        assert!(!named.is_empty() || query.starts_with("up{"), "{query} names no metric");
        for metric in named {
            let is_there = scrape.lines().any(|line| {
                let rest = line.strip_prefix(&metric);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            assert!(is_there, "`{metric}` of `{query}` is not in {scrape}");
        }
    }
}

#[test]
fn metrics_are_found_in_queries() {
    let query = "sum by (kilwa_label) (rate(kilwa_a_total{x=\"kilwa_b\"}[5m])) / kilwa_c";
    assert_eq!(metrics(query), BTreeSet::from(["kilwa_a_total".into(), "kilwa_c".into()]));
}

#[tokio::test]
async fn promtool_accepts_the_rules_and_a_scrape() {
    if !has_promtool() {
        return;
    }
    let rules = deployed("prometheus/kilwa.rules.yml");
    let checked = Command::new("promtool").args(["check", "rules"]).arg(rules).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(scrape().await.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    // Remarks on style, such as on names that SpiceDB has too, are no errors.
    assert!(checked.status.code().is_some_and(|code| code != 1), "{said}");
}
