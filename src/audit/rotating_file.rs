//! A file that is put aside when it is large.

use super::whole_lines::WholeLines;
use crate::file_mode::FileMode;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that is appended to. When it would get too large it becomes `NAME.1`, what was that becomes `NAME.2`, and so on; the
/// oldest is deleted.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    lines: WholeLines,
    bytes: u64,
    bytes_max: u64,
    old_files_max: usize,
}

impl RotatingFile {
    /// Opens or creates it, readable by its owner alone.
    pub(super) fn open(path: &Path, bytes_max: u64, old_files_max: usize) -> io::Result<Self> {
        let (lines, bytes) = append(path)?;
        Ok(Self { path: path.to_owned(), lines, bytes, bytes_max, old_files_max })
    }

    /// Opens the path anew, after another program has moved the file.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.lines, self.bytes) = append(&self.path)?;
        Ok(())
    }

    /// Appends whole lines. After an error it has to be called with the same lines again.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let is_full = self.bytes > 0 && self.bytes.saturating_add(length) > self.bytes_max;
        if is_full && !self.lines.is_within_line() {
            self.rotate()?;
        }
        self.lines.append(lines)?;
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

/// A file that is open for appending, and its length.
fn append(path: &Path) -> io::Result<(WholeLines, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // One that was there before, or that another program made, has a mode of its own.
    let found = file.metadata()?;
    if FileMode::of(&found).is_open_to_others() {
        tracing::warn!(path = %path.display(), "others can read the audit log: make its mode 0600");
    }
    let after_fragment = found.is_file() && ends_within_line(path, found.len());
    Ok((WholeLines::of_file(file, after_fragment)?, found.len()))
}

/// Whether a file ends within a line, as a crash leaves it. False for one that cannot be read.
fn ends_within_line(path: &Path, bytes: u64) -> bool {
    let mut last = [b'\n'];
    let read = File::open(path).and_then(|file| match bytes.checked_sub(1) {
        Some(at) => file.read_exact_at(&mut last, at),
        None => Ok(()),
    });
    read.is_ok() && last != [b'\n']
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
        assert_eq!(FileMode::at(&path).unwrap().bits(), 0o600);

        // One that is opened again is continued.
        let mut file = RotatingFile::open(&path, 10, 2).unwrap();
        file.write(b"6th\n").unwrap();
        assert_eq!(read("audit.log").as_deref(), Some("fifth\n6th\n"));
        fs::rename(&path, folder.path().join("moved")).unwrap();
        file.reopen().unwrap();
        file.write(b"7th\n").unwrap();
        assert_eq!(read("audit.log").as_deref(), Some("7th\n"));

        // After what a crash left of a line, the next one begins anew.
        fs::write(&path, "a part of a li").unwrap();
        let mut file = RotatingFile::open(&path, 100, 2).unwrap();
        file.write(b"8th\n").unwrap();
        file.write(b"9th\n").unwrap();
        assert_eq!(read("audit.log").as_deref(), Some("a part of a li\n8th\n9th\n"));
    }
}
