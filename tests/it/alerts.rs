//! The alert rules in `deploy/`, and the queries of the dashboard, as Prometheus evaluates them.

use crate::dashboards::{deployed, queries};
use crate::outside::has_promtool;
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// An alert, with what makes it fire.
struct Case {
    alert: &'static str,
    /// The labels that it has beside `severity`.
    labels: &'static [(&'static str, &'static str)],
    /// Series by minutes: the name, the values that make it fire, and such that just do not.
    series: &'static [[&'static str; 3]],
    /// When it fires, in minutes.
    after: u32,
}

const TARGET: &[(&str, &str)] = &[("instance", "a"), ("job", "kilwa")];
const INSTANCE: &[(&str, &str)] = &[("instance", "a")];

const CASES: &[Case] = &[
    case("KilwaDown", TARGET, 2, &[["up", "0x30", "1x30"]]),
    case("KilwaWritesStopped", TARGET, 2, &[["kilwa_writes_stopped", "1x30", "0x30"]]),
    case("KilwaFilesNotReloaded", TARGET, 2, &[["kilwa_files_not_reloaded", "1x30", "0x30"]]),
    case(
        "KilwaErrors",
        INSTANCE,
        15,
        &[["grpc_server_handled_total{grpc_code=\"Internal\"}", "0+1x30", "7x30"]],
    ),
    case(
        "KilwaRefusesCalls",
        &[("instance", "a"), ("limit", "write_queue")],
        15,
        &[["kilwa_limits_reached_total{limit=\"write_queue\"}", "0+72x30", "0+48x30"]],
    ),
    case(
        "KilwaSlowChecks",
        INSTANCE,
        20,
        &[
            [
                "grpc_server_handling_seconds_bucket{grpc_method=\"CheckPermission\",le=\"0.1\"}",
                "0+980x30",
                "0+995x30",
            ],
            [
                "grpc_server_handling_seconds_bucket{grpc_method=\"CheckPermission\",le=\"1\"}",
                "0+1000x30",
                "0+1000x30",
            ],
            [
                "grpc_server_handling_seconds_bucket{grpc_method=\"CheckPermission\",le=\"+Inf\"}",
                "0+1000x30",
                "0+1000x30",
            ],
        ],
    ),
    case("KilwaWriteQueue", TARGET, 6, &[["kilwa_write_queue_writes", "1001x30", "1000x30"]]),
    case(
        "KilwaConnections",
        TARGET,
        6,
        &[["kilwa_connections", "81x30", "80x30"], ["kilwa_connections_max", "100x30", "100x30"]],
    ),
    case(
        "KilwaWatchDelay",
        INSTANCE,
        20,
        &[
            ["kilwa_watch_delay_seconds_bucket{le=\"10\"}", "0+980x30", "0+995x30"],
            ["kilwa_watch_delay_seconds_bucket{le=\"60\"}", "0+1000x30", "0+1000x30"],
            ["kilwa_watch_delay_seconds_bucket{le=\"+Inf\"}", "0+1000x30", "0+1000x30"],
        ],
    ),
    case(
        "KilwaStalls",
        TARGET,
        15,
        &[["kilwa_rocksdb_stall_microseconds_total", "0+7200000x30", "0+4800000x30"]],
    ),
    case(
        "KilwaCollectionFails",
        &[("instance", "a"), ("job", "kilwa"), ("result", "failed")],
        15,
        &[["kilwa_collections_total{result=\"failed\"}", "0 0 0 1x30", "1x30"]],
    ),
    case(
        "KilwaDiskSpace",
        TARGET,
        6,
        &[
            ["kilwa_disk_free_bytes", "79x30", "80x30"],
            ["kilwa_disk_reserve_bytes", "10x30", "10x30"],
        ],
    ),
    // Time begins at 0 here. Seven days have 604,800 seconds.
    case(
        "KilwaCertificateExpires",
        &[("instance", "a"), ("job", "kilwa"), ("listener", "HTTP")],
        1,
        &[[
            "kilwa_certificate_expiry_timestamp_seconds{listener=\"HTTP\"}",
            "604800x30",
            "604900x30",
        ]],
    ),
    case("KilwaClockInDoubt", TARGET, 2, &[["kilwa_clock_in_doubt", "1x30", "0x30"]]),
    case("KilwaKeySetsNotFetched", TARGET, 11, &[["kilwa_key_sets_not_fetched", "1x30", "0x30"]]),
    case("KilwaAuditDrops", TARGET, 10, &[["kilwa_audit_dropped_total", "0+1x30", "3x30"]]),
];

const fn case(
    alert: &'static str,
    labels: &'static [(&'static str, &'static str)],
    after: u32,
    series: &'static [[&'static str; 3]],
) -> Case {
    Case { alert, labels, series, after }
}

/// The alerts of the rules, each with its severity and its annotations.
fn alerts() -> BTreeMap<String, (String, BTreeMap<String, String>)> {
    let text = fs::read_to_string(deployed("prometheus/kilwa.rules.yml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    let groups = documents[0]["groups"].as_sequence().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap());
    let text = |value: &Yaml<'_>| value.as_str().unwrap().to_owned();
    let alert = |rule: &Yaml<'_>| {
        let annotations = rule["annotations"].as_mapping().unwrap().iter();
        let annotations = annotations.map(|(name, value)| (text(name), text(value))).collect();
        (text(&rule["alert"]), (text(&rule["labels"]["severity"]), annotations))
    };
    rules.map(alert).collect()
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let alerts = alerts();
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in alerts.keys() {
        assert!(CASES.iter().any(|case| case.alert == alert), "{alert} has no case");
    }
    if !has_promtool() {
        return;
    }

    let cases = CASES.iter().filter(|case| alerts.contains_key(case.alert));
    let tests = cases.flat_map(|case| {
        let (severity, annotations) = &alerts[case.alert];
        let mut labels: BTreeMap<&str, &str> = case.labels.iter().copied().collect();
        let annotations: BTreeMap<&str, String> = annotations
            .iter()
            .map(|(name, text)| {
                let fill = |text: String, (label, value): (&&str, &&str)| {
                    text.replace(&format!("{{{{ $labels.{label} }}}}"), value)
                };
                (name.as_str(), labels.iter().fold(text.clone(), fill))
            })
            .collect();
        labels.insert("severity", severity);
        let fired = json!([{"exp_labels": labels, "exp_annotations": annotations}]);
        [unit_test(case, 1, &fired), unit_test(case, 2, &json!([]))]
    });
    let rules = deployed("prometheus/kilwa.rules.yml");
    let file = json!({
        "rule_files": [rules],
        "evaluation_interval": "1m",
        "tests": tests.collect::<Vec<_>>(),
    });
    promtool(&["test", "rules"], &file);
}

/// A test of promtool that an alert is as expected at the end, with the values of a column.
fn unit_test(case: &Case, column: usize, expected: &Value) -> Value {
    let series = case.series.iter().map(|series| {
        let name = match series[0].split_once('{') {
            Some((name, labels)) => format!("{name}{{instance=\"a\",job=\"kilwa\",{labels}"),
            None => format!("{}{{instance=\"a\",job=\"kilwa\"}}", series[0]),
        };
        json!({"series": name, "values": series[column]})
    });
    let after = format!("{}m", case.after);
    json!({
        "interval": "1m",
        "input_series": series.collect::<Vec<_>>(),
        "alert_rule_test": [
            {"eval_time": after, "alertname": case.alert, "exp_alerts": expected},
        ],
    })
}

#[test]
fn the_queries_of_the_dashboard_can_be_evaluated() {
    if !has_promtool() {
        return;
    }
    let dashboard = fs::read_to_string(deployed("grafana/kilwa.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let rules = queries(&dashboard).into_iter().enumerate().map(|(number, query)| {
        // As Grafana fills them in.
        let query = query.replace("$__rate_interval", "1m").replace("$instance", "a");
        assert!(!query.contains('$'), "{query} has another variable");
        json!({"record": format!("dashboard:query_{number}"), "expr": query})
    });
    let rules: Vec<Value> = rules.collect();
    assert!(rules.len() > 30, "the dashboard has {} queries", rules.len());
    promtool(&["check", "rules"], &json!({"groups": [{"name": "dashboard", "rules": rules}]}));
}

/// Lets promtool read a file, which it has to find right. JSON is YAML.
fn promtool(words: &[&str], file: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.yml");
    fs::write(&path, file.to_string()).unwrap();
    let output = Command::new("promtool").args(words).arg(path).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
