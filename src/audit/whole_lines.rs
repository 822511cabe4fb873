//! Writing of lines so that no part of one stays behind.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};

/// An output that gets whole lines.
///
/// A disk that is full takes a part of what is written. Of a file of its own, that part is taken back, so that the file ends with
/// a whole line for as long as the rest cannot be written. Elsewhere, as in a pipe, the next try continues after it.
#[derive(Debug)]
pub(super) struct WholeLines {
    file: File,
    /// Whether a part of a line can be taken back, because nothing else writes to the file.
    takes_back: bool,
    /// How many bytes of the lines that could not be written are in the output.
    begun: usize,
    /// Whether the output may end within a line.
    after_fragment: bool,
}

impl WholeLines {
    /// Lines for a file that nothing else writes to, and that is open for appending. It may end within a line, `after_fragment`,
    /// as a crash leaves it.
    pub(super) fn of_file(file: File, after_fragment: bool) -> io::Result<Self> {
        let takes_back = file.metadata()?.is_file();
        Ok(Self { file, takes_back, begun: 0, after_fragment })
    }

    /// Lines for an output that others write to.
    pub(super) fn of_shared(file: File) -> Self {
        Self { file, takes_back: false, begun: 0, after_fragment: false }
    }

    /// Whether a part of a line is in the output, and the rest has to follow.
    pub(super) fn is_within_line(&self) -> bool {
        self.begun > 0
    }

    /// Appends lines. After an error it has to be called with the same lines again.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.after_fragment {
            self.file.write_all(b"\n")?;
            self.after_fragment = false;
        }
        while let Some(rest) = lines.get(self.begun..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(self.interrupted(ErrorKind::WriteZero.into())),
                Ok(written) => self.begun += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.interrupted(error)),
            }
        }
        self.begun = 0;
        Ok(())
    }

    /// Takes back the part that was written, if that is possible.
    fn interrupted(&mut self, error: io::Error) -> io::Error {
        if self.takes_back
            && let Ok(found) = self.file.metadata()
        {
            let part = u64::try_from(self.begun).unwrap_or(u64::MAX);
            if self.file.set_len(found.len().saturating_sub(part)).is_ok() {
                self.begun = 0;
            }
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn lines_that_an_output_takes_in_parts_are_there_once() {
        let (output, mut reader) = UnixStream::pair().unwrap();
        output.set_nonblocking(true).unwrap();
        reader.set_nonblocking(true).unwrap();
        let mut output = WholeLines::of_shared(File::from(OwnedFd::from(output)));
        let lines =
            (0..200_000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();

        let (mut found, mut parts) = (Vec::new(), 0);
        while let Err(error) = output.append(lines.as_bytes()) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(output.is_within_line());
            parts += 1;
            let all = reader.read_to_end(&mut found).unwrap_err();
            assert_eq!(all.kind(), ErrorKind::WouldBlock);
        }
        assert!(parts > 0 && !output.is_within_line());
        drop(output);
        reader.read_to_end(&mut found).unwrap();
        assert!(found == lines.as_bytes());
    }
}
