//! `kilwa backup restore`.

use super::format::{BackupBlock, BackupReach, BackupReader};
use super::inspect::{self, BackupSummary};
use super::resume_file::ResumeFile;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{bulk_touch, render, source_files};
use crate::client::{CallError, Connection};
use crate::relationship::Relationship;
use crate::schema::compile;
use crate::schema::diff::changes;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::path::PathBuf;

/// Relationships per message.
const PART_SIZE: usize = 1000;
/// Relationships per call when existing ones are overwritten.
const TOUCHES: u32 = 1000;
const ENDING: &str = ".restoring";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Backup file to restore. It is read twice, first to verify it, so that standard input cannot be given.
    file: PathBuf,
    /// Relationships per transaction; an interrupted restore resumes after the last complete transaction.
    #[arg(
        long,
        alias = "batch-size",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    transaction_size: u32,
    /// What to do if the server has another schema, or a relationship exists already: fail, before the schema is changed, or
    /// replace the schema and overwrite caveat and expiration (touch).
    #[arg(long, value_enum, default_value_t, value_name = "STRATEGY")]
    conflict_strategy: ConflictStrategy,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ConflictStrategy {
    #[default]
    Fail,
    Touch,
}

/// The progress, from which the command resumes.
#[derive(Debug, Default, Deserialize, Serialize)]
struct RestoreProgress {
    /// The endpoint of the server.
    endpoint: String,
    /// The number of relationships restored.
    count: u64,
    /// The number of relationships sent: if it is larger than `count`, the outcome of the last transaction is unknown.
    #[serde(default)]
    sent: u64,
}

#[derive(Serialize)]
struct RestoredJson {
    relationships: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    if source_files::is_stdin(&arguments.file) {
        return Err(CliError::new(
            "a restore reads the backup twice, first to verify it: save standard input to a file, and restore that",
        ));
    }
    // The whole file is verified first, so that nothing of a damaged file is written.
    let BackupSummary { count: total, reach } =
        inspect::for_each_block(&arguments.file, |_, _| Ok(()))?;

    let connection = arguments.server.connect()?;
    let state = ResumeFile::beside(&arguments.file, ENDING);
    let endpoint = connection.endpoint().to_owned();
    let begun = state.load::<RestoreProgress>()?.filter(|progress| progress.endpoint == endpoint);
    if begun.as_ref().is_some_and(|progress| progress.count > total) {
        return Err(CliError::new(format!(
            "`{}` has more relationships than the backup: it belongs to another file, remove it",
            state.path()
        )));
    }

    let progress = begun.unwrap_or(RestoreProgress { endpoint, count: 0, sent: 0 });
    let (input, bar) = inspect::open(&arguments.file)?;
    let mut blocks = BackupReader::open(input, &arguments.file.display().to_string())?;
    let schema = match blocks.next()? {
        Some(BackupBlock::Schema(schema)) => {
            restore_schema(&connection, schema, arguments.conflict_strategy)?
        }
        _ => RestoredSchema::Same,
    };

    let rows = BackupRows { blocks, part: Vec::new().into_iter() };
    let touch = arguments.conflict_strategy == ConflictStrategy::Touch;
    let mut restoration = RestoreRun { connection, state, progress, bar, schema, touch };
    let restored = restoration.all(rows, usize::try_from(arguments.transaction_size)?);

    restoration.bar.finish_and_clear();
    restored.map_err(|failure| restoration.unfinished(failure))?;
    restoration.state.remove()?;
    if arguments.json {
        render::json(&RestoredJson { relationships: total })?;
    } else {
        render::out(&format!("{total} relationships restored\n"))?;
    }
    if reach == BackupReach::Part {
        render::note("the backup has a part of the data only: it was made with `--partial`");
    }
    Ok(Exit::Success)
}

/// What became of the schema of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestoredSchema {
    /// It is that of the backup, and was before.
    Same,
    /// There was none.
    Written,
    /// There was another one.
    Replaced,
}

impl RestoredSchema {
    fn remark(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::Written => Some("the schema of the backup has been written"),
            Self::Replaced => {
                Some("the schema of the server has been replaced by that of the backup")
            }
        }
    }
}

/// Gives the server the schema of the backup. One that it has decides what all that exists means, so another one takes its place
/// only if that was asked for.
fn restore_schema(
    connection: &Connection,
    schema: String,
    strategy: ConflictStrategy,
) -> Result<RestoredSchema, CliError> {
    let restored = match connection.read_schema() {
        Ok((found, _)) if found == schema => return Ok(RestoredSchema::Same),
        Ok((found, _)) if strategy == ConflictStrategy::Fail => {
            if means_the_same(&found, &schema) {
                return Ok(RestoredSchema::Same);
            }
            return Err(CliError::new(
                "the server has another schema than the backup, so nothing was restored: restore into a server with an empty \
                 store, or replace the schema and overwrite existing relationships with `--conflict-strategy touch`",
            ));
        }
        Ok(_) => RestoredSchema::Replaced,
        Err(CallError::NoSchema(_)) => RestoredSchema::Written,
        Err(error) => return Err(error.into()),
    };

    connection.write_schema(schema)?;
    if restored == RestoredSchema::Replaced
        && let Some(remark) = restored.remark()
    {
        render::note(remark);
    }
    Ok(restored)
}

/// Whether two texts differ in nothing that counts. A server may give another text than it was given.
fn means_the_same(left: &str, right: &str) -> bool {
    match (compile(left), compile(right)) {
        (Ok(left), Ok(right)) => changes(&left, &right).is_empty(),
        _ => false,
    }
}

/// A running restore.
struct RestoreRun {
    connection: Connection,
    state: ResumeFile,
    progress: RestoreProgress,
    bar: ProgressBar,
    schema: RestoredSchema,
    /// Whether existing relationships are overwritten.
    touch: bool,
}

impl RestoreRun {
    fn all<R: BufRead>(&mut self, mut rows: BackupRows<R>, size: usize) -> Result<(), CliError> {
        rows.skip(self.progress.count)?;
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
            self.progress.count += u64::try_from(together.len()).unwrap_or_default();
            self.state.save(&self.progress)?;
        }
    }

    fn create(&mut self, rows: &[Relationship]) -> Result<(), CliError> {
        let parts = rows.chunks(PART_SIZE).map(|part| Ok(part.to_vec()));
        let is_doubtful = self.progress.count < self.progress.sent;
        let end = self.progress.count + u64::try_from(rows.len()).unwrap_or_default();

        // Saved before it is sent: after an interruption, the next run must know that the transaction may have arrived.
        if end > self.progress.sent {
            self.progress.sent = end;
            self.state.save(&self.progress)?;
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

    /// Records that the transaction was refused as a whole: existing relationships come from elsewhere, and the next
    /// run must not overwrite them either.
    fn withdraw(&mut self) -> Result<(), CliError> {
        self.progress.sent = self.progress.count;
        if self.progress.count == 0 {
            return self.state.remove();
        }
        self.state.save(&self.progress)
    }

    /// The failure, with what was restored before it.
    fn unfinished(&self, mut failure: CliError) -> CliError {
        if let Some(remark) = self.schema.remark() {
            failure = failure.with_remark(remark);
        }
        if self.progress.count == 0 {
            return failure;
        }
        failure.with_remark(&format!(
            "{} relationships have been restored; run the same command again to resume",
            self.progress.count
        ))
    }
}

/// Iterates over the relationships of a file.
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
