//! The format of backups: text that can be read, compared and archived.
//!
//! ```text
//! kilwa backup 1
//! schema 132 1c291ca3
//! definition user {}
//! …
//! relationships 1000 61234 9ab1f0d2
//! document:plan#viewer@user:ann
//! …
//! relationships 17 1041 5f3759df
//! …
//! end 1017 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
//! ```
//!
//! The first line names the format and its version; ` partial` follows in a backup of a part of the data, which programs
//! that do not know it refuse. Blocks follow: one `schema`, then any number of `relationships`,
//! each with a header line. The header has the number of relationships (for `relationships`), the size of the content
//! in bytes, including its final line break, and the CRC-32 of the content as 8 hexadecimal digits. The content of
//! `schema` is its text and a line break; the content of `relationships` is one relationship per line, in the order of
//! `ExportBulkRelationships`. The last line has the number of all relationships and the SHA-256 of all bytes before it;
//! a file without it is truncated. The file contains neither time nor origin: the same schema and relationships,
//! exported by Kilwa, produce the same bytes.

use crate::cli::error::CliError;
use crate::relationship::{ParseError, Relationship};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::{self, BufRead, Read as _, Write};

const FIRST_LINE: &str = "kilwa backup 1";
const FIRST_LINE_OF_PART: &str = "kilwa backup 1 partial";
const NAME: &str = "kilwa backup ";
const SCHEMA: &str = "schema";
const RELATIONSHIPS: &str = "relationships";
const END: &str = "end";
/// Maximum length of the header line of a block, in bytes.
const HEAD_BYTES_MAX: u64 = 256;
/// Maximum size of a block, in bytes, so that a damaged size does not exhaust the memory. Servers send a few MiB at a
/// time.
const BLOCK_BYTES_MAX: u64 = 256 << 20;

/// How much of the data of its server a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackupReach {
    /// All of it.
    Whole,
    /// What the roles of the key included.
    Part,
}

impl BackupReach {
    fn first_line(self) -> &'static str {
        match self {
            Self::Whole => FIRST_LINE,
            Self::Part => FIRST_LINE_OF_PART,
        }
    }
}

/// The position up to which a file has been written or read.
#[derive(Clone, Debug, Default)]
pub(super) struct BackupPosition {
    hash: Sha256,
    /// Bytes of complete blocks.
    pub(super) bytes: u64,
    /// Relationships in them.
    pub(super) count: u64,
}

impl BackupPosition {
    fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
    }

    fn last_line(&self) -> String {
        format!("{END} {} {}\n", self.count, hex(&self.hash.clone().finalize()))
    }
}

/// Writes a file.
#[derive(Debug)]
pub(super) struct BackupWriter<W> {
    pub(super) output: W,
    pub(super) done: BackupPosition,
}

impl<W: Write> BackupWriter<W> {
    /// Begins a file with its schema.
    pub(super) fn begin(output: W, reach: BackupReach, schema: &str) -> io::Result<Self> {
        let mut writer = Self { output, done: BackupPosition::default() };
        writer.put(format!("{}\n", reach.first_line()).as_bytes())?;
        let content = format!("{schema}\n");
        writer.put(format!("{SCHEMA} {}\n", sizes(&content)).as_bytes())?;
        writer.put(content.as_bytes())?;
        Ok(writer)
    }

    /// Adds a block of relationships.
    pub(super) fn relationships(&mut self, relationships: &[Relationship]) -> io::Result<()> {
        let mut content = String::new();
        for relationship in relationships {
            writeln!(content, "{relationship}").map_err(io::Error::other)?;
        }
        let count = relationships.len();
        self.put(format!("{RELATIONSHIPS} {count} {}\n", sizes(&content)).as_bytes())?;
        self.put(content.as_bytes())?;
        self.done.count += u64::try_from(count).unwrap_or_default();
        Ok(())
    }

    /// Ends the file.
    pub(super) fn end(mut self) -> io::Result<W> {
        self.output.write_all(self.done.last_line().as_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.done.add(bytes);
        self.output.write_all(bytes)
    }
}

fn sizes(content: &str) -> String {
    format!("{} {:08x}", content.len(), crc32fast::hash(content.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A block of a file.
#[derive(Debug)]
pub(super) enum BackupBlock {
    Schema(String),
    Relationships(Vec<Relationship>),
}

/// Reads a file block by block and verifies each checksum.
#[derive(Debug)]
pub(super) struct BackupReader<R> {
    input: R,
    name: String,
    pub(super) reach: BackupReach,
    pub(super) done: BackupPosition,
    ended: bool,
}

impl<R: BufRead> BackupReader<R> {
    /// Reads the first line. `name` is for messages.
    pub(super) fn open(input: R, name: &str) -> Result<Self, CliError> {
        let mut blocks = Self {
            input,
            name: name.to_owned(),
            reach: BackupReach::Whole,
            done: BackupPosition::default(),
            ended: false,
        };

        let line = blocks.line()?;
        if line == FIRST_LINE_OF_PART.as_bytes() {
            blocks.reach = BackupReach::Part;
        } else if line != FIRST_LINE.as_bytes() {
            return Err(match line.strip_prefix(NAME.as_bytes()) {
                Some(version) => blocks.wrong(format_args!(
                    "it has format {}, but this version reads format 1: use a newer version",
                    String::from_utf8_lossy(version)
                )),
                None => blocks.wrong("it is not a backup: the first line is not `kilwa backup 1`"),
            });
        }
        blocks.done.add(format!("{}\n", blocks.reach.first_line()).as_bytes());
        Ok(blocks)
    }

    /// The next block; `None` at the end of a complete file.
    pub(super) fn next(&mut self) -> Result<Option<BackupBlock>, CliError> {
        if self.ended {
            return Ok(None);
        }

        let line = self.line()?;
        let text = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = text.split(' ').collect();

        let block = match words.as_slice() {
            [SCHEMA, bytes, crc] if self.done.count == 0 => {
                let content = self.content(&text, bytes, crc)?;
                BackupBlock::Schema(content.strip_suffix('\n').unwrap_or(&content).to_owned())
            }
            [RELATIONSHIPS, count, bytes, crc] => {
                let content = self.content(&text, bytes, crc)?;
                let rows = content.lines().map(str::parse).collect::<Result<Vec<_>, ParseError>>();
                let rows = rows.map_err(|error| self.wrong(error))?;
                if *count != rows.len().to_string() {
                    return Err(self.wrong(format_args!(
                        "a block of {count} relationships has {}",
                        rows.len()
                    )));
                }
                self.done.count += u64::try_from(rows.len()).unwrap_or_default();
                BackupBlock::Relationships(rows)
            }
            [END, ..] => {
                self.require_end(&text)?;
                self.ended = true;
                return Ok(None);
            }
            _ => return Err(self.wrong("the header of a block is invalid")),
        };

        Ok(Some(block))
    }

    fn require_end(&mut self, text: &str) -> Result<(), CliError> {
        if format!("{text}\n") != self.done.last_line() {
            return Err(self.wrong("the checksum or count of the file does not match its content"));
        }
        match self.input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.wrong("there is data after its end")),
            Err(error) => Err(self.wrong(error)),
        }
    }

    /// A line without its line break.
    fn line(&mut self) -> Result<Vec<u8>, CliError> {
        let mut line = Vec::new();
        let read = self.input.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(|error| self.wrong(error))?;
        match line.pop() {
            Some(b'\n') => Ok(line),
            Some(_) if self.done.bytes == 0 => Err(self.wrong("it is not a backup")),
            Some(_) | None => Err(self.cut_short()),
        }
    }

    /// The content after the header `line`.
    fn content(&mut self, line: &str, bytes: &str, crc: &str) -> Result<String, CliError> {
        let size: u64 =
            bytes.parse().map_err(|_| self.wrong("the size of a block is not a number"))?;
        if size > BLOCK_BYTES_MAX {
            return Err(self.wrong("a block is larger than 256 MiB"));
        }
        let mut content = Vec::new();
        let read = self.input.by_ref().take(size).read_to_end(&mut content);
        read.map_err(|error| self.wrong(error))?;
        if u64::try_from(content.len()) != Ok(size) {
            return Err(self.cut_short());
        }
        if format!("{:08x}", crc32fast::hash(&content)) != crc {
            return Err(self.wrong("the checksum of a block does not match its content"));
        }
        self.done.add(format!("{line}\n").as_bytes());
        self.done.add(&content);
        String::from_utf8(content).map_err(|error| self.wrong(error))
    }

    fn cut_short(&self) -> CliError {
        self.wrong("it is incomplete: run `kilwa backup create` with the same file to resume it")
    }

    fn wrong(&self, what: impl std::fmt::Display) -> CliError {
        CliError::new(format!("`{}` is damaged at byte {}: {what}", self.name, self.done.bytes))
    }
}
