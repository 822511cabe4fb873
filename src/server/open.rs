//! Opens the data folder and everything else that a server needs before it listens.

use super::clock::{GuardedClock, TimeSource, since_epoch};
use super::error::ServerError;
use super::http_listener::HttpListener;
use super::scrape::ScrapeListener;
use super::tls::{self, TlsIdentity};
use super::{Contents, Server, descriptors};
use crate::api::{Clock, Keys, RequestIds, Workers};
use crate::audit::{AuditError, AuditLog, AuditSource};
use crate::config::{Bootstrap, Config};
use crate::database::{Consistency, Database, DatabaseError};
use crate::envoy::ExtAuthz;
use crate::relationship::{Relationship, Timestamp};
use crate::settings_file::SettingsFileError;
use crate::store::{OpenError, Store};
use crate::traces::TraceRecorder;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl Server {
    /// Opens the data folder, makes a key where there is none, and fills an empty store with what it is to start with.
    pub fn open(config: &Config) -> Result<Self, ServerError> {
        Self::open_with(config, TimeSource::system())
    }

    /// The same with another source of time.
    pub fn open_with(config: &Config, time: TimeSource) -> Result<Self, ServerError> {
        let http = config.http.clone().map(HttpListener::new).transpose()?;
        Self::open_listening(config, time, http)
    }

    pub(super) fn open_listening(
        config: &Config,
        time: TimeSource,
        http: Option<HttpListener>,
    ) -> Result<Self, ServerError> {
        // Before the data folder is opened, which may take long.
        let metrics = ScrapeListener::of(&config.metrics)?;
        let tls = TlsIdentity::of("gRPC", &config.transport, tls::ALPN_GRPC)?;
        let (recorder, traces) = TraceRecorder::start(&config.traces, since_epoch)?.unzip();

        let mut store_options = config.store.clone();
        // No ticker costs anything where none is shown.
        store_options.counters = metrics.is_some();
        store_options.open_files_max =
            store_options.open_files_max.min(descriptors::shares().store);

        let open = if config.recover_log { Store::recover } else { Store::open };
        let store = open(&config.data_dir, &store_options)?;

        if store.is_new() {
            tracing::info!(data_dir = %config.data_dir.display(), "a new, empty store was made");
        }
        let remarks = store.notes().len();
        for note in store.notes() {
            tracing::warn!("{note}");
        }
        let last_use = store.last_use().map_err(|error| OpenError::Io {
            path: config.data_dir.clone(),
            reason: error.to_string(),
        })?;

        let clock = GuardedClock::start(
            time,
            last_use,
            config.store.history_window,
            (config.clock_ahead_max, config.accept_clock),
        )?;
        let clock = Arc::new(clock);

        let (keys, key_source) = config.load_keys()?;
        let ext_authz = ext_authz(config, &keys)?;
        let database = Database::new(store, config.database);
        let contents = contents(&database, config.bootstrap.as_ref(), clock.now())?;
        let database = if config.read_only { database.read_only() } else { database };

        let readings = Arc::clone(&clock);
        let now: Clock = Arc::new(move || readings.now());

        let workers =
            Workers::new(database, config.threads_max, now).with_overload(config.overload);
        let audit = start_audit(config, &workers)?;
        let mut options = config.api_options(keys, request_ids(), audit);
        options.traces = recorder;

        Ok(Self {
            workers: Arc::new(workers),
            clock,
            options,
            key_source,
            contents,
            remarks,
            connections: config.connections,
            tls,
            transport: config.transport.clone(),
            reloads: Arc::default(),
            metrics,
            traces,
            profiles: config.metrics.profiles,
            http,
            ext_authz,
            garbage_collection_interval: config.garbage_collection_interval,
            shutdown_drain_delay: config.shutdown_drain_delay,
            shutdown_grace: config.shutdown_grace,
        })
    }
}

/// External authorization, if it is to be served.
fn ext_authz(config: &Config, keys: &Keys) -> Result<Option<ExtAuthz>, SettingsFileError> {
    let file = config.ext_authz_file.clone();
    file.map(|file| ExtAuthz::new(file, keys.callers().cloned())).transpose()
}

/// Starts the audit log, if there is to be one. Its source is the store.
fn start_audit(config: &Config, workers: &Workers) -> Result<Option<AuditLog>, AuditError> {
    let id = workers.store_bytes().map(|byte| format!("{byte:02x}")).concat();
    let run = format!("{:x}", since_epoch().as_micros());
    let source = AuditSource { source: format!("urn:kilwa:store:{id}"), run, now: since_epoch };
    AuditLog::start(&config.audit, source)
}

/// Fills an empty database with its bootstrap, and says what there is.
pub(super) fn contents(
    database: &Database,
    bootstrap: Option<&Bootstrap>,
    now: Timestamp,
) -> Result<Contents, ServerError> {
    let failed = |error: DatabaseError| ServerError::Bootstrap(Box::new(error));
    if let Some(Bootstrap { schema, relationships }) = bootstrap {
        let loaded = database.bootstrap(now, schema, relationships.clone()).map_err(failed)?;
        if loaded {
            let is_expired = |row: &&Relationship| row.expires_at.is_some_and(|at| at <= now);
            let expired = relationships.iter().filter(is_expired).count();
            let (count, bytes) = (relationships.len(), schema.len());
            tracing::info!(
                loaded,
                relationships = count,
                schema_bytes = bytes,
                "bootstrap: loaded into the empty store"
            );
            if expired > 0 {
                tracing::warn!(expired, "bootstrap: relationships that have expired grant nothing");
            }
        } else {
            tracing::info!(loaded, "bootstrap: skipped, because the store already holds a schema");
        }
    }

    let view = database.view(Consistency::FullyConsistent, now).map_err(failed)?;
    Ok(match (view.schema_text(), bootstrap) {
        (None, _) => Contents::Nothing,
        (Some(text), Some(bootstrap)) if text == bootstrap.schema => Contents::Bootstrap,
        (Some(_), _) => Contents::Other,
    })
}

/// Ids that are unlike those of other servers, and of this one before it was restarted.
pub(super) fn request_ids() -> RequestIds {
    let start = since_epoch().as_micros();
    let count = AtomicU64::new(0);
    Arc::new(move || format!("{start:x}-{:x}", count.fetch_add(1, Ordering::Relaxed)))
}
