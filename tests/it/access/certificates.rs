//! Client certificates with roles.

use super::calls;
use crate::certificates::{Authority, Issued};
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::question;
use prost::Message as _;
use std::fs;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

const ACCESS: &str = "[roles.checks]\nmethods = [\"check\"]\n\
    [[certificates]]\nname = \"shop\"\nuri = \"spiffe://example.org/shop\"\nroles = [\"checks\"]\n\
    [[certificates]]\nname = \"admin\"\ncommon_name = \"admin\"\nroles = [\"full\"]\n\
    [[keys]]\nname = \"reader\"\nkey = \"a key beside certificates\"\nroles = [\"full\"]\n";

#[tokio::test]
async fn a_client_certificate_has_the_roles_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = servers.server().write(folder.path(), "server");
    let [access, ca] = ["access.toml", "clients.pem"].map(|name| folder.path().join(name));
    fs::write(&access, ACCESS).unwrap();
    fs::write(&ca, clients.pem()).unwrap();
    let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
    program.args(["serve", "--grpc-addr", "127.0.0.1:0"]).args(files.flags());
    program.arg("--grpc-tls-client-ca-path").arg(ca).arg("--access-file").arg(access);
    let server = Served::run({
        program.arg("--data-dir").arg(folder.path().join("data"));
        program
    });

    let channel = async |client: Issued| {
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(servers.pem()))
            .identity(Identity::from_pem(&client.certificate, &client.key));
        let endpoint = Channel::from_shared(format!("https://{}", server.endpoint())).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await.unwrap()
    };
    let check = "/authzed.api.v1.PermissionsService/CheckPermission";
    let read = "/authzed.api.v1.SchemaService/ReadSchema";
    let request = question("document:alpha/1#view@user:alpha/ann").encode_to_vec();
    let code = async |name: &str, key: Option<&str>, path: &str| {
        let channel = channel(clients.client(name)).await;
        let request = if path == check { request.clone() } else { Vec::new() };
        calls::call(channel, key, path, vec![request]).await.error.map(|error| error.code())
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
