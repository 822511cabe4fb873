//! The data folder: whether it is ours, and of a format that this program knows.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The format that this program writes. Stands in the marker, which is read before RocksDB touches anything, and in
/// `meta`, beside what it is about.
pub(super) const FORMAT: u32 = 1;
/// The file that marks a data folder and names its format.
const MARKER: &str = "KILWA";
/// The marker while it is being written.
const MARKER_DRAFT: &str = "KILWA.new";
/// What stands in the marker before the format's number.
const MARKER_TEXT: &str = "kilwa data folder, format ";
/// The folder that belongs to RocksDB.
const DATABASE: &str = "rocksdb";
/// What a fresh volume may hold.
const VOLUME_ROOT: &str = "lost+found";

/// A data folder that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It holds something else.
    #[error("`{}` holds files but is no data folder: name an empty or a new folder", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
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
    /// The file system refused.
    #[error("the data folder `{}` cannot be opened: {reason}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// Requires that `dir` is a data folder of a known format, makes it one when it is new or empty, and gives back the
/// folder for RocksDB.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    make_folder(dir).map_err(failed)?;
    match fs::read_to_string(dir.join(MARKER)) {
        Ok(marker) => require_known(dir, &marker)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !is_empty(dir).map_err(failed)? {
                return Err(OpenError::Foreign { path: dir.into() });
            }
            mark(dir).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    let database = dir.join(DATABASE);
    make_folder(&database).map_err(failed)?;
    Ok(database)
}

/// Makes a folder, and those above it that are missing, so that a power loss does not take it away with what is in it.
/// It is for its owner alone: who may do what is not for everybody on the machine to read.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut missing = 0;
    while let Some(folder) = path.ancestors().nth(missing)
        && !folder.as_os_str().is_empty()
        && !folder.exists()
    {
        missing += 1;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.ancestors().skip(1).take(missing).try_for_each(|above| {
        // The folder above a relative path of one part is the current one.
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        File::open(above)?.sync_all()
    })
}

fn require_known(dir: &Path, marker: &str) -> Result<(), OpenError> {
    let number = marker.trim().strip_prefix(MARKER_TEXT.trim()).map(str::trim);
    require_format(dir, number.and_then(|number| number.parse().ok()), MARKER)
}

/// Requires that the format that stands in `place` is one that this program knows.
pub(super) fn require_format(dir: &Path, found: Option<u32>, place: &str) -> Result<(), OpenError> {
    match found {
        Some(found) if found > FORMAT => {
            Err(OpenError::Newer { path: dir.into(), found, known: FORMAT })
        }
        Some(FORMAT) => Ok(()),
        Some(_) | None => Err(OpenError::Damaged {
            path: dir.into(),
            reason: format!("`{place}` does not name a format"),
        }),
    }
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if name != MARKER_DRAFT && name != VOLUME_ROOT {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the marker so that it is there whole or not at all.
fn mark(dir: &Path) -> io::Result<()> {
    let draft = dir.join(MARKER_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{MARKER_TEXT}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&draft, dir.join(MARKER))?;
    File::open(dir)?.sync_all()
}

/// A folder of its own for as long as it is used, empty at first.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder among the temporary ones, for its owner alone.
    pub(super) fn new() -> Result<Self, OpenError> {
        let above = std::env::temp_dir();
        let failed = |reason: String| OpenError::Io { path: above.clone(), reason };
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| failed(error.to_string()))?;
        let path = above.join(format!("kilwa-{:032x}", u128::from_be_bytes(name)));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| failed(error.to_string()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies where it is tidied up by itself.
        drop(fs::remove_dir_all(&self.0));
    }
}
