//! Fetches the keys of identity providers from the addresses where they publish them.

use crate::access::{Callers, FetchOutcome, KeySetSource, RemoteKeySet};
use http_body::Body as _;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::codegen::http::{Request, header};

/// How often the sets are looked at: a token with a new key waits for that, and for the fetch.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// The longest time for one fetch.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);
/// The largest set that is read.
const BYTES_MAX: usize = 1 << 20;

/// Keeps the keys of all issuers with an address fresh. Never ends.
pub(super) async fn supervise(callers: Option<Arc<Callers>>) {
    let Some(callers) = callers else { return pending().await };
    let start = Instant::now();
    // Aborted when this is dropped.
    let mut fetches = JoinSet::new();

    loop {
        for set in callers.remote_key_sets() {
            let look = set.look(start.elapsed());
            if look.is_outdated {
                callers.forget_tokens();
                let KeySetSource { issuer, url, .. } = set.source();
                tracing::error!(
                    issuer,
                    url,
                    "the keys of an identity provider are too old to be used; its tokens are refused until they can be fetched"
                );
            }
            if look.is_due {
                let callers = Arc::clone(&callers);
                fetches.spawn(async move {
                    let brought = fetch(set.source()).await;
                    note(&callers, &set, set.fetched(start.elapsed(), brought));
                });
            }
        }
        while fetches.try_join_next().is_some() {}
        sleep(LOOK_INTERVAL).await;
    }
}

/// Says what came of a fetch, and forgets tokens that were verified with other keys.
fn note(callers: &Callers, set: &RemoteKeySet, outcome: FetchOutcome) {
    let KeySetSource { issuer, url, .. } = set.source();

    match outcome {
        FetchOutcome::Same => {
            tracing::debug!(issuer, url, "the keys of an identity provider are the same");
        }
        FetchOutcome::Changed => {
            callers.forget_tokens();
            tracing::info!(issuer, url, "the keys of an identity provider were fetched");
        }
        FetchOutcome::Withdrawn => {
            callers.forget_tokens();
            tracing::warn!(
                issuer,
                url,
                "the identity provider has withdrawn all its keys: none of its tokens is accepted until it has one again"
            );
        }
        FetchOutcome::Failed { reason, retry } => tracing::error!(
            issuer,
            url,
            reason,
            retry_s = retry.as_secs(),
            "the keys of an identity provider could not be fetched; those that are known stay in use: see that this server \
             reaches the address, or correct `jwks_url` and `jwks_ca_file`"
        ),
    }
}

async fn fetch(source: &KeySetSource) -> Result<String, String> {
    let late = || Err(format!("no answer within {} s", FETCH_TIME_MAX.as_secs()));
    timeout(FETCH_TIME_MAX, get(source)).await.unwrap_or_else(|_| late())
}

async fn get(source: &KeySetSource) -> Result<String, String> {
    let authorities = source.authorities.clone();
    // The system's authorities are read from files.
    let tls = tokio::task::spawn_blocking(move || tls(authorities.as_deref()));
    let tls = tls.await.map_err(|error| error.to_string())??;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);

    let request = Request::get(&source.url).header(header::ACCEPT, "application/json");
    let request = request.body(String::new()).map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| innermost(&error))?;
    if response.status().is_redirection() {
        let status = response.status();
        return Err(format!(
            "it answers {status}, and redirects are not followed: name the final address"
        ));
    }
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()));
    }

    let (mut body, mut bytes) = (pin!(response.into_body()), Vec::new());
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let Ok(data) = frame.map_err(|error| innermost(&error))?.into_data() else { continue };
        if bytes.len() + data.len() > BYTES_MAX {
            return Err(format!("its answer has more than {BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&data);
    }
    String::from_utf8(bytes).map_err(|_| "its answer is not text".to_owned())
}

fn tls(authorities: Option<&[u8]>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let Some(pem) = authorities else {
        let builder = builder.with_native_roots().map_err(|error| error.to_string())?;
        return Ok(builder.with_no_client_auth());
    };

    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("jwks_ca_file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("jwks_ca_file: {error}"))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
