//! Opens the database again while the server runs.
//!
//! RocksDB must be closed before its folder can be opened again. So new work waits, and work under way gets some time and is
//! interrupted then. All that takes a fraction of a second, unless a long read has to be interrupted.

use crate::api::workers::Workers;
use crate::database::{ClosedDatabase, Database};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

/// How long a call waits for the database before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long work may still take before it is interrupted.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long interrupted work may hold the database before the attempt is given up.
const HELD_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// What is known about the database while it is closed and opened.
#[derive(Debug, Default)]
pub(crate) struct Reopening {
    is_under_way: watch::Sender<bool>,
    /// The database between closing and opening.
    closed: Mutex<Option<ClosedDatabase>>,
    /// Set when work on the present database is to end. Each database has a flag of its own.
    ending: RwLock<Arc<AtomicBool>>,
}

impl Reopening {
    /// Says when work that began on the present database is to end.
    pub(crate) fn ending(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ending.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, closed: ClosedDatabase) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(closed);
    }
}

/// The answer to a call that met a database that is being opened again.
pub(crate) fn reopening() -> Status {
    Status::unavailable("the data folder is being opened again after a failed write: try again")
}

impl Workers {
    /// Why no write is taken until the database is opened again; `None` while writes are taken.
    pub fn writes_stopped(&self) -> Option<String> {
        self.database()?.writes_stopped()
    }

    /// Closes the database and opens it again, when a probe shows that its folder can be written. New work waits meanwhile.
    /// An error says what stands in the way; the database stays open then, unless opening it failed, in which case the
    /// next call tries that again.
    pub async fn reopen(&self) -> Result<(), String> {
        if let Some(database) = self.database() {
            let probed = spawn_blocking(move || database.probe()).await;
            let probed = probed.map_err(|failure| failure.to_string())?;
            probed.map_err(|error| format!("the data folder cannot be written: {error}"))?;
        }

        self.reopening.is_under_way.send_replace(true);
        if let Some(database) = self.take_database() {
            self.close_database(database).await?;
        }
        let database = self.open_closed().await?;
        *self.reopening.ending.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        self.put_database(Arc::new(database));
        self.reopening.is_under_way.send_replace(false);
        Ok(())
    }

    /// The database, once it is open.
    pub(crate) async fn open_database(&self) -> Result<Arc<Database>, Status> {
        let mut under_way = self.reopening.is_under_way.subscribe();
        loop {
            let is_under_way = *under_way.borrow_and_update();
            match self.database() {
                Some(database) => return Ok(database),
                None if !is_under_way => return Err(super::workers::shutting_down()),
                None => {}
            }
            let waited = timeout(WAIT_MAX, under_way.changed()).await;
            waited.map_err(|_| reopening())?.map_err(|_| crate::api::workers::shutting_down())?;
        }
    }

    /// Closes the database, which must have been taken. It is put back when that fails.
    async fn close_database(&self, database: Arc<Database>) -> Result<(), String> {
        let failed = |database: Arc<Database>| {
            self.put_database(database);
            *self.reopening.ending.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
            self.reopening.is_under_way.send_replace(false);
            Err("calls that read the data folder do not end".to_owned())
        };
        let database = match self.released(database).await {
            Ok(database) => database,
            Err(database) => return failed(database),
        };
        // It waits for the writer's thread.
        match spawn_blocking(move || database.close())
            .await
            .map_err(|failure| failure.to_string())?
        {
            Ok(closed) => self.reopening.keep(closed),
            Err(database) => return failed(Arc::from(database)),
        }
        Ok(())
    }

    /// Waits until nobody else holds the database.
    async fn released(&self, mut database: Arc<Database>) -> Result<Database, Arc<Database>> {
        let started = Instant::now();
        loop {
            match Arc::try_unwrap(database) {
                Ok(database) => return Ok(database),
                Err(held) => database = held,
            }
            if started.elapsed() > HELD_MAX {
                return Err(database);
            }
            if started.elapsed() > PATIENCE {
                self.reopening.ending().store(true, Ordering::Relaxed);
            }
            sleep(POLL).await;
        }
    }

    async fn open_closed(&self) -> Result<Database, String> {
        let closed = self.reopening.closed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut closed = closed.ok_or("the server is shutting down")?;
        let opening = spawn_blocking(move || {
            let opened = closed.open();
            (closed, opened)
        });
        let (closed, opened) = opening.await.map_err(|failure| failure.to_string())?;
        opened.map_err(|error| {
            self.reopening.keep(closed);
            error.to_string()
        })
    }
}
