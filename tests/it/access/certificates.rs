//! Client certificates with roles.

use super::calls;
use crate::certificates::{Authority, Issued};
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::question;
use crate::tls_client::TlsClient;
use prost::Message as _;
use std::fs;
use tempfile::TempDir;
use tokio_rustls::rustls::ALL_VERSIONS;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

const ACCESS: &str = "[roles.checks]\nmethods = [\"check\"]\n\
    [[certificates]]\nname = \"shop\"\nuri = \"spiffe://example.org/shop\"\nroles = [\"checks\"]\n\
    [[certificates]]\nname = \"host\"\ndns_name = \"localhost\"\nroles = [\"full\"]\n\
    [[certificates]]\nname = \"admin\"\ncommon_name = \"admin\"\nroles = [\"full\"]\n\
    [[keys]]\nname = \"reader\"\nkey = \"a key beside certificates\"\nroles = [\"full\"]\n";

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const READ: &str = "/authzed.api.v1.SchemaService/ReadSchema";

/// A server that requires client certificates, and has roles for some of their names.
struct Requiring {
    server: Served,
    trusted: String,
    _folder: TempDir,
}

impl Requiring {
    fn start(servers: &Authority, clients: &Authority, own: &Issued) -> Self {
        Self::start_with(servers, clients, own, &[])
    }

    fn start_with(
        servers: &Authority,
        clients: &Authority,
        own: &Issued,
        arguments: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = own.write(folder.path(), "server");
        let [access, ca] = ["access.toml", "clients.pem"].map(|name| folder.path().join(name));
        fs::write(&access, ACCESS).unwrap();
        fs::write(&ca, clients.pem()).unwrap();
        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "127.0.0.1:0"]).args(files.flags());
        program.arg("--grpc-tls-client-ca-path").arg(ca).arg("--access-file").arg(access);
        program.arg("--data-dir").arg(folder.path().join("data")).args(arguments);
        Self { server: Served::run(program), trusted: servers.pem(), _folder: folder }
    }

    /// With which code a call with a client's certificate fails.
    async fn code(&self, client: &Issued, key: Option<&str>, path: &str) -> Option<Code> {
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(&self.trusted))
            .identity(Identity::from_pem(&client.certificate, &client.key));
        let endpoint = Channel::from_shared(format!("https://{}", self.server.endpoint())).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
        let request = question("document:alpha/1#view@user:alpha/ann").encode_to_vec();
        let request = if path == CHECK { request } else { Vec::new() };
        calls::call(channel, key, path, vec![request]).await.error.map(|error| error.code())
    }
}

#[tokio::test]
async fn the_certificate_of_the_server_gives_a_client_no_role() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let own = servers.server();
    let requiring = Requiring::start(&servers, &clients, &own);
    // Its name has a role, and it is not from the authority of clients.
    assert_eq!(requiring.code(&own, None, READ).await, Some(Code::Unauthenticated));
    let key = Some("a key beside certificates");
    assert_eq!(requiring.code(&own, key, READ).await, Some(Code::NotFound));

    // From that authority, it is a client's like any other.
    let clients = Authority::new("both");
    let own = clients.server_and_client();
    let requiring = Requiring::start(&clients, &clients, &own);
    assert_eq!(requiring.code(&own, None, READ).await, Some(Code::NotFound));
}

#[tokio::test]
async fn a_client_certificate_has_the_roles_of_its_names() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let own = servers.server();
    let requiring = Requiring::start(&servers, &clients, &own);
    let (check, read) = (CHECK, READ);
    let code = async |name: &str, key: Option<&str>, path: &str| {
        requiring.code(&clients.client(name), key, path).await
    };

    // Without a schema, these are the answers to callers that are let in.
    let (checked, was_read) = (Some(Code::FailedPrecondition), Some(Code::NotFound));
    assert_eq!(code("shop", None, check).await, checked);
    assert_eq!(code("shop", None, read).await, Some(Code::PermissionDenied));
    assert_eq!(code("admin", None, read).await, was_read);
    assert_eq!(code("stranger", None, check).await, Some(Code::Unauthenticated));
    // A key decides where there is one, right or wrong.
    let key = Some("a key beside certificates");
    assert_eq!(code("stranger", key, read).await, was_read);
    assert_eq!(code("shop", key, read).await, was_read);
    assert_eq!(code("admin", Some("a wrong key"), read).await, Some(Code::PermissionDenied));
}

#[tokio::test]
async fn connections_of_certificates_without_a_role_make_room_for_callers() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let few = ["--grpc-max-connections", "4"];
    let requiring = Requiring::start_with(&servers, &clients, &servers.server(), &few);
    let (shop, stray) = (clients.client("shop"), clients.client("stray"));
    let before = requiring.code(&shop, None, CHECK).await;

    let client = TlsClient {
        trusted: &servers,
        identity: Some(&stray),
        versions: ALL_VERSIONS,
        protocols: &[b"h2"],
    };
    let mut idle = Vec::new();
    for _ in 0..12 {
        let stream = client.connect(requiring.server.endpoint()).await.unwrap();
        // Answers with its settings, so that the handshake is not the client's view alone.
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        idle.push((sender, tokio::spawn(connection)));
    }
    assert_eq!(requiring.code(&shop, None, CHECK).await, before);
    assert_eq!(requiring.code(&stray, Some("a key beside certificates"), CHECK).await, before);
    drop(idle);
}
