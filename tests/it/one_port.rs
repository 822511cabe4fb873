//! gRPC and JSON at one port, in plain text and over TLS.

use super::certificates::{Authority, Issued};
use super::http_support::HttpServed;
use super::raw_http2::RawConnection;
use super::server_support::{KEY, SCHEMA, question, relationship};
use super::tls_client::TlsClient;
use kilwa::config::{HttpListenerOptions, TlsFiles, TransportSecurity};
use kilwa::proto::authzed::api::v1 as proto;
use prost::Message as _;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use tokio_rustls::rustls::ALL_VERSIONS;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Error, Identity};
use tonic::{Code, Request, Status};

async fn channel(served: &HttpServed) -> Channel {
    let address = format!("http://{}", served.endpoint);
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

fn with_key<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn check(served: &HttpServed, key: &str) -> Result<i32, Status> {
    let request = with_key(question("document:plan#view@user:ann"), key);
    let mut client = PermissionsServiceClient::new(channel(served).await);
    Ok(client.check_permission(request).await?.into_inner().permissionship)
}

#[tokio::test]
async fn one_port_answers_grpc_and_json() {
    let served = HttpServed::start_with(|http| http.serves_grpc = true).await;
    served.server.write_schema(SCHEMA).await.unwrap();
    let update = proto::RelationshipUpdate {
        operation: proto::relationship_update::Operation::Touch.into(),
        relationship: Some(relationship("document:plan#owner@user:ann")),
    };
    let write = proto::WriteRelationshipsRequest { updates: vec![update], ..Default::default() };
    let mut client = PermissionsServiceClient::new(channel(&served).await);
    client.write_relationships(with_key(write, KEY)).await.unwrap();

    let has = proto::check_permission_response::Permissionship::HasPermission;
    assert_eq!(check(&served, KEY).await.unwrap(), i32::from(has));
    // With the same keys and errors as at the port of gRPC.
    assert_eq!(check(&served, "wrong").await.unwrap_err().code(), Code::PermissionDenied);
    let filter =
        proto::RelationshipFilter { resource_type: "document".to_owned(), ..Default::default() };
    let read =
        proto::ReadRelationshipsRequest { relationship_filter: Some(filter), ..Default::default() };
    let mut lines = client.read_relationships(with_key(read, KEY)).await.unwrap().into_inner();
    assert!(lines.message().await.unwrap().is_some());
    assert!(lines.message().await.unwrap().is_none());

    let json = json!({
        "consistency": {"fullyConsistent": true}, "permission": "view",
        "resource": {"objectType": "document", "objectId": "plan"},
        "subject": {"object": {"objectType": "user", "objectId": "ann"}},
    });
    let answer = served.posted("/v1/permissions/check", &json.to_string()).await;
    assert_eq!(answer["permissionship"], "PERMISSIONSHIP_HAS_PERMISSION");
    // HTTP/1.1 cannot be gRPC, whatever its content type says.
    let path = "/authzed.api.v1.PermissionsService/CheckPermission";
    let grpc = [("Content-Type", "application/grpc")];
    assert_eq!(served.send("POST", path, &grpc, "").await.status, 404);
}

#[tokio::test]
async fn the_http_port_knows_no_grpc_without_the_flag() {
    let served = HttpServed::start().await;
    let refused = check(&served, KEY).await.unwrap_err();
    // The answer of the gateway to a path that it does not have.
    assert!(refused.message().contains("404"), "{refused}");
}

/// A server of both at one port over TLS, and the authorities of its certificates.
struct SecuredPort {
    served: HttpServed,
    servers: Authority,
    _folder: TempDir,
}

impl SecuredPort {
    /// With the authority of client certificates that are required, and an access file.
    async fn start(clients: Option<&Authority>, access: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers = Authority::new("servers");
        let files = servers.server().write(folder.path(), "server");
        let [ca, access_file] = ["clients.pem", "access.toml"].map(|name| folder.path().join(name));
        let client_ca = clients.map(|clients| {
            fs::write(&ca, clients.pem()).unwrap();
            ca
        });
        let access_file = access.map(|access| {
            fs::write(&access_file, access).unwrap();
            access_file
        });
        let tls = TlsFiles { certificate: files.certificate, key: files.key, client_ca };
        let http = HttpListenerOptions {
            transport: TransportSecurity::Tls(tls),
            serves_grpc: true,
            ..HttpListenerOptions::default()
        };
        let served = HttpServed::start_configured(|config| {
            config.http = Some(http);
            config.access_file = access_file;
        })
        .await;
        served.server.write_schema(SCHEMA).await.unwrap();
        served.server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
        Self { served, servers, _folder: folder }
    }

    fn endpoint(&self) -> &str {
        &self.served.endpoint
    }

    fn client<'c>(
        &'c self,
        identity: Option<&'c Issued>,
        protocols: &'c [&'c [u8]],
    ) -> TlsClient<'c> {
        TlsClient { trusted: &self.servers, identity, versions: ALL_VERSIONS, protocols }
    }

    /// As clients of gRPC connect.
    async fn channel(&self, identity: Option<&Issued>) -> Result<Channel, Error> {
        let mut tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(self.servers.pem()));
        if let Some(issued) = identity {
            tls = tls.identity(Identity::from_pem(&issued.certificate, &issued.key));
        }
        let endpoint = Channel::from_shared(format!("https://{}", self.endpoint())).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await
    }

    /// The codes of a check and of reading the schema, over gRPC.
    async fn codes_over_grpc(&self, identity: Option<&Issued>, key: Option<&str>) -> [Code; 2] {
        let channel = self.channel(identity).await.unwrap();
        let check = request(question("document:plan#view@user:ann"), key);
        let check = PermissionsServiceClient::new(channel.clone()).check_permission(check).await;
        let read = request(proto::ReadSchemaRequest {}, key);
        let read = SchemaServiceClient::new(channel).read_schema(read).await;
        [code(&check), code(&read)]
    }

    /// The statuses of the same over JSON.
    async fn statuses_over_json(&self, identity: Option<&Issued>, key: Option<&str>) -> [u16; 2] {
        let bearer = format!("Bearer {}", key.unwrap_or_default());
        let headers = [("Authorization", bearer.as_str())];
        let headers = if key.is_some() { headers.as_slice() } else { &[] };
        let client = self.client(identity, &[b"http/1.1"]);
        let check = ["POST", "/v1/permissions/check"];
        let check = client.send(self.endpoint(), check, headers, CHECK).await.unwrap();
        let read = ["POST", "/v1/schema/read"];
        let read = client.send(self.endpoint(), read, headers, "{}").await.unwrap();
        [check.status, read.status]
    }
}

const CHECK: &str = r#"{"consistency": {"fullyConsistent": true}, "permission": "view",
    "resource": {"objectType": "document", "objectId": "plan"},
    "subject": {"object": {"objectType": "user", "objectId": "ann"}}}"#;

fn request<T>(message: T, key: Option<&str>) -> Request<T> {
    match key {
        Some(key) => with_key(message, key),
        None => Request::new(message),
    }
}

fn code<T>(answer: &Result<T, Status>) -> Code {
    answer.as_ref().err().map_or(Code::Ok, Status::code)
}

#[tokio::test]
async fn both_protocols_are_negotiated_over_tls() {
    let port = SecuredPort::start(None, None).await;
    for version in [&TLS12, &TLS13] {
        for (offered, agreed) in [
            ([b"h2".as_slice()].as_slice(), Some(b"h2".as_slice())),
            (&[b"http/1.1"], Some(b"http/1.1")),
            (&[b"http/1.1", b"h2"], Some(b"h2")),
            (&[], None),
        ] {
            let versions = &[version];
            let client = TlsClient { versions, ..port.client(None, offered) };
            let found = client.negotiate(port.endpoint()).await.unwrap();
            assert_eq!(found.as_deref(), agreed, "{version:?} {offered:?}");
        }
        let versions = &[version];
        let offered = [b"spdy/3".as_slice()];
        let other = TlsClient { versions, ..port.client(None, &offered) };
        other.negotiate(port.endpoint()).await.unwrap_err();
    }
}

#[tokio::test]
async fn grpc_and_json_are_answered_over_tls() {
    let port = SecuredPort::start(None, None).await;
    assert_eq!(port.codes_over_grpc(None, Some(KEY)).await, [Code::Ok, Code::Ok]);
    assert_eq!(port.statuses_over_json(None, Some(KEY)).await, [200, 200]);
    let denied = Code::PermissionDenied;
    assert_eq!(port.codes_over_grpc(None, Some("wrong")).await, [denied, denied]);
    assert_eq!(port.statuses_over_json(None, Some("wrong")).await, [403, 403]);
    assert_eq!(port.codes_over_grpc(None, None).await, [Code::Unauthenticated; 2]);

    // Both on one connection.
    let stream = port.client(None, &[b"h2"]).connect(port.endpoint()).await.unwrap();
    let mut connection = RawConnection::over(stream, port.endpoint()).await.unwrap();
    let asked = question("document:plan#view@user:ann");
    let path = "/authzed.api.v1.PermissionsService/CheckPermission";
    for _ in 0..2 {
        let (status, answer) = connection.post_json("/v1/permissions/check", CHECK).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["permissionship"]), (200, &json!(HAS_PERMISSION)));
        let answer = connection.call(path, &[], &asked).await;
        assert_eq!(answer.trailers.get("grpc-status").unwrap(), "0", "{answer:?}");
        let [(_, message)] = answer.messages.as_slice() else { panic!("{answer:?}") };
        let message = proto::CheckPermissionResponse::decode(message.as_slice()).unwrap();
        assert_eq!(message.permissionship().as_str_name(), HAS_PERMISSION);
    }

    // And not in plain text.
    let plain = Channel::from_shared(format!("http://{}", port.endpoint())).unwrap();
    let answered = match plain.connect().await {
        Err(_) => false,
        Ok(channel) => {
            let asked = with_key(asked, KEY);
            PermissionsServiceClient::new(channel).check_permission(asked).await.is_ok()
        }
    };
    assert!(!answered);
}

const HAS_PERMISSION: &str = "PERMISSIONSHIP_HAS_PERMISSION";

const ACCESS: &str = "[roles.checks]\nmethods = [\"check\"]\n\
    [[certificates]]\nname = \"shop\"\nuri = \"spiffe://example.org/shop\"\nroles = [\"checks\"]\n\
    [[certificates]]\nname = \"admin\"\ncommon_name = \"admin\"\nroles = [\"full\"]\n\
    [[keys]]\nname = \"checker\"\nkey = \"a key that may check\"\nroles = [\"checks\"]\n";

#[tokio::test]
async fn roles_of_keys_apply_to_both_at_one_port() {
    let port = SecuredPort::start(None, Some(ACCESS)).await;
    let key = Some("a key that may check");
    assert_eq!(port.codes_over_grpc(None, key).await, [Code::Ok, Code::PermissionDenied]);
    assert_eq!(port.statuses_over_json(None, key).await, [200, 403]);
    assert_eq!(port.codes_over_grpc(None, Some(KEY)).await, [Code::Ok, Code::Ok]);
}

#[tokio::test]
async fn roles_of_certificates_apply_to_both_at_one_port() {
    let clients = Authority::new("clients");
    let port = SecuredPort::start(Some(&clients), Some(ACCESS)).await;
    let [shop, admin, stranger] = ["shop", "admin", "stranger"].map(|name| clients.client(name));
    let denied = Code::PermissionDenied;
    for (client, key, codes, statuses) in [
        (&shop, None, [Code::Ok, denied], [200, 403]),
        (&admin, None, [Code::Ok, Code::Ok], [200, 200]),
        (&stranger, None, [Code::Unauthenticated; 2], [401, 401]),
        // A key decides where there is one, right or wrong.
        (&shop, Some(KEY), [Code::Ok, Code::Ok], [200, 200]),
        (&admin, Some("wrong"), [denied, denied], [403, 403]),
    ] {
        assert_eq!(port.codes_over_grpc(Some(client), key).await, codes);
        assert_eq!(port.statuses_over_json(Some(client), key).await, statuses);
    }

    // Without a certificate of the authority nothing is answered.
    let foreign = Authority::new("clients").client("shop");
    for identity in [None, Some(&foreign)] {
        let client = port.client(identity, &[b"http/1.1"]);
        let healthy = client.send(port.endpoint(), ["GET", "/healthz"], &[], "").await;
        assert!(healthy.is_err(), "{healthy:?}");
        let answered = match port.channel(identity).await {
            Err(_) => false,
            Ok(channel) => {
                let read = request(proto::ReadSchemaRequest {}, Some(KEY));
                SchemaServiceClient::new(channel).read_schema(read).await.is_ok()
            }
        };
        assert!(!answered);
    }
}
