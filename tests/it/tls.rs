//! TLS of the listener: handshakes, client certificates, reload, and errors at the start.

use crate::certificates::{Authority, Issued, PairFiles};
use crate::program;
use crate::served::Served;
use crate::server_support::{Bearer, KEY, SCHEMA, question};
use crate::tls_client::TlsClient;
use kilwa::proto::authzed::api::v1 as proto;
use proto::check_permission_response::Permissionship;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Error, Identity};

/// How long something may take that the server does at once.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_probe_in_the_environment_of_a_server_asks_that_server() {
    let secured = Secured::start(&[]);
    let health = |certificate: &str| {
        let mut command = program::kilwa();
        command.arg("health").env_remove("KILWA_ENDPOINT");
        command.env("KILWA_GRPC_ADDR", secured.server.endpoint().replace("127.0.0.1", "0.0.0.0"));
        command.env("KILWA_GRPC_TLS_KEY_PATH", &secured.files.key);
        command.env("KILWA_GRPC_TLS_CERT_PATH", certificate).output().unwrap()
    };
    let output = health("/tls/server.pem");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "SERVING\n", "{output:?}");
    // A certificate and a key that do not fit are read by the server alone, which serves with those that it has.
    fs::write(&secured.files.key, Authority::new("another").server().key).unwrap();
    secured.server.signal("HUP");
    secured.server.await_line("not reloaded");
    assert!(health(secured.files.certificate.to_str().unwrap()).status.success());
    // An empty variable counts as none, and plain text finds no server.
    assert!(!health("").status.success());
}

#[test]
fn a_probe_in_the_environment_of_a_server_shows_it_its_own_certificate_where_one_is_required() {
    let clients = Authority::new("clients");
    let secured = Secured::requiring(&clients);
    let other = Authority::new("clients").server().write(secured.folder.path(), "other");
    let shop = clients.client("shop").write(secured.folder.path(), "shop");
    // The authorities of clients are not read by a client.
    let environment = |pair: &PairFiles, client_ca: &str| {
        let mut command = program::kilwa();
        command.arg("health").env("KILWA_GRPC_ADDR", secured.server.endpoint());
        command.env("KILWA_GRPC_TLS_CERT_PATH", &pair.certificate);
        command.env("KILWA_GRPC_TLS_KEY_PATH", &pair.key);
        command.env("KILWA_GRPC_TLS_CLIENT_CA_PATH", client_ca);
        command
    };
    let answer = |mut command: std::process::Command| {
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let serving = (Some(0), "SERVING\n".to_owned());
    assert_eq!(answer(environment(&secured.files, "/tls/clients.pem")), serving);
    // One that was given comes before the server's own.
    let mut given = environment(&other, "/tls/clients.pem");
    given.env("KILWA_CLIENT_CERTIFICATE_PATH", &shop.certificate);
    given.env("KILWA_CLIENT_KEY_PATH", &shop.key);
    assert_eq!(answer(given), serving);
    // A certificate is not shown without its key.
    let mixed =
        PairFiles { certificate: secured.files.certificate.clone(), key: other.key.clone() };
    assert_eq!(answer(environment(&mixed, "/tls/clients.pem")).0, Some(2));
    // Without the variable that says so, or with another certificate for the same names, there is no way in.
    for refused in [environment(&secured.files, ""), environment(&other, "/tls/clients.pem")] {
        let (code, error) = answer(refused);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("--client-certificate-path"), "{error}");
    }

    let old = [&secured.files.certificate, &secured.files.key].map(|path| fs::read(path).unwrap());
    secured.authority.server().write(secured.folder.path(), "server");
    secured.server.signal("HUP");
    // One file may have been seen before the other.
    while secured.server.await_line("reloaded").contains("not reloaded") {}
    assert_eq!(answer(environment(&secured.files, "/tls/clients.pem")), serving);
    fs::write(&other.certificate, &old[0]).unwrap();
    fs::write(&other.key, &old[1]).unwrap();
    assert_eq!(answer(environment(&other, "/tls/clients.pem")).0, Some(2));
}

/// A server with a certificate, and the authority that issued it.
struct Secured {
    server: Served,
    authority: Authority,
    files: PairFiles,
    folder: TempDir,
    /// The folder with the authority of clients, where they need certificates.
    _clients: Option<TempDir>,
}

impl Secured {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("an authority");
        let files = authority.server().write(folder.path(), "server");
        let arguments = [files.flags().as_slice(), arguments].concat();
        let server = Served::start_with(&folder.path().join("data"), &arguments);
        Self { server, authority, files, folder, _clients: None }
    }

    /// One that requires client certificates of the other authority.
    fn requiring(clients: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.pem");
        fs::write(&path, clients.pem()).unwrap();
        let secured = Self::start(&["--grpc-tls-client-ca-path", path.to_str().unwrap()]);
        Self { _clients: Some(folder), ..secured }
    }

    async fn channel(
        &self,
        trusted: &Authority,
        client: Option<&Issued>,
    ) -> Result<Channel, Error> {
        let mut tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(trusted.pem()));
        if let Some(client) = client {
            tls = tls.identity(Identity::from_pem(&client.certificate, &client.key));
        }
        let endpoint = Channel::from_shared(format!("https://{}", self.server.endpoint())).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await
    }

    async fn try_check(&self, trusted: &Authority, client: Option<&Issued>) -> bool {
        match self.channel(trusted, client).await {
            Ok(channel) => answers(channel).await,
            Err(_) => false,
        }
    }

    /// Versions and protocols that a bare client negotiates.
    async fn negotiate(
        &self,
        version: &'static SupportedProtocolVersion,
        protocols: &[&[u8]],
    ) -> std::io::Result<Option<Vec<u8>>> {
        let (trusted, versions) = (&self.authority, &[version]);
        let client = TlsClient { trusted, identity: None, versions, protocols };
        client.negotiate(self.server.endpoint()).await
    }
}

/// Whether a check is answered, whatever the answer.
async fn answers(channel: Channel) -> bool {
    let bearer = || Bearer(KEY.to_owned());
    let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    let mut schema = SchemaServiceClient::with_interceptor(channel.clone(), bearer());
    if schema.write_schema(request).await.is_err() {
        return false;
    }
    let mut client = PermissionsServiceClient::with_interceptor(channel, bearer());
    let answer = client.check_permission(question("document:plan#view@user:ann")).await;
    answer.is_ok_and(|answer| answer.into_inner().permissionship() == Permissionship::NoPermission)
}

#[tokio::test]
async fn a_check_is_answered_over_tls_and_not_without_it() {
    let secured = Secured::start(&[]);
    secured.server.await_line(&format!("--endpoint https://{}", secured.server.endpoint()));
    assert!(secured.try_check(&secured.authority, None).await);
    assert!(!secured.try_check(&Authority::new("another authority"), None).await);

    let plain = Channel::from_shared(format!("http://{}", secured.server.endpoint())).unwrap();
    let plain = plain.connect().await;
    assert!(!match plain {
        Ok(channel) => answers(channel).await,
        Err(_) => false,
    });
    let line = secured.server.await_line("a TLS handshake failed");
    assert!(line.contains("INFO") && line.contains("error="), "{line}");
}

#[tokio::test]
async fn http2_is_negotiated_in_both_versions_of_tls() {
    let secured = Secured::start(&[]);
    for version in [&TLS12, &TLS13] {
        let chosen = secured.negotiate(version, &[b"http/1.1", b"h2"]).await.unwrap();
        assert_eq!(chosen.as_deref(), Some(&b"h2"[..]));
        // A client that cannot speak HTTP/2 learns so in the handshake.
        secured.negotiate(version, &[b"http/1.1"]).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_client_certificate_of_the_authority_is_required() {
    let clients = Authority::new("clients");
    let secured = Secured::requiring(&clients);
    let trusted = &secured.authority;
    assert!(secured.try_check(trusted, Some(&clients.client("shop"))).await);
    assert!(!secured.try_check(trusted, None).await);
    let foreign = Authority::new("clients").client("shop");
    assert!(!secured.try_check(trusted, Some(&foreign)).await);
}

#[tokio::test]
async fn replaced_files_are_used_for_new_connections_without_a_restart() {
    let secured = Secured::start(&[]);
    let before = secured.channel(&secured.authority, None).await.unwrap();
    assert!(answers(before.clone()).await);

    let next = Authority::new("the next authority");
    next.server().write(secured.folder.path(), "server");
    let line = secured.server.await_line("reloaded");
    assert!(line.contains("TLS of the gRPC listener"), "{line}");
    assert!(secured.try_check(&next, None).await);
    assert!(!secured.try_check(&secured.authority, None).await);
    assert!(answers(before).await, "an open connection stays");
}

#[tokio::test]
async fn sighup_reloads_and_a_pair_that_does_not_fit_keeps_the_old_one() {
    let secured = Secured::start(&[]);
    secured.server.signal("HUP");
    secured.server.await_line("reloaded");

    fs::write(&secured.files.key, Authority::new("another").server().key).unwrap();
    secured.server.signal("HUP");
    let line = secured.server.await_line("not reloaded");
    assert!(line.contains("ERROR") && line.contains("does not belong to"), "{line}");
    assert!(line.contains(secured.files.key.to_str().unwrap()), "{line}");
    assert!(secured.try_check(&secured.authority, None).await);

    fs::remove_file(&secured.files.certificate).unwrap();
    secured.server.signal("HUP");
    let line = secured.server.await_line("cannot be read");
    assert!(line.contains(secured.files.certificate.to_str().unwrap()), "{line}");
    assert!(secured.try_check(&secured.authority, None).await);
}

#[tokio::test]
async fn sighup_without_anything_to_reload_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start(folder.path());
    server.signal("HUP");
    server.await_line("nothing to reload");
    assert!(answers(server.channel().await).await);
}

#[tokio::test]
async fn half_open_handshakes_hold_up_no_one_and_are_cut_off() {
    let secured = Secured::start(&["--grpc-handshake-timeout", "5s"]);
    let mut half_open = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(secured.server.endpoint()).await.unwrap();
        // The head of a record that does not come to its end.
        stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        half_open.push(stream);
    }
    let check = secured.try_check(&secured.authority, None);
    assert!(tokio::time::timeout(PATIENCE, check).await.unwrap());
    for mut stream in half_open {
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        // However it is closed.
        let _ = read.expect("the server closes the connection");
    }
}

#[test]
fn an_expired_certificate_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new("an authority").expired().write(folder.path(), "server");
    let server = Served::start_with(&folder.path().join("data"), &files.flags());
    let line = server.await_line("expired at 2002-01-01");
    assert!(line.contains("WARN") && line.contains("server.pem"), "{line}");
}

#[test]
fn a_key_that_every_user_can_read_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new("an authority").expired().write(folder.path(), "server");
    for (mode, is_open) in [(0o644, true), (0o640, false), (0o600, false)] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        let server = Served::start_with(&folder.path().join("data"), &files.flags());
        // The line before the one that is about the certificate.
        let warning = "every user of this machine can read the TLS key: make its mode 0600";
        let lines = server.lines_through("expired at 2002-01-01");
        assert_eq!(lines.iter().any(|line| line.contains(warning)), is_open, "{mode:o}");
    }
}

#[test]
fn files_of_no_use_are_refused_at_the_start_with_name_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("an authority");
    let good = authority.server().write(folder.path(), "good");
    let other = authority.server().write(folder.path(), "other");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing in PEM form\n").unwrap();
    let none = folder.path().join("none.pem");

    let (certificate, key) = (good.certificate.as_path(), good.key.as_path());
    for (certificate, key, client_ca, reported) in [
        (none.as_path(), key, None, "none.pem` cannot be read: No such file"),
        (certificate, none.as_path(), None, "none.pem` cannot be read: No such file"),
        (folder.path(), key, None, "cannot be"),
        (
            empty.as_path(),
            key,
            None,
            "empty.pem` cannot be used: it has no certificate in PEM form",
        ),
        (certificate, empty.as_path(), None, "empty.pem` cannot be used: it has no private key"),
        (certificate, &other.key, None, "other.key` does not belong to the certificate in"),
        (certificate, key, Some(&empty), "empty.pem` cannot be used: it has no certificate"),
    ] {
        let pair = PairFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        let mut arguments = pair.flags().map(str::to_owned).to_vec();
        if let Some(path) = client_ca {
            arguments.push(format!("--grpc-tls-client-ca-path={}", path.display()));
        }
        let output = serve(folder.path(), &arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("error: ") && error.contains(reported), "{reported}: {error}");
        assert!(!error.contains("PRIVATE KEY-----"), "{error}");
    }
    let alone = ["--grpc-tls-cert-path".to_owned(), certificate.to_str().unwrap().to_owned()];
    let output = serve(folder.path(), &alone);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--grpc-tls-key-path"));
}

#[test]
fn plain_text_for_other_machines_is_refused_unless_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let output = serve(folder.path(), &["--grpc-addr".to_owned(), "0.0.0.0:0".to_owned()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    for way in ["--grpc-tls-cert-path", "--grpc-addr 127.0.0.1:", "--grpc-allow-plaintext"] {
        assert!(error.contains(way), "{error}");
    }
    assert!(!folder.path().join("data").exists(), "the data folder was opened");

    let mut process = program::kilwa()
        .args(["serve", "--grpc-addr", "0.0.0.0:0", "--grpc-allow-plaintext", "--data-dir"])
        .arg(folder.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let warned = lines.any(|line| line.unwrap().contains("can reach this address without TLS"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(warned);
}

#[test]
fn the_commands_connect_over_tls_and_say_what_is_wrong() {
    let clients = Authority::new("clients");
    let secured = Secured::start(&[]);
    let required = Secured::requiring(&clients);
    let plain_data = tempfile::tempdir().unwrap();
    let plain = Served::start(plain_data.path());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let trusted = path("ca.pem", secured.authority.pem());
    let required_ca = path("required.pem", required.authority.pem());
    let other = path("other.pem", Authority::new("another").pem());
    let shop = clients.client("shop").write(folder.path(), "shop");
    let shown = [
        "--client-certificate-path",
        shop.certificate.to_str().unwrap(),
        "--client-key-path",
        shop.key.to_str().unwrap(),
    ];
    let health = |endpoint: &str, flags: &[&str]| {
        let mut command = program::kilwa();
        let output = command.args(["health", "--endpoint", endpoint]).args(flags).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };

    let at = secured.server.endpoint();
    let https = format!("https://{at}");
    let good = (Some(0), "SERVING\n".to_owned());
    let stranger = Authority::new("a stranger").client("shop").write(folder.path(), "stranger");
    let flags_of_stranger = [
        "--certificate-path",
        &required_ca,
        "--client-certificate-path",
        stranger.certificate.to_str().unwrap(),
        "--client-key-path",
        stranger.key.to_str().unwrap(),
    ];
    assert_eq!(health(at, &["--certificate-path", &trusted]), good);
    assert_eq!(health(&https, &["--certificate-path", &trusted]), good);
    assert_eq!(health(&https, &["--no-verify-ca"]), good);
    let flags = [&["--certificate-path", required_ca.as_str()], shown.as_slice()].concat();
    assert_eq!(health(required.server.endpoint(), &flags), good);

    for (endpoint, flags, told) in [
        (at, &["--certificate-path", other.as_str()][..], "an authority that is not trusted"),
        (&https, &[], "an authority that is not trusted"),
        (at, &[], "it may need TLS"),
        (plain.endpoint(), &["--no-verify-ca"], "does not speak TLS"),
        (at, &["--certificate-path", "none.pem"], "`none.pem` cannot be read"),
        (
            required.server.endpoint(),
            &["--certificate-path", &required_ca],
            "--client-certificate-path",
        ),
        (required.server.endpoint(), &flags_of_stranger, "--client-certificate-path"),
    ] {
        let (code, error) = health(endpoint, flags);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.starts_with("error: ") && error.contains(told), "{told}: {error}");
    }
}

#[test]
fn the_banner_prints_a_check_that_works_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.yaml");
    fs::write(&file, crate::pages::plans()).unwrap();
    let authority = Authority::new("an authority");
    let clients = Authority::new("clients");
    let (ca, client_ca) = (folder.path().join("ca.pem"), folder.path().join("clients.pem"));
    fs::write(&ca, authority.pem()).unwrap();
    fs::write(&client_ca, clients.pem()).unwrap();
    let shop = clients.client("shop").write(folder.path(), "shop");
    let requiring = ["--grpc-tls-client-ca-path", client_ca.to_str().unwrap()];
    let elsewhere = "kilwa.example.org";

    for (index, (issued, flags, key, expected)) in [
        (authority.server(), &[][..], None, "--endpoint https://127.0.0.1:"),
        (authority.named("localhost"), &[][..], None, "--endpoint https://localhost:"),
        (authority.server(), &requiring[..], Some(KEY), "--client-key-path \"$CERT_KEY\""),
        (authority.named(elsewhere), &[][..], None, "--endpoint https://kilwa.example.org:"),
    ]
    .into_iter()
    .enumerate()
    {
        let pair = issued.write(folder.path(), "server");
        let data = folder.path().join(index.to_string());
        let mut command = program::kilwa();
        command.args(["serve", "--grpc-addr", "127.0.0.1:0", "--bootstrap"]).arg(&file);
        command.args(pair.flags()).args(flags).arg("--data-dir").arg(&data);
        if let Some(key) = key {
            command.env("KILWA_GRPC_PRESHARED_KEY", key);
        }
        let server = Served::run(command);
        let line = server.await_line(" permission check ");
        assert!(line.contains(expected) && line.contains("--certificate-path \"$CA\""), "{line}");
        if expected.contains(elsewhere) {
            // No resolver knows it. The key is in no list of processes.
            assert!(line.contains("/3/preshared.key") && line.contains(" --token-file "), "{line}");
            continue;
        }

        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env("KEY", KEY).env("CA", &ca);
        shell.env("CERT", &shop.certificate).env("CERT_KEY", &shop.key);
        let output = shell.env_remove("KILWA_TOKEN").output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "true\n", "{line}: {error}");
    }
}

/// A run of `kilwa serve` that ends by itself.
fn serve(folder: &Path, arguments: &[String]) -> Output {
    let mut command = program::kilwa();
    command.args(["serve", "--data-dir"]).arg(folder.join("data")).args(arguments);
    if !arguments.iter().any(|argument| argument == "--grpc-addr") {
        command.args(["--grpc-addr", "127.0.0.1:0"]);
    }
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = crate::served::await_exit(&mut process);
    let mut stderr = Vec::new();
    process.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status, stdout: Vec::new(), stderr }
}
