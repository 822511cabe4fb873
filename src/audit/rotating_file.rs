//! A file that is put aside when it is large.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A file that is appended to. When it would get too large it becomes `NAME.1`, what was that becomes `NAME.2`, and so on; the
/// oldest is deleted.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    old_files_max: usize,
}

impl RotatingFile {
    /// Opens or creates it, readable by its owner alone.
    pub(super) fn open(path: &Path, bytes_max: u64, old_files_max: usize) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, bytes_max, old_files_max })
    }

    /// Opens the path anew, after another program has moved the file.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.path)?;
        self.bytes = self.file.metadata()?.len();
        Ok(())
    }

    /// Appends whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.bytes_max {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.old_files_max).rev() {
            // There may be fewer files so far.
            unless_missing(fs::rename(self.old_path(number), self.old_path(number + 1)))?;
        }
        // It is not there after a rotation that failed at its end.
        unless_missing(if self.old_files_max == 0 {
            fs::remove_file(&self.path)
        } else {
            fs::rename(&self.path, self.old_path(1))
        })?;
        self.reopen()
    }

    fn old_path(&self, number: usize) -> PathBuf {
        let mut path: OsString = self.path.clone().into();
        path.push(format!(".{number}"));
        path.into()
    }
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // One that was there before, or that another program made, has a mode of its own.
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others can read the audit log: make its mode 0600");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_put_aside_and_the_oldest_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = RotatingFile::open(&path, 10, 2).unwrap();
        for line in ["first\n", "2nd\n", "third\n", "fourth\n", "fifth\n"] {
            file.write(line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("audit.log").as_deref(), Some("fifth\n"));
        assert_eq!(read("audit.log.1").as_deref(), Some("fourth\n"));
        assert_eq!(read("audit.log.2").as_deref(), Some("third\n"));
        assert_eq!(read("audit.log.3"), None);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        // One that is opened again is continued.
        let mut file = RotatingFile::open(&path, 10, 2).unwrap();
        file.write(b"6th\n").unwrap();
        assert_eq!(read("audit.log").as_deref(), Some("fifth\n6th\n"));
        fs::rename(&path, folder.path().join("moved")).unwrap();
        file.reopen().unwrap();
        file.write(b"7th\n").unwrap();
        assert_eq!(read("audit.log").as_deref(), Some("7th\n"));
    }
}
