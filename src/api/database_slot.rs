//! Holder of the database, which can be closed and reopened while the server runs.
//!
//! RocksDB must be closed before its folder can be opened again. So new work waits, and running work gets some time before it is
//! interrupted. All that takes a fraction of a second, unless a long read has to be interrupted.

use crate::api::status;
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
/// How long running work may continue before it is interrupted.
const GRACE_MAX: Duration = Duration::from_secs(1);
/// How long interrupted work may hold the database before reopening is given up.
const HELD_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// The database, open, closed or being reopened.
#[derive(Debug)]
pub(crate) struct DatabaseSlot {
    open: RwLock<Option<Arc<Database>>>,
    is_reopening: watch::Sender<bool>,
    /// The database between closing and opening.
    closed: Mutex<Option<ClosedDatabase>>,
    /// Set when work on the open database has to end. Each opening has a flag of its own.
    interruption: RwLock<Arc<AtomicBool>>,
}

impl DatabaseSlot {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            open: RwLock::new(Some(Arc::new(database))),
            is_reopening: watch::Sender::default(),
            closed: Mutex::default(),
            interruption: RwLock::default(),
        }
    }

    /// The database, if it is open.
    pub(crate) fn database(&self) -> Option<Arc<Database>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The result of work on the database, which is not closed meanwhile; `None` if it is not open.
    pub(crate) fn with_database<T>(&self, work: impl FnOnce(&Database) -> T) -> Option<T> {
        let database = self.open.read().unwrap_or_else(PoisonError::into_inner);
        database.as_deref().map(work)
    }

    /// Removes the database.
    pub(crate) fn take(&self) -> Option<Arc<Database>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The flag that is set when work on the open database has to end.
    pub(crate) fn interruption(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interruption.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The database, once it is open.
    pub(crate) async fn open_database(&self) -> Result<Arc<Database>, Status> {
        let mut reopening = self.is_reopening.subscribe();
        loop {
            // Read before the database: a change between the two is seen below.
            let is_reopening = *reopening.borrow_and_update();
            match self.database() {
                Some(database) => return Ok(database),
                None if !is_reopening => return Err(status::shutting_down()),
                None => {}
            }
            let waited = timeout(WAIT_MAX, reopening.changed()).await;
            waited.map_err(|_| status::reopening())?.map_err(|_| status::shutting_down())?;
        }
    }

    /// Closes the database and opens it again, if a probe shows that its folder can be written.
    pub(crate) async fn reopen(&self) -> Result<(), String> {
        if let Some(database) = self.database() {
            let probed = spawn_blocking(move || database.probe()).await;
            let probed = probed.map_err(|failure| failure.to_string())?;
            probed.map_err(|error| format!("the data folder cannot be written: {error}"))?;
        }

        self.is_reopening.send_replace(true);
        if let Some(database) = self.take() {
            self.close_database(database).await?;
        }

        let database = self.open_closed().await?;
        self.put(Arc::new(database));
        Ok(())
    }

    /// Installs a database for new work, with a flag of its own.
    fn put(&self, database: Arc<Database>) {
        // The flag before the database: work on it must not see the flag of the one before.
        *self.interruption.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        self.is_reopening.send_replace(false);
    }

    /// Closes the database, which must have been taken. It is put back when that fails.
    async fn close_database(&self, database: Arc<Database>) -> Result<(), String> {
        let failed = |database: Arc<Database>| {
            self.put(database);
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
            Ok(closed) => self.keep(closed),
            Err(database) => return failed(Arc::from(database)),
        }
        Ok(())
    }

    /// Waits until no other work holds the database.
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
            if started.elapsed() > GRACE_MAX {
                self.interruption().store(true, Ordering::Relaxed);
            }
            sleep(POLL).await;
        }
    }

    async fn open_closed(&self) -> Result<Database, String> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut closed = closed.ok_or("the server is shutting down")?;
        let opening = spawn_blocking(move || {
            let opened = closed.open();
            (closed, opened)
        });
        let (closed, opened) = opening.await.map_err(|failure| failure.to_string())?;
        opened.map_err(|error| {
            self.keep(closed);
            error.to_string()
        })
    }

    fn keep(&self, closed: ClosedDatabase) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(closed);
    }
}
