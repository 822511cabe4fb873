//! Examines the files of a data folder before RocksDB opens it, and decides whether and how it may.
//!
//! RocksDB repairs while it opens: it drops what it cannot read of the log, and deletes files that it no longer knows. So
//! whether every acknowledged write is still there is found out first, without changing anything.

use super::acknowledged::{ACKNOWLEDGED, Acknowledged, AcknowledgedState};
use super::data_folder::DATABASE;
use super::error::OpenError;
use super::log_batch;
use super::log_scan::{self, LogEnding};
use super::marker::MARKER;
use crate::relationship::Revision;
use crate::store::options::StoreId;
use crate::store::rocks::database;
use crate::store::rocks::error::open_error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Names the newest manifest.
const CURRENT: &str = "CURRENT";
const MANIFEST_PREFIX: &str = "MANIFEST-";
const LOG_SUFFIX: &str = ".log";
/// The prefix of the names of folders for copies of damaged files.
const DAMAGED_PREFIX: &str = "damaged-";

/// The result of an examination.
#[derive(Debug)]
pub(in crate::store) struct FolderExamination {
    /// Up to which revision writes were acknowledged, if that is known.
    pub(in crate::store) acknowledged: Option<Revision>,
    /// The damage of the log, if any.
    pub(in crate::store) problem: Option<String>,
    /// The log file whose last record was not written completely, and where that record starts.
    torn: Option<(PathBuf, u64)>,
    /// The log files, all of them of earlier runs.
    pub(in crate::store) logs: Vec<PathBuf>,
    /// Whether they hold anything.
    pub(in crate::store) has_logged: bool,
    /// A note for the operator, although the store can be opened.
    pub(in crate::store) note: Option<String>,
}

/// Examines the files. Those that no option can do without are required.
pub(in crate::store) fn examine(
    dir: &Path,
    id: Option<StoreId>,
) -> Result<FolderExamination, OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    let database = dir.join(DATABASE);
    require_manifest(dir, &database)?;

    let logs = scan_logs(&database).map_err(failed)?;
    let (problem, torn) = verdict(&logs);
    let in_logs = logs.iter().filter_map(|log| log.head).next_back();
    let found = Acknowledged::read(dir, id).map_err(failed)?;
    let acknowledged = match found {
        AcknowledgedState::UpTo(revision) => Some(revision),
        AcknowledgedState::Missing | AcknowledgedState::Invalid => None,
    };
    // Folders without an id are older than the file.
    let lacks_file = id.is_some() && acknowledged.is_none();
    let note = lacks_file.then(|| {
        format!("`{ACKNOWLEDGED}` is missing or damaged and is written anew; the log is complete as far as can be seen")
    });

    let has_logged = logs.iter().any(|log| log.has_records);
    let logs = logs.into_iter().map(|log| log.path).collect();
    let mut examined = FolderExamination { acknowledged, problem, torn, logs, has_logged, note };
    if examined.problem.is_none() && in_logs < acknowledged {
        examined.problem = shortfall(dir, &database, acknowledged)?;
    }
    Ok(examined)
}

/// Requires a manifest that RocksDB will read to its end.
fn require_manifest(dir: &Path, database: &Path) -> Result<(), OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: dir.into(), reason };
    let current = fs::read_to_string(database.join(CURRENT))
        .map_err(|error| damaged(format!("`{DATABASE}/{CURRENT}` cannot be read: {error}")))?;
    let name = current.strip_suffix('\n').filter(|name| name.starts_with(MANIFEST_PREFIX));
    let name = name.ok_or_else(|| damaged(format!("`{DATABASE}/{CURRENT}` names no manifest")))?;

    let scanned = log_scan::scan(&database.join(name), |_| {});
    let ending =
        scanned.map_err(|error| damaged(format!("`{DATABASE}/{name}` cannot be read: {error}")))?;
    match ending {
        // A change of the manifest that a crash cut short was not in force yet.
        LogEnding::Clean | LogEnding::Torn { .. } => Ok(()),
        LogEnding::Damaged { at, reason } => {
            Err(damaged(format!("`{DATABASE}/{name}` is damaged at byte {at}: {reason}")))
        }
    }
}

struct ScannedLog {
    number: u64,
    path: PathBuf,
    ending: LogEnding,
    has_records: bool,
    /// The revision of the last head record in it.
    head: Option<Revision>,
}

impl ScannedLog {
    fn name(&self) -> String {
        format!("{DATABASE}/{:06}{LOG_SUFFIX}", self.number)
    }
}

/// The log files in the order in which they were written.
fn scan_logs(database: &Path) -> io::Result<Vec<ScannedLog>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_suffix(LOG_SUFFIX).and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        let (mut has_records, mut head) = (false, None);
        let ending = log_scan::scan(&path, |batch| {
            has_records = true;
            head = log_batch::head(batch).map(|head| head.revision).or(head);
        })?;
        logs.push(ScannedLog { number, path, ending, has_records, head });
    }
    logs.sort_by_key(|log| log.number);
    Ok(logs)
}

/// The damage of the logs, or else the log with a torn tail.
fn verdict(logs: &[ScannedLog]) -> (Option<String>, Option<(PathBuf, u64)>) {
    let mut rest = logs.iter();

    while let Some(log) = rest.next() {
        let later = rest.as_slice().iter().find(|later| later.has_records);
        match (log.ending, later) {
            (LogEnding::Damaged { at, reason }, _) => {
                return (Some(format!("`{}` is damaged at byte {at}: {reason}", log.name())), None);
            }
            (LogEnding::Torn { at }, Some(later)) => {
                let (name, later) = (log.name(), later.name());
                let reason = format!(
                    "`{name}` ends within a record at byte {at}, and `{later}` holds later records"
                );
                return (Some(reason), None);
            }
            (LogEnding::Torn { at }, None) => return (None, Some((log.path.clone(), at))),
            (LogEnding::Clean, _) => {}
        }
    }
    (None, None)
}

/// Says which acknowledged writes RocksDB would not find, if any. What was flushed is not in the log, so this needs a look
/// into the database, which is opened for reading only.
fn shortfall(
    dir: &Path,
    database: &Path,
    acknowledged: Option<Revision>,
) -> Result<Option<String>, OpenError> {
    let head = match database::peek(database) {
        Ok(head) => head,
        Err(error) => return Err(open_error(dir, &error)),
    };
    let is_short = head < acknowledged;
    Ok(is_short.then(|| {
        format!("the log in `{DATABASE}` ends too early: files are missing, cut short or of an older copy")
    }))
}

impl FolderExamination {
    /// The refusal of a store with a problem.
    pub(in crate::store) fn incomplete(&self, dir: &Path, reason: String) -> OpenError {
        let openable = database::peek(&dir.join(DATABASE)).ok().flatten();
        OpenError::Incomplete {
            path: dir.into(),
            reason,
            acknowledged: self.acknowledged,
            openable,
        }
    }

    /// Cuts off an append that a crash interrupted, and that was never acknowledged.
    pub(in crate::store) fn cut_torn_tail(&self) -> io::Result<()> {
        let Some((path, at)) = &self.torn else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(*at)?;
        file.sync_all()
    }
}

/// Copies the log, the manifest and the store's own marks into a new folder within the data folder, before they are
/// repaired.
pub(in crate::store) fn copy_aside(dir: &Path) -> io::Result<PathBuf> {
    let copies = new_folder(dir)?;
    let database = dir.join(DATABASE);
    for entry in fs::read_dir(&database)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let text = name.to_string_lossy();
        if text.ends_with(LOG_SUFFIX) || text.starts_with(MANIFEST_PREFIX) || text == CURRENT {
            copy(&path, &copies.join(name))?;
        }
    }
    for name in [MARKER, ACKNOWLEDGED] {
        if dir.join(name).exists() {
            copy(&dir.join(name), &copies.join(name))?;
        }
    }

    File::open(&copies)?.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(copies)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

fn new_folder(dir: &Path) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let path = dir.join(format!("{DAMAGED_PREFIX}{number}"));
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| path),
        }
    }
}
