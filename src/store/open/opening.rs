//! Opens a data folder: creates a new store, or requires that an existing store has every acknowledged write.

use super::acknowledged::Acknowledged;
use super::data_folder::{self, DATABASE, FolderLock};
use super::error::{OpenError, dated};
use super::examine::{self, FolderExamination};
use super::marker::{self, FORMAT, MARKER, Marker};
use crate::relationship::{ReadError, Revision};
use crate::store::head::HeadRecord;
use crate::store::layout::meta_keys;
use crate::store::options::{StoreId, StoreOptions};
use crate::store::rocks::column_family::{ColumnFamily, Db};
use crate::store::rocks::counters::RocksCounters;
use crate::store::rocks::database::{self, DatabaseOpening, Recovery};
use crate::store::rocks::error::{open_error, read_error};
use rocksdb::ErrorKind;
use std::fs;
use std::io;
use std::path::Path;

/// An open database.
pub(in crate::store) struct OpenedDatabase {
    pub(in crate::store) db: Db,
    pub(in crate::store) counters: RocksCounters,
    pub(in crate::store) id: StoreId,
    /// Whether it was created.
    pub(in crate::store) is_new: bool,
    /// `None` for a store in memory.
    pub(in crate::store) lock: Option<FolderLock>,
    /// Notes for the operator.
    pub(in crate::store) notes: Vec<String>,
}

/// Opens a data folder, or creates it.
pub(in crate::store) fn open(
    dir: &Path,
    options: &StoreOptions,
    recover: bool,
) -> Result<OpenedDatabase, OpenError> {
    if options.require_existing {
        data_folder::require_store(dir)?;
    }
    let lock = Some(data_folder::lock(dir)?);
    let marker = data_folder::prepare(dir, recover)?;
    let opening = DatabaseOpening::new(options);
    let (db, id, mut notes) = match marker {
        Marker::Creating(id) => (create(dir, id, &opening)?, id, Vec::new()),
        Marker::Complete(id) => open_existing(dir, Some(id), &opening, recover)?,
        Marker::WithoutId => open_existing(dir, None, &opening, recover)?,
    };
    notes.extend(data_folder::note_on_mode(dir));
    let is_new = matches!(marker, Marker::Creating(_));
    Ok(OpenedDatabase { db, counters: opening.counters, id, is_new, lock, notes })
}

/// An empty store whose files are in memory.
pub(in crate::store) fn in_memory(dir: &Path) -> Result<OpenedDatabase, OpenError> {
    let (db, counters) = database::open_in_memory(dir)?;
    let id = data_folder::random_id()
        .map_err(|error| OpenError::Io { path: dir.into(), reason: error.to_string() })?;
    first_record(&db, dir, id)?;
    Ok(OpenedDatabase { db, counters, id, is_new: true, lock: None, notes: Vec::new() })
}

/// The file that records acknowledged revisions.
pub(in crate::store) fn acknowledge(
    dir: &Path,
    id: StoreId,
    revision: Revision,
) -> Result<Acknowledged, OpenError> {
    Acknowledged::open(dir, id, revision)
        .map_err(|error| OpenError::Io { path: dir.into(), reason: error.to_string() })
}

/// Creates the store whose id the marker names. The files of an attempt that a crash ended are removed: until the marker is
/// complete nothing has been acknowledged.
fn create(dir: &Path, id: StoreId, opening: &DatabaseOpening) -> Result<Db, OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    let database = dir.join(DATABASE);
    match fs::remove_dir_all(&database) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    data_folder::make_folder(&database).map_err(failed)?;

    let db = opening.open(&database, Recovery::Create).map_err(|error| open_error(dir, &error))?;
    first_record(&db, dir, id)?;
    drop(acknowledge(dir, id, Revision::default())?);
    Marker::Complete(id).write(dir).map_err(failed)?;
    Ok(db)
}

/// Opens the store of a folder that has one. `expected` is the id in its marker.
fn open_existing(
    dir: &Path,
    expected: Option<StoreId>,
    opening: &DatabaseOpening,
    may_recover: bool,
) -> Result<(Db, StoreId, Vec<String>), OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    let examined = examine::examine(dir, expected)?;
    let (db, notes) = match (&examined.problem, may_recover) {
        (Some(problem), false) => return Err(examined.incomplete(dir, problem.clone())),
        (Some(problem), true) => give_up_damaged(dir, &examined, problem, opening)?,
        (None, may_recover) => open_whole(dir, &examined, may_recover, opening)?,
    };

    let id = require_id(dir, &db, expected)?;
    raise_format(dir, &db, id)?;
    if Marker::read(dir)? != Some(Marker::Complete(id)) {
        Marker::Complete(id).write(dir).map_err(failed)?;
    }
    Ok((db, id, notes))
}

/// Opens a store whose log looks complete.
fn open_whole(
    dir: &Path,
    examined: &FolderExamination,
    may_recover: bool,
    opening: &DatabaseOpening,
) -> Result<(Db, Vec<String>), OpenError> {
    examined
        .cut_torn_tail()
        .map_err(|error| OpenError::Io { path: dir.into(), reason: error.to_string() })?;

    let opened = opening.open(&dir.join(DATABASE), Recovery::Complete);
    match opened {
        Ok(db) => {
            if examined.has_logged {
                retire_logs(&db, examined).map_err(|error| open_error(dir, &error))?;
            }
            let intact = may_recover.then(|| "the log is intact: nothing was recovered".to_owned());
            Ok((db, examined.note.clone().into_iter().chain(intact).collect()))
        }
        // Such as a log file that is missing between others.
        Err(error) if error.kind() == ErrorKind::Corruption => {
            let problem = error.to_string();
            if may_recover {
                return give_up_damaged(dir, examined, &problem, opening);
            }
            Err(examined.incomplete(dir, problem))
        }
        Err(error) => Err(open_error(dir, &error)),
    }
}

/// Makes the logs of earlier runs obsolete and removes them, so that damage to them does no harm any more and the next start
/// need not read them. RocksDB has moved what they hold into table files, but with transactions it lets them go only with a
/// flush, and then hours later.
fn retire_logs(db: &Db, examined: &FolderExamination) -> Result<(), rocksdb::Error> {
    let families: Vec<_> =
        ColumnFamily::ALL.iter().filter_map(|family| family.handle(db).ok()).collect();
    let Some(meta) = families.first().copied() else { return Ok(()) };
    // Without anything to write, a flush does nothing.
    if let Some(head) = db.get_cf(meta, meta_keys::HEAD)? {
        db.put_cf(meta, meta_keys::HEAD, head)?;
    }
    let mut options = rocksdb::FlushOptions::default();
    options.set_wait(true);
    db.flush_cfs_opt(&families, &options)?;
    for log in &examined.logs {
        // One that stays is harmless: RocksDB knows that it is obsolete.
        drop(fs::remove_file(log));
    }
    Ok(())
}

/// Opens a store with a damaged log at the newest revision that can be read.
fn give_up_damaged(
    dir: &Path,
    examined: &FolderExamination,
    problem: &str,
    opening: &DatabaseOpening,
) -> Result<(Db, Vec<String>), OpenError> {
    let copies = examine::copy_aside(dir)
        .map_err(|error| OpenError::Io { path: dir.into(), reason: error.to_string() })?;
    let database = dir.join(DATABASE);
    let db =
        opening.open(&database, Recovery::UpToDamage).map_err(|error| open_error(dir, &error))?;
    // Otherwise the next start would meet the same damage.
    retire_logs(&db, examined).map_err(|error| open_error(dir, &error))?;

    let damaged = |error: ReadError| OpenError::Damaged { path: dir.into(), reason: error.reason };
    let head = stored_head(&db).map_err(damaged)?;
    let head = head.ok_or_else(|| damaged(ReadError::new("the head record is missing")))?;
    let acknowledged = examined.acknowledged.map_or_else(String::new, |revision| {
        format!(" (writes were acknowledged up to {})", dated(revision))
    });
    let note = format!(
        "the log was damaged: {problem}. The store was opened at {}, and every write after that is lost{acknowledged}. \
         Copies of the damaged files are in `{}`",
        dated(head.revision),
        copies.display()
    );
    Ok((db, vec![note]))
}

/// The id that the database carries. It must be the one that the marker names.
fn require_id(dir: &Path, db: &Db, expected: Option<StoreId>) -> Result<StoreId, OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: dir.into(), reason };
    let found = stored_id(db).map_err(|error| damaged(error.reason))?;
    let found =
        found.ok_or_else(|| damaged(format!("the database in `{DATABASE}` has no store id")))?;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        let (expected, found) = (expected.hex(), found.hex());
        return Err(damaged(format!(
            "`{MARKER}` names the store {expected}, and the database in `{DATABASE}` is of {found}"
        )));
    }
    let format = stored_format(db).map_err(|error| damaged(error.reason))?;
    marker::require_format(dir, format, "meta/format")?;
    Ok(found)
}

/// Gives a store of an older format the present one, in which older programs refuse it. The marker first: it is what they read
/// first, and the next start completes what a crash left undone.
fn raise_format(dir: &Path, db: &Db, id: StoreId) -> Result<(), OpenError> {
    let failed = |reason: String| OpenError::Io { path: dir.into(), reason };
    let format = stored_format(db).map_err(|error| failed(error.reason))?;
    if format == Some(FORMAT) {
        return Ok(());
    }
    Marker::Complete(id).write(dir).map_err(|error| failed(error.to_string()))?;
    let meta = ColumnFamily::Meta.handle(db).map_err(|error| failed(error.to_string()))?;
    let mut options = rocksdb::WriteOptions::default();
    options.set_sync(true);
    let written = db.put_cf_opt(meta, meta_keys::FORMAT, FORMAT.to_be_bytes(), &options);
    written.map_err(|error| failed(error.to_string()))
}

fn stored_id(db: &Db) -> Result<Option<StoreId>, ReadError> {
    let found =
        db.get_cf(ColumnFamily::Meta.handle(db)?, meta_keys::STORE_ID).map_err(read_error)?;
    let id = found.map(|bytes| <[u8; 16]>::try_from(bytes).map(StoreId));
    id.transpose().map_err(|_| ReadError::new("the store's id is cut short"))
}

fn stored_format(db: &Db) -> Result<Option<u32>, ReadError> {
    let found = db.get_cf(ColumnFamily::Meta.handle(db)?, meta_keys::FORMAT).map_err(read_error)?;
    Ok(found.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(u32::from_be_bytes))
}

fn stored_head(db: &Db) -> Result<Option<HeadRecord>, ReadError> {
    let found = db.get_cf(ColumnFamily::Meta.handle(db)?, meta_keys::HEAD).map_err(read_error)?;
    Ok(found.map(|bytes| HeadRecord::from_bytes(&bytes)).transpose()?)
}

/// Writes id, format and first head of a new store.
fn first_record(db: &Db, dir: &Path, id: StoreId) -> Result<(), OpenError> {
    let failed = |reason: String| OpenError::Io { path: dir.into(), reason };
    let meta = ColumnFamily::Meta.handle(db).map_err(|error| failed(error.to_string()))?;
    let mut batch = rocksdb::WriteBatchWithTransaction::<true>::default();
    batch.put_cf(meta, meta_keys::STORE_ID, id.0);
    batch.put_cf(meta, meta_keys::FORMAT, FORMAT.to_be_bytes());
    batch.put_cf(meta, meta_keys::HEAD, HeadRecord::default().bytes());
    let mut options = rocksdb::WriteOptions::default();
    options.set_sync(true);
    db.write_opt(batch, &options).map_err(|error| failed(error.to_string()))
}
