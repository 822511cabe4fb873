//! Keys of identity providers that are fetched from an address.

use super::calls;
use super::tokens::{Signer, claims, key_set};
use crate::certificates::Authority;
use crate::metrics::ask;
use crate::program::without_variables;
use crate::served::Served;
use crate::server_support::{question, soon};
use prost::Message as _;
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use tonic::Code;

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
/// A key of the access file, whose caller has nothing to do with the provider.
const KEY: &str = "a key beside the provider";
const FETCHED: &str = "the keys of an identity provider were fetched";

/// What a provider answers.
#[derive(Clone)]
enum ProviderAnswer {
    Text(String),
    Status(&'static str),
    Endless,
    Nothing,
}

/// An identity provider, which publishes keys over HTTPS.
struct Provider {
    address: SocketAddr,
    answer: Arc<Mutex<ProviderAnswer>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    fn start(authority: &Authority, first: ProviderAnswer) -> Self {
        let issued = authority.server();
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::new(Mutex::new(first)), Arc::new(AtomicUsize::new(0)));

        let (given, counted) = (Arc::clone(&answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, answer) = (Arc::clone(&config), Arc::clone(&given));
                let asked = Arc::clone(&counted);
                thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    let mut stream = StreamOwned::new(connection, stream.unwrap());
                    // A client that refuses the certificate ends the connection.
                    drop(serve(&mut stream, &answer, &asked));
                });
            }
        });
        Self { address, answer, asked }
    }

    fn set(&self, answer: ProviderAnswer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn serve(
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    answer: &Mutex<ProviderAnswer>,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&mut *stream);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 2 {
        line.clear();
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let answer = answer.lock().unwrap().clone();
    match answer {
        ProviderAnswer::Text(text) => {
            let length = text.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}")?;
        }
        ProviderAnswer::Status(status) => {
            write!(
                stream,
                "HTTP/1.1 {status}\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
            )?;
        }
        ProviderAnswer::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 8_192])?;
            }
        }
        ProviderAnswer::Nothing => {
            // Until the client gives up.
            stream.read_exact(&mut [0])?;
        }
    }
    stream.flush()
}

/// A server that trusts a provider.
struct Trusting {
    server: Served,
    _folder: TempDir,
}

impl Trusting {
    fn start(provider: &Provider, authority: &Authority) -> Self {
        Self::start_with(provider, authority, &[])
    }

    fn start_with(provider: &Provider, authority: &Authority, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let access = format!(
            "[roles.checks]\nmethods = [\"check\"]\n\
             [[keys]]\nname = \"other\"\nkey = \"{KEY}\"\nroles = [\"checks\"]\n\
             [[issuers]]\nname = \"idp\"\nissuer = \"https://idp.example.org/\"\naudience = [\"kilwa\"]\n\
             algorithms = [\"EdDSA\"]\njwks_url = \"https://{}/keys\"\njwks_ca_file = \"ca.pem\"\n\
             roles = {{ checkers = [\"checks\"] }}\n",
            provider.address
        );
        fs::write(folder.path().join("access.toml"), access).unwrap();
        let mut program = without_variables(env!("CARGO_BIN_EXE_kilwa"));
        program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--access-file"]);
        program.arg(folder.path().join("access.toml"));
        program.arg("--data-dir").arg(folder.path().join("data")).args(flags);
        Self { server: Served::run(program), _folder: folder }
    }

    /// The code of a refusal; `None` where the caller is let in. There is no schema, so that no check is answered.
    async fn refusal(&self, credential: &str) -> Option<Code> {
        let request = question("document:a#view@user:ann").encode_to_vec();
        let channel = self.server.channel().await;
        let answer = calls::call(channel, Some(credential), CHECK, vec![request]).await;
        let code = answer.error?.code();
        let refuses = [Code::Unauthenticated, Code::PermissionDenied, Code::Unavailable];
        refuses.contains(&code).then_some(code)
    }
}

/// Waits for a scrape with a reading.
async fn await_reading(address: SocketAddr, reading: &str) {
    while !ask(address, &["GET /metrics HTTP/1.1"]).await.contains(reading) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_provider_whose_keys_cannot_be_fetched_is_in_the_metrics() {
    let authority = Authority::new("providers");
    let provider = Provider::start(&authority, ProviderAnswer::Status("500 Internal Server Error"));
    let flags = ["--metrics-enabled", "--metrics-addr", "127.0.0.1:0"];
    let trusting = Trusting::start_with(&provider, &authority, &flags);
    let line = trusting.server.await_line("serving metrics and probes");
    let (_, address) = line.split_once("address=").unwrap();
    let address = address.split_whitespace().next().unwrap().parse().unwrap();

    soon(await_reading(address, "\nkilwa_key_sets_not_fetched 1\n")).await;
    provider.set(keys(&[("a", &Signer::ed())]));
    soon(await_reading(address, "\nkilwa_key_sets_not_fetched 0\n")).await;
}

fn keys(signers: &[(&str, &Signer)]) -> ProviderAnswer {
    let keys: Vec<_> = signers.iter().map(|(id, signer)| signer.jwk(id)).collect();
    ProviderAnswer::Text(key_set(&keys))
}

#[tokio::test]
async fn keys_come_when_the_provider_does_and_change_when_it_changes_them() {
    let (authority, a, b) = (Authority::new("a provider's"), Signer::ed(), Signer::ed());
    let provider = Provider::start(&authority, ProviderAnswer::Status("503 Away"));
    let trusting = Trusting::start(&provider, &authority);
    let (token_a, token_b) = (a.token("a", &claims(&json!({}))), b.token("b", &claims(&json!({}))));
    trusting.server.await_line("it answers 503");
    assert_eq!(trusting.refusal(&token_a).await, Some(Code::Unavailable));
    assert_eq!(trusting.refusal(KEY).await, None);

    provider.set(keys(&[("a", &a)]));
    trusting.server.await_line(FETCHED);
    assert_eq!(trusting.refusal(&token_a).await, None);

    // A token with a key that is not known makes the server look for it.
    provider.set(keys(&[("b", &b)]));
    assert_eq!(trusting.refusal(&token_b).await, Some(Code::Unavailable));
    trusting.server.await_line(FETCHED);
    assert_eq!(trusting.refusal(&token_b).await, None);
    // The key that is gone is no longer accepted, not even for a token that was.
    assert!(trusting.refusal(&token_a).await.is_some());
    let forged = a.token("b", &claims(&json!({})));
    assert_eq!(trusting.refusal(&forged).await, Some(Code::Unauthenticated));
}

#[tokio::test]
async fn invented_keys_do_not_flood_the_provider() {
    let (authority, a) = (Authority::new("a provider's"), Signer::ed());
    let provider = Provider::start(&authority, ProviderAnswer::Status("503 Away"));
    let trusting = Trusting::start(&provider, &authority);
    trusting.server.await_line("it answers 503");
    provider.set(keys(&[("a", &a)]));
    trusting.server.await_line(FETCHED);
    let before = provider.asked();

    let right = a.token("a", &claims(&json!({})));
    for number in 0..10_000 {
        let invented = a.token(&format!("invented-{number}"), &claims(&json!({})));
        if trusting.refusal(&invented).await == Some(Code::Unauthenticated) {
            break;
        }
        assert_eq!(trusting.refusal(&right).await, None);
    }
    for number in 0..200 {
        let invented = a.token(&format!("also-invented-{number}"), &claims(&json!({})));
        assert!(trusting.refusal(&invented).await.is_some());
    }
    // Three at once, and at most one more where the test takes longer than a minute.
    let caused = provider.asked() - before;
    assert!((1..=4).contains(&caused), "{caused}");
}

#[tokio::test]
async fn useless_answers_leave_the_keys_as_they_are() {
    let (authority, a) = (Authority::new("a provider's"), Signer::ed());
    let provider = Provider::start(&authority, ProviderAnswer::Status("503 Away"));
    let trusting = Trusting::start(&provider, &authority);
    trusting.server.await_line("it answers 503");
    provider.set(keys(&[("a", &a)]));
    trusting.server.await_line(FETCHED);

    let right = a.token("a", &claims(&json!({})));
    for (number, (answer, said)) in [
        (ProviderAnswer::Text("<html>".to_owned()), "it is no JSON Web Key Set"),
        (ProviderAnswer::Status("302 Found"), "redirects are not followed"),
        (ProviderAnswer::Endless, "more than 1048576 bytes"),
    ]
    .into_iter()
    .enumerate()
    {
        provider.set(answer);
        let invented = a.token(&format!("invented-{number}"), &claims(&json!({})));
        trusting.refusal(&invented).await;
        trusting.server.await_line(said);
        assert_eq!(trusting.refusal(&right).await, None, "{said}");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_or_is_another_one_holds_up_no_call() {
    let (authority, a) = (Authority::new("a provider's"), Signer::ed());
    let provider = Provider::start(&authority, ProviderAnswer::Nothing);
    let trusting = Trusting::start(&provider, &authority);
    let token = a.token("a", &claims(&json!({})));
    // The server waits for the provider for ten seconds, and these are answered meanwhile.
    for _ in 0..20 {
        assert_eq!(trusting.refusal(&token).await, Some(Code::Unavailable));
        assert_eq!(trusting.refusal(KEY).await, None);
    }
    trusting.server.await_line("no answer within 10 s");

    let other = Trusting::start(&provider, &Authority::new("someone else's"));
    other.server.await_line("UnknownIssuer");
    assert_eq!(other.refusal(&token).await, Some(Code::Unavailable));
}
