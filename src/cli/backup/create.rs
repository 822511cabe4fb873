//! `kilwa backup create`.

use super::format::{BackupReach, BackupReader, BackupWriter};
use super::resume_file::ResumeFile;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{progress, render, source_files};
use crate::client::{CallError, Connection, ExportArgs, ReadConsistency};
use clap::Args;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes between two saves: a save syncs the file and stores the progress.
const BYTES_BETWEEN_SAVES: u64 = 8 << 20;
const ENDING: &str = ".unfinished";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The file to write or to resume; - for standard output, which cannot be resumed.
    file: PathBuf,
    /// Maximum relationships per block, reduced to the limit of the server.
    #[arg(
        long,
        alias = "page-limit",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    block_size: u32,
    /// Back up the part of the data that the key may read, where its roles limit it to one. Without this, such a key is refused.
    #[arg(long)]
    partial: bool,
    /// Print the result as JSON; not with - as the file.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The progress, from which the command resumes.
#[derive(Debug, Default, Deserialize, Serialize)]
struct CreateProgress {
    /// The token of the revision that is backed up.
    token: String,
    /// The cursor after the last saved block; `None` before the first.
    cursor: Option<String>,
    /// The length of the file up to there.
    bytes: u64,
}

#[derive(Serialize)]
struct CreatedJson {
    relationships: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    if source_files::is_stdin(&arguments.file) {
        return write_to_stdout(arguments);
    }
    let state = ResumeFile::beside(&arguments.file, ENDING);
    let connection = arguments.server.connect()?;
    let resumed = match state.load::<CreateProgress>()? {
        Some(progress) => resume(&arguments.file, &progress)?.map(|writer| (writer, progress)),
        None => None,
    };

    let ((writer, reach), progress) = match resumed {
        Some(resumed) => {
            let ((_, begun), _) = &resumed;
            require_reach(&arguments.file, *begun, reach(&connection, arguments.partial)?)?;
            resumed
        }
        None => begin(&connection, arguments, &state)?,
    };

    let bar = progress::counting();
    bar.inc(writer.done.count);
    let mut backup = BackupRun { writer, progress, state, bar };
    let written = backup.relationships(&connection, arguments.block_size);
    backup.bar.finish_and_clear();
    written.map_err(|failure| backup.unfinished(failure))?;

    let count = backup.finish(&arguments.file)?;
    if arguments.json {
        render::json(&CreatedJson { relationships: count })?;
    } else {
        render::out(&format!("{count} relationships in {}\n", arguments.file.display()))?;
    }
    note_part(reach);
    Ok(Exit::Success)
}

/// Writes a backup to standard output, which cannot be resumed. Everything else goes to standard error.
fn write_to_stdout(arguments: &Arguments) -> Result<Exit, CliError> {
    // A closed pipe is an error here: its reader received an incomplete backup.
    let unwritable =
        |error: io::Error| CliError::new(format!("standard output cannot be written: {error}"));
    let connection = arguments.server.connect()?;
    let (schema, token) = connection.read_schema()?;
    let reach = reach(&connection, arguments.partial)?;
    let begun = BackupWriter::begin(render::binary_out(), reach, &schema);
    let mut writer = begun.map_err(unwritable)?;

    let bar = progress::counting();
    let mut part_size = arguments.block_size;
    loop {
        let export = ExportArgs {
            consistency: ReadConsistency::AtExactSnapshot(token.clone()),
            part_size,
            ..ExportArgs::default()
        };
        let exported = connection.export(&export, |relationships, _| {
            writer
                .relationships(&relationships)
                .map_err(|error| ExportError::Own(unwritable(error)))?;
            bar.inc(u64::try_from(relationships.len()).unwrap_or_default());
            Ok(())
        });
        match exported {
            // Refused before the first block, so nothing is written twice.
            Err(ExportError::Call(CallError::TooMany { max, .. })) if max < part_size => {
                part_size = max;
            }
            Err(ExportError::Call(error)) => return Err(error.into()),
            Err(ExportError::Own(error)) => return Err(error),
            Ok(()) => break,
        }
    }
    bar.finish_and_clear();

    let count = writer.done.count;
    writer.end().map_err(unwritable)?;
    render::note(&format!("{count} relationships"));
    note_part(reach);
    Ok(Exit::Success)
}

/// Says it if the backup has a part of the data.
fn note_part(reach: BackupReach) {
    if reach == BackupReach::Part {
        render::note("the backup has a part of the data only, which the roles of the key include");
    }
}

type Output = BackupWriter<BufWriter<File>>;
/// The file, open for writing, and how much of the data it is to have.
type BegunFile = (Output, BackupReach);

/// Reads the schema, whose token determines the revision, and begins the file.
///
/// The file gets its name last: if the program is killed, there is either no file or one that can be resumed.
fn begin(
    connection: &Connection,
    arguments: &Arguments,
    state: &ResumeFile,
) -> Result<(BegunFile, CreateProgress), CliError> {
    let path = &arguments.file;
    require_absent(path)?;
    let (schema, token) = connection.read_schema()?;
    let reach = reach(connection, arguments.partial)?;

    let draft = draft_path(path);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let begun = file.and_then(|file| {
        let mut writer = BackupWriter::begin(BufWriter::new(file), reach, &schema)?;
        sync(&mut writer)?;
        Ok(writer)
    });
    let begun = begun.map_err(|error| unwritable(path, &error)).and_then(|writer| {
        let progress = CreateProgress { token, cursor: None, bytes: writer.done.bytes };
        state.save(&progress)?;
        publish(&draft, path)?;
        Ok(((writer, reach), progress))
    });
    drop(fs::remove_file(&draft));
    begun
}

/// How much the key may read. That has to be everything, unless a part is enough: a file that lacks data must not pass for a
/// backup of all.
fn reach(connection: &Connection, is_part_enough: bool) -> Result<BackupReach, CliError> {
    if connection.exports_everything()? {
        return Ok(BackupReach::Whole);
    }
    if is_part_enough {
        return Ok(BackupReach::Part);
    }
    Err(CliError::new(
        "the roles of the key include a part of the data only, so relationships would be missing in the backup: use a key \
         that may call ReadSchema and ExportBulkRelationships on all data, or back up the part with `--partial`",
    ))
}

/// Requires that a file that was begun says how much of the data it will have. One that is begun as a part may get more.
fn require_reach(path: &Path, begun: BackupReach, now: BackupReach) -> Result<(), CliError> {
    if (begun, now) != (BackupReach::Whole, BackupReach::Part) {
        return Ok(());
    }
    let name = path.display();
    Err(CliError::new(format!(
        "`{name}` was begun with a key that may read all data, and this one may read a part: use that key, or remove the file"
    )))
}

/// The name of a file before it is published.
fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".begun");
    PathBuf::from(name)
}

fn require_absent(path: &Path) -> Result<(), CliError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(CliError::new(format!(
            "`{}` already exists: remove it, or choose another file",
            path.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// Renames the draft, unless another file has that name by now.
fn publish(draft: &Path, path: &Path) -> Result<(), CliError> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => require_absent(path),
        // Some file systems do not support hard links.
        Err(_) => {
            require_absent(path)?;
            fs::rename(draft, path).map_err(|error| unwritable(path, &error))
        }
    }
}

/// Verifies the file and opens it for appending; `None` if the program was killed before the file existed.
fn resume(path: &Path, progress: &CreateProgress) -> Result<Option<BegunFile>, CliError> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && progress.cursor.is_none() => {
            return Ok(None);
        }
        opened => opened.map_err(|error| unwritable(path, &error))?,
    };
    let mut blocks = BackupReader::open(BufReader::new(&file), &path.display().to_string())?;
    while blocks.done.bytes < progress.bytes && blocks.next()?.is_some() {}
    let (done, reach) = (blocks.done, blocks.reach);
    if done.bytes != progress.bytes {
        let name = path.display();
        return Err(CliError::new(format!("`{name}` has changed: remove it and start again")));
    }
    file.set_len(done.bytes)
        .and_then(|()| file.seek(SeekFrom::Start(done.bytes)))
        .map_err(|error| unwritable(path, &error))?;
    Ok(Some((BackupWriter { output: BufWriter::new(file), done }, reach)))
}

fn unwritable(path: &Path, error: &io::Error) -> CliError {
    CliError::new(format!("`{}` cannot be written: {error}", path.display()))
}

fn sync(writer: &mut Output) -> io::Result<()> {
    writer.output.flush()?;
    writer.output.get_ref().sync_data()
}

/// A running backup.
struct BackupRun {
    writer: Output,
    progress: CreateProgress,
    state: ResumeFile,
    bar: ProgressBar,
}

impl BackupRun {
    fn relationships(&mut self, connection: &Connection, block_size: u32) -> Result<(), CliError> {
        let mut part_size = block_size;
        loop {
            match self.export(connection, part_size) {
                Err(ExportError::Call(CallError::TooMany { max, .. })) if max < part_size => {
                    part_size = max;
                }
                Err(ExportError::Call(error)) => return Err(error.into()),
                Err(ExportError::Own(failure)) => return Err(failure),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn export(&mut self, connection: &Connection, part_size: u32) -> Result<(), ExportError> {
        let export = ExportArgs {
            filter: None,
            consistency: ReadConsistency::AtExactSnapshot(self.progress.token.clone()),
            cursor: self.progress.cursor.clone(),
            part_size,
        };
        connection.export(&export, |relationships, cursor| {
            self.writer.relationships(&relationships)?;
            self.bar.inc(u64::try_from(relationships.len()).unwrap_or_default());
            if self.writer.done.bytes - self.progress.bytes >= BYTES_BETWEEN_SAVES {
                sync(&mut self.writer)?;
                self.progress.cursor = Some(cursor);
                self.progress.bytes = self.writer.done.bytes;
                self.state.save(&self.progress).map_err(ExportError::Own)?;
            }
            Ok(())
        })
    }

    /// Completes the file; returns the number of its relationships.
    fn finish(self, path: &Path) -> Result<u64, CliError> {
        let count = self.writer.done.count;
        let ended = self.writer.end().and_then(|output| {
            output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        });
        ended.map_err(|error| unwritable(path, &error))?;
        self.state.remove()?;
        Ok(count)
    }

    fn unfinished(&self, failure: CliError) -> CliError {
        match failure {
            CliError::Message(message) => CliError::new(format!(
                "{message}; run the same command again to resume; to start again instead, remove the file and `{}`",
                self.state.path()
            )),
            CliError::OutputClosed => failure,
        }
    }
}

/// Why an export ended early.
enum ExportError {
    Call(CallError),
    Own(CliError),
}

impl From<CallError> for ExportError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Own(CliError::new(format!("the file cannot be written: {error}")))
    }
}
