//! External authorization of Envoy: a client that plays Envoy, over a real socket.

mod callers;
mod files;
mod page;

mod paths;
mod subjects;
mod verdicts;

use crate::server_support::{Bearer, KEY, Running, SCHEMA, config, start};
use auth::attribute_context::{HttpRequest, Peer, Request as PeerRequest};
use auth::authorization_client::AuthorizationClient;
use auth::check_response::HttpResponse;
use kilwa::config::Config;
use kilwa::proto::envoy::config::core::v3 as core;
use kilwa::proto::envoy::service::auth::v3 as auth;
use prost_types::value::Kind;
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;
use tonic::Status;

/// A file with a rule of each kind.
const MAPPING: &str = r#"
[upstream]
subject_header = "x-kilwa-subject"
revision_header = "x-kilwa-revision"
remove_headers = ["x-internal"]

[unauthenticated]
headers = { "www-authenticate" = "Bearer" }
body = "who are you?"

[forbidden]
status = 404
body = "nothing here"

[unavailable]
headers = { "retry-after" = "1" }

[subject]
type = "user"
header = "x-user"

[[rules]]
name = "health"
path = "/healthz"
verdict = "allow"

[[rules]]
name = "internal"
path = "/internal/{rest...}"
verdict = "deny"

[[rules]]
name = "read"
methods = ["GET", "HEAD"]
path = "/documents/{document}"
resource = { type = "document", id = "{document}" }
permission = "view"
consistency_header = "x-zedtoken"

[rules.context]
day = { header = "x-day" }

[[rules]]
name = "write"
methods = ["PUT"]
path = "/documents/{document}"
resource = { type = "document", id = "{document}" }
permission = "edit"

[[rules]]
name = "tenant"
host = "{tenant}.example.com"
path = "/{file...}"
resource = { type = "document", id = "{tenant}/{file}" }
permission = "view"

[[rules]]
name = "unknown permission"
path = "/odd"
resource = { type = "document", id = "odd" }
permission = "fly"
"#;

/// A server with a mapping file, [`SCHEMA`] and some relationships.
struct Guarded {
    server: Running,
    _dir: TempDir,
}

impl Guarded {
    async fn start(mapping: &str) -> Self {
        Self::start_with(mapping, |_, _| {}).await
    }

    async fn start_with(mapping: &str, change: impl FnOnce(&mut Config, &TempDir)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("envoy.toml"), mapping).unwrap();
        let mut config = config(&dir.path().join("data"));
        config.ext_authz_file = Some(dir.path().join("envoy.toml"));
        change(&mut config, &dir);
        let server = start(config).await;
        server.write_schema(SCHEMA).await.unwrap();
        let relationships = [
            "document:plan#viewer@user:ann",
            "document:plan#owner@user:bob",
            "document:plan#viewer@user:sunday[only_on:{\"allowed\":\"sunday\"}]",
            "document:alpha/a/b#viewer@user:ann",
            "document:mail#viewer@user:ann=40example=2Ecom",
        ];
        server.touch(&relationships).await.unwrap();
        Self { server, _dir: dir }
    }

    async fn try_ask(&self, key: &str, asked: Asked) -> Result<EnvoyAnswer, Status> {
        let bearer = Bearer(key.to_owned());
        let mut client = AuthorizationClient::with_interceptor(self.server.channel().await, bearer);
        let response = client.check(asked.message()).await?;
        Ok(EnvoyAnswer::new(response.into_inner()))
    }

    async fn ask(&self, asked: Asked) -> EnvoyAnswer {
        self.try_ask(KEY, asked).await.unwrap()
    }
}

/// A request that Envoy asks about.
#[derive(Clone, Debug, Default)]
struct Asked {
    http: HttpRequest,
    source: Peer,
    metadata: core::Metadata,
}

impl Asked {
    fn new(method: &str, path: &str) -> Self {
        let http = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "api.example.org".to_owned(),
            ..HttpRequest::default()
        };
        Self { http, ..Self::default() }
    }

    fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.http.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    fn raw_header(mut self, name: &str, value: &[u8]) -> Self {
        let header = core::HeaderValue {
            key: name.to_owned(),
            raw_value: value.to_vec(),
            ..core::HeaderValue::default()
        };
        self.http.header_map.get_or_insert_default().headers.push(header);
        self
    }

    fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.http.host);
        self
    }

    fn message(self) -> auth::CheckRequest {
        let request = PeerRequest { http: Some(self.http) };
        let attributes = auth::AttributeContext {
            source: Some(self.source),
            request: Some(request),
            metadata_context: Some(self.metadata),
        };
        auth::CheckRequest { attributes: Some(attributes) }
    }
}

/// What Envoy receives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EnvoyAnswer {
    /// That of gRPC; 0 passes the request on.
    code: i32,
    /// That of HTTP, for a denial; 200 otherwise.
    status: i32,
    /// Headers for the client of a denial, or for the upstream service.
    headers: BTreeMap<String, String>,
    removed: Vec<String>,
    body: String,
    /// Of the dynamic metadata.
    facts: BTreeMap<String, String>,
}

impl EnvoyAnswer {
    fn new(response: auth::CheckResponse) -> Self {
        let options = |options: Vec<core::HeaderValueOption>| {
            let pairs = options.into_iter().map(|option| {
                assert_eq!(option.append, Some(false), "the header of a client would stay");
                let header = option.header.unwrap();
                (header.key, header.value)
            });
            pairs.collect::<BTreeMap<_, _>>()
        };
        let facts = response.dynamic_metadata.unwrap().fields.into_iter();
        let facts = facts.map(|(name, value)| {
            let Some(Kind::StringValue(text)) = value.kind else { panic!("{name}: no text") };
            (name, text)
        });
        let (facts, code) = (facts.collect(), response.status.unwrap().code);
        match response.http_response.unwrap() {
            HttpResponse::OkResponse(ok) => Self {
                code,
                status: 200,
                headers: options(ok.headers),
                removed: ok.headers_to_remove,
                body: String::new(),
                facts,
            },
            HttpResponse::DeniedResponse(denied) => Self {
                code,
                status: denied.status.unwrap().code,
                headers: options(denied.headers),
                removed: Vec::new(),
                body: denied.body,
                facts,
            },
        }
    }

    #[track_caller]
    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("no `{name}`: {self:?}"))
    }

    fn passes(&self) -> bool {
        assert_eq!(self.code == 0, self.status == 200, "{self:?}");
        self.code == 0
    }
}
