//! `kilwa backup restore`.

use super::format::{BackupBlock, BackupReader};
use super::inspect;
use super::resume_file::ResumeFile;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{bulk_touch, render, source_files};
use crate::client::{CallError, Connection};
use crate::relationship::Relationship;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::path::PathBuf;

/// How many relationships go into one message.
const PART_SIZE: usize = 1000;
/// How many are written over what exists in one call.
const TOUCHES: u32 = 1000;
const ENDING: &str = ".restoring";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The file to restore.
    file: PathBuf,
    /// How many relationships are created together, all or none; after a break, the next ones follow.
    #[arg(
        long,
        alias = "batch-size",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    transaction_size: u32,
    /// What to do when a relationship exists already: stop, or write what the file says of it.
    #[arg(long, value_enum, default_value_t, value_name = "STRATEGY")]
    conflict_strategy: ConflictStrategy,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ConflictStrategy {
    #[default]
    Fail,
    Touch,
}

/// Where to go on.
#[derive(Debug, Default, Deserialize, Serialize)]
struct RestoreProgress {
    /// The server to which the file is being restored.
    endpoint: String,
    /// How many of its relationships are there.
    count: u64,
    /// Up to which of them some may be there besides: a transaction was sent, and its outcome is not known.
    #[serde(default)]
    sent: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    if source_files::is_stdin(&arguments.file) {
        return Err(CliError::new(
            "a backup is read twice, first to see whether it is whole: write standard input to a file, and name that",
        ));
    }
    // Nothing is written from a file that is damaged further on.
    let total = inspect::for_each_block(&arguments.file, |_| Ok(()))?;
    let connection = arguments.server.connect()?;
    let state = ResumeFile::beside(&arguments.file, ENDING);
    let endpoint = connection.endpoint().to_owned();
    let begun = state.load::<RestoreProgress>()?.filter(|place| place.endpoint == endpoint);
    if begun.as_ref().is_some_and(|place| place.count > total) {
        return Err(CliError::new(format!(
            "`{}` counts more relationships than the file has: it belongs to another file, remove it",
            state.path()
        )));
    }
    let place = begun.unwrap_or(RestoreProgress { endpoint, count: 0, sent: 0 });
    let (input, bar) = inspect::open(&arguments.file)?;
    let mut blocks = BackupReader::open(input, &arguments.file.display().to_string())?;
    if let Some(BackupBlock::Schema(schema)) = blocks.next()? {
        connection.write_schema(schema)?;
    }
    let rows = BackupRows { blocks, part: Vec::new().into_iter() };
    let touch = arguments.conflict_strategy == ConflictStrategy::Touch;
    let mut restoration = RestoreRun { connection, state, place, bar, touch };
    let restored = restoration.all(rows, usize::try_from(arguments.transaction_size)?);
    restoration.bar.finish_and_clear();
    restored.map_err(|failure| restoration.unfinished(failure))?;
    restoration.state.remove()?;
    render::out(&format!("{total} relationships restored\n"))?;
    Ok(Exit::Success)
}

/// A restoration under way.
struct RestoreRun {
    connection: Connection,
    state: ResumeFile,
    place: RestoreProgress,
    bar: ProgressBar,
    /// Whether what exists is overwritten.
    touch: bool,
}

impl RestoreRun {
    fn all<R: BufRead>(&mut self, mut rows: BackupRows<R>, size: usize) -> Result<(), CliError> {
        rows.skip(self.place.count)?;
        loop {
            let mut together = Vec::new();
            while together.len() < size
                && let Some(row) = rows.next()?
            {
                together.push(row);
            }
            if together.is_empty() {
                return Ok(());
            }
            self.create(&together)?;
            self.place.count += u64::try_from(together.len()).unwrap_or_default();
            self.state.save(&self.place)?;
        }
    }

    fn create(&mut self, rows: &[Relationship]) -> Result<(), CliError> {
        let parts = rows.chunks(PART_SIZE).map(|part| Ok(part.to_vec()));
        let is_doubtful = self.place.count < self.place.sent;
        let end = self.place.count + u64::try_from(rows.len()).unwrap_or_default();

        // Noted before it is sent: whoever restores again after a break has to know that it may have arrived.
        if end > self.place.sent {
            self.place.sent = end;
            self.state.save(&self.place)?;
        }
        match self.connection.import(parts) {
            Err(CallError::Exists(_)) if self.touch || is_doubtful => {
                bulk_touch::write_all(&self.connection, rows, TOUCHES, &ProgressBar::hidden())
            }
            Err(error @ CallError::Exists(_)) => {
                self.withdraw()?;
                Err(CliError::new(format!(
                    "{error}; to overwrite existing relationships, use `--conflict-strategy touch`"
                )))
            }
            done => done.map(drop).map_err(|error: CallError| error.into()),
        }
    }

    /// Notes that nothing of the transaction that was sent is there: what exists already is somebody else's, and is not
    /// written over the next time either.
    fn withdraw(&mut self) -> Result<(), CliError> {
        self.place.sent = self.place.count;
        if self.place.count == 0 {
            return self.state.remove();
        }
        self.state.save(&self.place)
    }

    fn unfinished(&self, failure: CliError) -> CliError {
        match &failure {
            CliError::Message(message) if self.place.count > 0 => CliError::new(format!(
                "{message}; {} relationships are restored, and the same command goes on behind them",
                self.place.count
            )),
            CliError::Message(_) | CliError::OutputClosed => failure,
        }
    }
}

/// The relationships of a file, one after the other.
struct BackupRows<R> {
    blocks: BackupReader<R>,
    part: std::vec::IntoIter<Relationship>,
}

impl<R: BufRead> BackupRows<R> {
    fn next(&mut self) -> Result<Option<Relationship>, CliError> {
        loop {
            if let Some(row) = self.part.next() {
                return Ok(Some(row));
            }
            match self.blocks.next()? {
                Some(BackupBlock::Relationships(rows)) => self.part = rows.into_iter(),
                Some(BackupBlock::Schema(_)) => {}
                None => return Ok(None),
            }
        }
    }

    fn skip(&mut self, count: u64) -> Result<(), CliError> {
        for _ in 0..count {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}
