//! Errors of opening a data folder.

use crate::relationship::{ReadError, Revision};
use std::path::{Path, PathBuf};

/// A data folder that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It holds something else.
    #[error("`{}` holds files but is no data folder: name an empty or a new folder", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// It has no store, and none may be made.
    #[error(
        "the data folder `{}` {found}, and `--require-existing-data` forbids to begin with a new, empty store: mount the volume that has \
         the store, name its folder with `--data-dir`, or restore a backup; only for the first start, leave out `--require-existing-data`",
        .path.display()
    )]
    NoStore {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },
    /// A newer program wrote it.
    #[error(
        "the data folder `{}` has format {found}, and this program knows formats up to {known}: \
         start a newer program or restore an older backup",
        .path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// Another process has it open.
    #[error("the data folder `{}` is in use: stop the other server or name another folder", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Its content is damaged.
    #[error("the data folder `{}` is damaged, restore a backup: {reason}", .path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Acknowledged writes are missing, or cannot be read.
    #[error(
        "the data folder `{}` lacks acknowledged writes: {reason}{}{}",
        .path.display(), acknowledged_up_to(*.acknowledged), openable_up_to(*.openable)
    )]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// Which file is damaged, where and how.
        reason: String,
        /// Up to which revision writes were acknowledged, if that is known.
        acknowledged: Option<Revision>,
        /// Up to which revision the store can be opened with [`Store::recover`](crate::store::Store::recover).
        openable: Option<Revision>,
    },
    /// The file system refused.
    #[error("the data folder `{}` cannot be opened: {reason}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        reason: String,
    },
}

impl OpenError {
    /// An error of reading the data folder `dir`.
    pub(in crate::store) fn from_read(dir: &Path, error: &ReadError) -> Self {
        let (path, reason) = (dir.to_path_buf(), error.reason.clone());
        if error.is_corrupt() { Self::Damaged { path, reason } } else { Self::Io { path, reason } }
    }
}

fn acknowledged_up_to(revision: Option<Revision>) -> String {
    revision.map_or_else(String::new, |revision| {
        format!("; writes were acknowledged up to {}", dated(revision))
    })
}

fn openable_up_to(revision: Option<Revision>) -> String {
    match revision {
        Some(revision) => format!(
            "; restore a backup, or give up all writes after {}: `kilwa serve --recover-log` opens the store there and \
             keeps a copy of the damaged files",
            dated(revision)
        ),
        None => "; it cannot be opened at an earlier revision: restore a backup".to_owned(),
    }
}

/// A revision with the time that it stands for.
pub(in crate::store) fn dated(revision: Revision) -> String {
    format!("revision {revision} ({})", revision.time())
}
