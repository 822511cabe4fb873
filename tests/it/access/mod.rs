//! Who may call: keys, certificates, roles, and what each method shows to callers with roles.

mod calls;
mod certificates;
mod command;
mod fetched_keys;
mod files;
mod holes;
mod json_calls;
mod keys;
mod methods;
pub(crate) mod over_tls;
mod prefixes;
mod random_requests;
mod tenants;
pub(crate) mod tokens;
mod writers;
mod zed;

use crate::server_support::{Bearer, Running, config, start_with};
use calls::Answer;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::server::Server;
use proto::schema_service_client::SchemaServiceClient;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A key that the access files of these tests do not have: it is given to the server, and may do everything.
const ADMIN: &str = crate::server_support::KEY;

/// The key of an access file that a role limits.
const LIMITED: &str = "a key with a role that limits it";

const SCHEMA: &str = "caveat only(word string) { word == \"yes\" }

definition user {}

definition group {
  relation member: user | group#member
}

definition document {
  relation parent: document
  relation viewer: user | user:* | group#member | user with only
  relation banned: user | group#member
  permission view = viewer + parent->view
  permission read = view - banned
  permission odd = viewer - odd_parent
  permission odd_parent = parent->odd
}
";

/// A server with an access file, and a schema.
struct Guarded {
    server: Running,
    /// Host and port of HTTP.
    http: String,
    dir: TempDir,
}

impl Guarded {
    async fn start(access: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("access.toml");
        fs::write(&file, access).unwrap();
        let mut config = config(&dir.path().join("data"));
        config.access_file = Some(file);
        let mapping = dir.path().join("envoy.toml");
        fs::write(
            &mapping,
            "[[rules]]\nname = \"all\"\npath = \"/{rest...}\"\nverdict = \"allow\"\n",
        )
        .unwrap();
        config.ext_authz_file = Some(mapping);
        config.watch.heartbeat = Duration::from_millis(50);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap().to_string();
        let server = Server::open(&config).unwrap().with_http(listener).unwrap();
        let server = start_with(server).await;
        let channel = server.channel().await;
        let mut schema = SchemaServiceClient::with_interceptor(channel, Bearer(ADMIN.to_owned()));
        schema.write_schema(proto::WriteSchemaRequest { schema: SCHEMA.to_owned() }).await.unwrap();
        Self { server, http, dir }
    }

    /// The same with one key, [`LIMITED`], that has one role with these lines.
    async fn with_role(lines: &str) -> Self {
        Self::start(&access_with_role(lines)).await
    }

    async fn call(&self, key: &str, path: &str, request: &impl prost::Message) -> Answer {
        let channel = self.server.channel().await;
        calls::call(channel, Some(key), path, vec![request.encode_to_vec()]).await
    }
}

/// An access file with one role and its key.
fn access_with_role(lines: &str) -> String {
    format!(
        "[roles.some]\n{lines}\n[[keys]]\nname = \"limited\"\nkey = \"{LIMITED}\"\nroles = [\"some\"]\n"
    )
}
