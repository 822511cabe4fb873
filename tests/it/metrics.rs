//! Metrics and probes over HTTP, from a running server.

use crate::certificates::Authority;
use crate::server_support::{SCHEMA, config, question, soon, start_with};
use kilwa::config::{HttpListenerOptions, TlsFiles, TransportSecurity};
use kilwa::server::Server;
use pprof::protos::{Message as _, Profile};
use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, RootCertStore};

/// The answer to a request of these lines: status line, headers and body.
pub(crate) async fn ask(address: SocketAddr, lines: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{}\r\nhost: kilwa\r\n\r\n", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_scrape_counts_the_calls_that_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;

    let before = ask(address, &["GET /metrics HTTP/1.1"]).await;
    assert!(before.starts_with("HTTP/1.1 200 OK\r\n"), "{before}");
    assert!(before.contains("content-type: text/plain; version=0.0.4"), "{before}");
    assert!(!before.contains("CheckPermission"), "{before}");
    for metric in ["kilwa_build_info{", "kilwa_connections 0\n", "kilwa_write_queue_writes 0\n"] {
        assert!(before.contains(metric), "{metric} is not in {before}");
    }

    let mut client = running.permissions().await;
    client.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();

    let accept = "accept: application/openmetrics-text; version=1.0.0";
    let after = ask(address, &["GET /metrics HTTP/1.1", accept]).await;
    assert!(after.contains("content-type: application/openmetrics-text"), "{after}");
    assert!(after.ends_with("# EOF\n"), "{after}");
    let labels = "grpc_service=\"authzed.api.v1.PermissionsService\",grpc_method=\"CheckPermission\",grpc_type=\"unary\"";
    let handled =
        format!("grpc_server_handled_total{{{labels},grpc_code=\"FailedPrecondition\"}} 1\n");
    assert!(after.contains(&handled), "{handled} is not in {after}");
    let count = format!("grpc_server_handling_seconds_count{{{labels}}} 1\n");
    assert!(after.contains(&count), "{count} is not in {after}");
    assert!(after.contains("kilwa_connections 1\n"), "{after}");
}

#[tokio::test]
async fn certificates_and_the_space_on_disk_are_in_a_scrape() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("an authority");
    let issued = authority.expired();
    let files = issued.write(dir.path(), "http");
    let mut config = config(&dir.path().join("data"));
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let tls = TlsFiles { certificate: files.certificate, key: files.key, client_ca: None };
    config.http = Some(HttpListenerOptions {
        address: "127.0.0.1:0".to_owned(),
        transport: TransportSecurity::Tls(tls),
        ..HttpListenerOptions::default()
    });
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;

    // The first second of 2002.
    let scrape = ask(address, &["GET /metrics HTTP/1.1"]).await;
    let expiry =
        labelled(&scrape, "kilwa_certificate_expiry_timestamp_seconds", &[("listener", "HTTP")]);
    assert_eq!(expiry, Some(1_009_843_200), "{scrape}");
    let [free, reserve] =
        ["kilwa_disk_free_bytes", "kilwa_disk_reserve_bytes"].map(|metric| value(&scrape, metric));
    assert!(free > reserve && reserve > 0.0, "{scrape}");

    authority.server().write(dir.path(), "http");
    let is_renewed = async {
        while ask(address, &["GET /metrics HTTP/1.1"]).await.contains("1009843200") {
            tokio::task::yield_now().await;
        }
    };
    soon(is_renewed).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn probes_and_unknown_requests_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let _running = start_with(server).await;

    for (request, code) in [
        ("GET /healthz HTTP/1.1", "200"),
        ("GET /livez HTTP/1.1", "200"),
        ("GET / HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1", "405"),
    ] {
        let answer = ask(address, &[request]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{request}: {answer}");
    }
    let hidden = ask(address, &["GET /debug/pprof/heap HTTP/1.1"]).await;
    assert!(hidden.starts_with("HTTP/1.1 404 "), "{hidden}");
    // Ready as soon as the clock has been looked at.
    while !ask(address, &["GET /readyz HTTP/1.1"]).await.starts_with("HTTP/1.1 200 ") {}

    let long = format!("x: {}", "y".repeat(64 << 10));
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read all of it.
    let _ = stream.write_all(format!("GET /livez HTTP/1.1\r\n{long}\r\n\r\n").as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "a header of 64 KiB was accepted");
}

#[tokio::test]
async fn the_work_of_checks_and_writes_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;
    running.write_schema(SCHEMA).await.unwrap();
    let relationships = ["document:plan#viewer@group:all#member", "group:all#member@user:ann"];
    running.touch(&relationships).await.unwrap();

    assert!(running.has("document:plan#view@user:ann").await);
    assert!(running.has("document:plan#view@user:ann").await);
    assert!(!running.has("document:plan#view@user:ben").await);
    let scrape = ask(address, &["GET /metrics HTTP/1.1"]).await;
    for line in [
        "check_permissionship_total{permissionship=\"HAS_PERMISSION\"} 2\n",
        "check_permissionship_total{permissionship=\"NO_PERMISSION\"} 1\n",
        "check_permissionship_total{permissionship=\"CONDITIONAL_PERMISSION\"} 0\n",
        "kilwa_check_depth_count 3\n",
        "kilwa_check_reads_count 3\n",
        "kilwa_check_visits_count 3\n",
        "kilwa_committed_writes_total 2\n",
        "kilwa_commits_total 2\n",
        "kilwa_limits_reached_total{limit=\"write_queue\"} 0\n",
        "kilwa_watches 0\n",
    ] {
        assert!(scrape.contains(line), "{line} is not in {scrape}");
    }
    for metric in [
        "kilwa_check_cache_hits_total",
        "kilwa_check_cache_misses_total",
        "kilwa_check_depth_sum",
        "kilwa_rocksdb_log_written_bytes_total",
        "kilwa_rocksdb_log_bytes",
    ] {
        assert!(value(&scrape, metric) > 0.0, "{metric} is 0 in {scrape}");
    }
}

/// The value of a metric without labels.
pub(crate) fn value(scrape: &str, metric: &str) -> f64 {
    let mut lines = scrape.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    lines.next().unwrap_or_else(|| panic!("{metric} is not in {scrape}")).parse().unwrap()
}

#[tokio::test]
async fn profiles_are_served_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    config.metrics.profiles = true;
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;

    let refused = ask(address, &["GET /debug/pprof/profile?seconds=1000 HTTP/1.1"]).await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    running.write_schema(SCHEMA).await.unwrap();
    let busy = async { while !running.has("document:plan#view@user:ann").await {} };
    let path = "/debug/pprof/profile?seconds=1";
    let profile = tokio::select! {
        profile = profile(address, path) => profile,
        () = busy => panic!("there is no such relationship"),
    };
    assert!(samples(&Profile::decode(&*profile).unwrap(), "cpu") > 0, "{profile:?}");
    // The tests run with another allocator, which takes no samples; the answer says how they are turned on.
    let heap = ask(address, &["GET /debug/pprof/heap HTTP/1.1"]).await;
    assert!(heap.starts_with("HTTP/1.1 501 ") && heap.contains("MALLOC_CONF"), "{heap}");
}

/// A profile as it is answered.
async fn profile(address: SocketAddr, path: &str) -> Vec<u8> {
    let answer =
        crate::http_support::send(&address.to_string(), ["GET", path], &[], "", |_| false).await;
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..end]);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/octet-stream\r\n"), "{head}");
    answer[end..].to_vec()
}

/// How much the samples of a profile count that have a place in the program, by the type that it calls so. Those within a
/// system call may have none, as the stacks of the C library are not walked.
fn samples(profile: &Profile, name: &str) -> i64 {
    let names = |index: i64| profile.string_table[usize::try_from(index).unwrap()].as_str();
    let types: Vec<&str> = profile.sample_type.iter().map(|kind| names(kind.ty)).collect();
    let column = types.iter().position(|known| *known == name);
    let column = column.unwrap_or_else(|| panic!("{name} is not in {types:?}"));
    let placed = profile.sample.iter().filter(|sample| !sample.location_id.is_empty());
    placed.map(|sample| sample.value[column]).sum()
}

#[tokio::test]
async fn the_heap_profile_of_the_program_shows_what_holds_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = crate::program::without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.env("MALLOC_CONF", "prof:true,lg_prof_sample:12");
    let options = ["--metrics-enabled", "--metrics-addr", "127.0.0.1:0", "--metrics-profiles"];
    let server = crate::served::Served::spawn(program, dir.path(), &options);
    let line = server.await_line("serving metrics and probes");
    let address = line.split_once("address=").unwrap().1.split(' ').next().unwrap();

    let zipped = profile(address.parse().unwrap(), "/debug/pprof/heap").await;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*zipped).read_to_end(&mut bytes).unwrap();
    // A server with an empty store holds a few MiB already.
    let held = samples(&Profile::decode(&*bytes).unwrap(), "inuse_space");
    assert!(held > 1 << 20, "{held}");
}

#[test]
fn metrics_in_plain_text_beyond_this_machine_need_a_flag() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("0.0.0.0:0".to_owned());
    let refused = Server::open(&config).unwrap_err().to_string();
    for part in ["--metrics-tls-cert-path", "--metrics-allow-plaintext", "read metrics"] {
        assert!(refused.contains(part), "{refused}");
    }
    config.metrics.transport = TransportSecurity::Plaintext;
    Server::open(&config).unwrap();
}

#[tokio::test]
async fn metrics_are_served_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("an authority");
    let files = authority.server().write(dir.path(), "metrics");
    let mut config = config(&dir.path().join("data"));
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    config.metrics.transport = TransportSecurity::Tls(TlsFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        client_ca: None,
    });
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let _running = start_with(server).await;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: kilwa\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The server may close without a farewell.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));

    let plain = plain_bytes(address).await;
    assert!(!plain.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&plain));
}

/// What the address answers to a request in plain text.
async fn plain_bytes(address: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: kilwa\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // TLS answers with an alert, or resets the connection.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// The value of a metric whose labels include all of these.
pub(crate) fn labelled(scrape: &str, metric: &str, labels: &[(&str, &str)]) -> Option<u64> {
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let rest = |line: &str| line.strip_prefix(metric)?.strip_prefix('{').map(str::to_owned);
    let mut lines = scrape.lines().filter_map(rest);
    let line = lines.find(|line| labels.iter().all(|label| line.contains(label)))?;
    Some(line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

#[tokio::test]
async fn counters_have_the_values_of_the_calls_that_were_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;
    let scrape = async || ask(address, &["GET /metrics HTTP/1.1"]).await;
    running.write_schema(SCHEMA).await.unwrap();
    let group = ["document:plan#viewer@group:all#member", "group:all#member@user:ann"];
    running.touch(&group).await.unwrap();
    running.touch(&["document:plan#viewer@user:cat[only_on]"]).await.unwrap();

    assert!(running.has("document:plan#view@user:ann").await);
    let first = scrape().await;
    assert!(running.has("document:plan#view@user:ann").await);
    let second = scrape().await;
    let [hits, misses] = ["kilwa_check_cache_hits_total", "kilwa_check_cache_misses_total"];
    assert!(value(&first, misses) > 0.0, "{first}");
    assert!(value(&second, hits) > value(&first, hits), "the same check again: {second}");
    assert!((value(&second, misses) - value(&first, misses)).abs() < 0.5, "{second}");

    assert!(!running.has("document:plan#view@user:ben").await);
    assert!(!running.has("document:plan#view@user:cat").await);
    running.check("document:plan#nothing@user:ann").await.unwrap_err();
    let stranger = running.permissions_as("a wrong key").await;
    stranger.clone().check_permission(question("document:plan#view@user:ann")).await.unwrap_err();

    let scrape = scrape().await;
    let calls = |method, code| {
        let labels = [("grpc_method", method), ("grpc_code", code)];
        labelled(&scrape, "grpc_server_handled_total", &labels)
    };
    for (method, code, expected) in [
        ("CheckPermission", "OK", Some(4)),
        ("CheckPermission", "FailedPrecondition", Some(1)),
        ("CheckPermission", "PermissionDenied", Some(1)),
        ("CheckPermission", "Internal", None),
        ("WriteRelationships", "OK", Some(2)),
        ("WriteSchema", "OK", Some(1)),
        ("ReadSchema", "OK", None),
    ] {
        assert_eq!(calls(method, code), expected, "{method} {code}: {scrape}");
    }
    let durations = [("grpc_method", "CheckPermission")];
    let count = labelled(&scrape, "grpc_server_handling_seconds_count", &durations);
    assert_eq!(count, Some(6), "{scrape}");
    for (permissionship, expected) in
        [("HAS_PERMISSION", 2), ("NO_PERMISSION", 1), ("CONDITIONAL_PERMISSION", 1)]
    {
        let labels = [("permissionship", permissionship)];
        let count = labelled(&scrape, "check_permissionship_total", &labels);
        assert_eq!(count, Some(expected), "{permissionship}: {scrape}");
    }
    for line in ["kilwa_committed_writes_total 3\n", "kilwa_check_depth_count 4\n"] {
        assert!(scrape.contains(line), "{line} is not in {scrape}");
    }
}

#[tokio::test]
async fn certificates_of_metrics_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (first, renewed) = (Authority::new("an authority"), Authority::new("another authority"));
    let files = first.server().write(dir.path(), "metrics");
    let options = [
        "--metrics-enabled",
        "--metrics-addr",
        "127.0.0.1:0",
        "--metrics-tls-cert-path",
        files.certificate.to_str().unwrap(),
        "--metrics-tls-key-path",
        files.key.to_str().unwrap(),
    ];
    let server = crate::served::Served::start_with(&dir.path().join("data"), &options);
    let line = server.await_line("serving metrics and probes");
    let endpoint = line.split_once("address=").unwrap().1.split(' ').next().unwrap();
    let alive = async |trusted: &Authority| {
        let client = crate::tls_client::TlsClient {
            trusted,
            identity: None,
            versions: ALL_VERSIONS,
            protocols: &[],
        };
        client.send(endpoint, ["GET", "/livez"], &[], "").await.map(|answer| answer.status)
    };
    assert_eq!(alive(&first).await.unwrap(), 200);
    alive(&renewed).await.unwrap_err();

    // A pair that does not fit changes nothing.
    let other = renewed.server().write(dir.path(), "renewed");
    fs::copy(&other.certificate, &files.certificate).unwrap();
    server.signal("HUP");
    server.await_line("not reloaded");
    assert_eq!(alive(&first).await.unwrap(), 200);

    fs::copy(&other.key, &files.key).unwrap();
    server.signal("HUP");
    while server.await_line("reloaded").contains("not reloaded") {}
    assert_eq!(alive(&renewed).await.unwrap(), 200);
    alive(&first).await.unwrap_err();
}

#[test]
fn metrics_in_plain_text_beyond_this_machine_are_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let open = ["--metrics-enabled", "--metrics-addr", "0.0.0.0:0", "--metrics-allow-plaintext"];
    let server = crate::served::Served::start_with(dir.path(), &open);
    let line = server.await_line("other machines can reach this address without TLS");
    for part in ["WARN", "can read metrics", "address=0.0.0.0:"] {
        assert!(line.contains(part), "{line}");
    }
}

#[tokio::test]
async fn requests_over_http_are_counted_whether_or_not_they_are_calls() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = listener.local_addr().unwrap();
    let server = Server::open(&config).unwrap().with_http(listener).unwrap();
    let address = server.metrics_address().unwrap();
    let _running = start_with(server).await;
    let scrape = async || ask(address, &["GET /metrics HTTP/1.1"]).await;
    assert!(!scrape().await.contains("kilwa_http_requests_total{"));

    let began = Instant::now();
    let last = ["connection: close", "content-length: 2", "", "{}"];
    let none = ["GET", "PUT", "DELETE", "BREW"].map(|method| format!("{method} /none HTTP/1.1"));
    for request in none.iter().map(String::as_str).chain(["GET /healthz HTTP/1.1"]) {
        ask(http, &[request, "connection: close"]).await;
    }
    ask(http, &[&["POST /v1/schema/read HTTP/1.1"], &last[..]].concat()).await;

    let scrape = scrape().await;
    for (method, code, expected) in [
        ("get", "404", Some(1)),
        ("get", "200", Some(1)),
        ("put", "404", Some(1)),
        ("delete", "404", Some(1)),
        ("other", "404", Some(1)),
        ("post", "401", Some(1)),
        ("post", "200", None),
    ] {
        let labels = [("method", method), ("code", code)];
        let count = labelled(&scrape, "kilwa_http_requests_total", &labels);
        assert_eq!(count, expected, "{method} {code}: {scrape}");
    }
    let name = "spicedb_rest_gateway_request_duration_seconds_count";
    assert_eq!(labelled(&scrape, name, &[("method", "get")]), Some(2), "{scrape}");
    // One after the other, they have taken no longer than all of them together.
    let sum = |method: &str| {
        let metric = "spicedb_rest_gateway_request_duration_seconds_sum";
        value(&scrape, &format!("{metric}{{method=\"{method}\"}}"))
    };
    let sum: f64 = ["get", "put", "delete", "post", "other"].map(sum).iter().sum();
    assert!(sum > 0.0 && sum < began.elapsed().as_secs_f64(), "{sum}: {scrape}");
}

#[tokio::test]
async fn table_files_are_shown_by_column_family_and_level() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.metrics.address = Some("127.0.0.1:0".to_owned());
    // Each start writes what is in the log into table files, and the last one lets compactions merge them.
    for round in 0..6 {
        let server = Server::open(&config).unwrap();
        let running = start_with(server).await;
        running.write_schema(SCHEMA).await.unwrap();
        let texts: Vec<String> =
            (0..500).map(|n| format!("document:d{round}-{n}#viewer@user:u{n}")).collect();
        running.touch(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
        running.stop().await.unwrap();
    }
    let server = Server::open(&config).unwrap();
    let address = server.metrics_address().unwrap();
    let running = start_with(server).await;

    let end = Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let scrape = ask(address, &["GET /metrics HTTP/1.1"]).await;
        let level = |metric: &str, family: &str| -> Vec<u64> {
            let of = |level: u8| {
                [("family", family), ("level", &level.to_string())]
                    .map(|(name, value)| (name, value.to_owned()))
            };
            let value = |level| {
                let labels = of(level);
                let labels = labels.each_ref().map(|(name, value)| (*name, value.as_str()));
                labelled(&scrape, metric, &labels)
                    .unwrap_or_else(|| panic!("{family} {level} is not in {scrape}"))
            };
            (0..7).map(value).collect()
        };
        let families = [
            "meta",
            "live",
            "live_by_subject",
            "dead",
            "dead_by_subject",
            "expiring",
            "changes",
            "schema",
        ];
        let sum = |metric: &str| -> u64 {
            families.iter().flat_map(|family| level(metric, family)).sum()
        };
        let (files, bytes) = (sum("kilwa_rocksdb_level_files"), sum("kilwa_rocksdb_level_bytes"));
        let plain = |metric: &str| -> u64 {
            let line = scrape.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
            line.unwrap().parse().unwrap()
        };
        let on_disk = (plain("kilwa_rocksdb_table_files"), plain("kilwa_rocksdb_table_bytes"));
        // A file that no level has any more stays until it is removed, so the two are compared until they agree.
        if (files, bytes) == on_disk {
            for family in ["live", "live_by_subject", "changes"] {
                assert!(
                    level("kilwa_rocksdb_level_files", family).iter().sum::<u64>() > 0,
                    "{family}"
                );
            }
            assert_eq!(level("kilwa_rocksdb_level_files", "dead"), [0; 7]);
            break;
        }
        assert!(Instant::now() < end, "{files} files of {bytes} bytes, but {on_disk:?} on disk");
        tokio::task::yield_now().await;
    }
    running.stop().await.unwrap();
}
