//! `kilwa backup verify`, `parse-schema` and `parse-relationships`.

use super::format::{BackupBlock, BackupReach, BackupReader};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{progress, render, source_files};
use clap::Args;
use indicatif::ProgressBar;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Backup file; - for standard input.
    file: PathBuf,
}

pub(super) fn verify(arguments: &Arguments) -> Result<Exit, CliError> {
    let BackupSummary { count, reach } = for_each_block(&arguments.file, |_, _| Ok(()))?;
    let found = match reach {
        BackupReach::Whole => "complete and undamaged",
        BackupReach::Part => "undamaged, but a part of the data only: it was made with `--partial`",
    };
    render::out(&format!("{count} relationships, {found}\n"))?;
    Ok(Exit::Success)
}

pub(super) fn schema(arguments: &Arguments) -> Result<Exit, CliError> {
    let (input, _) = open(&arguments.file)?;
    let mut blocks = BackupReader::open(input, &arguments.file.display().to_string())?;
    if let Some(BackupBlock::Schema(schema)) = blocks.next()? {
        render::out(&format!("{}\n", schema.trim_end()))?;
    }
    Ok(Exit::Success)
}

pub(super) fn relationships(arguments: &Arguments) -> Result<Exit, CliError> {
    for_each_block(&arguments.file, |_, block| {
        let BackupBlock::Relationships(rows) = block else { return Ok(()) };
        let mut text = String::new();
        for row in rows {
            writeln!(text, "{row}")?;
        }
        render::out_next(&text)
    })?;
    Ok(Exit::Success)
}

/// What a file has.
pub(super) struct BackupSummary {
    /// The number of its relationships.
    pub(super) count: u64,
    pub(super) reach: BackupReach,
}

/// Passes every block of a file to `take`, with the reach of the file.
pub(super) fn for_each_block(
    path: &Path,
    mut take: impl FnMut(BackupReach, BackupBlock) -> Result<(), CliError>,
) -> Result<BackupSummary, CliError> {
    let (input, bar) = open(path)?;
    let mut blocks = BackupReader::open(input, &path.display().to_string())?;
    while let Some(block) = blocks.next()? {
        take(blocks.reach, block)?;
    }
    bar.finish_and_clear();
    Ok(BackupSummary { count: blocks.done.count, reach: blocks.reach })
}

/// A file or standard input, with a progress bar.
pub(super) fn open(path: &Path) -> Result<(Box<dyn BufRead>, ProgressBar), CliError> {
    if source_files::is_stdin(path) {
        return Ok((Box::new(io::stdin().lock()), ProgressBar::hidden()));
    }
    let unreadable =
        |error: io::Error| CliError::new(format!("`{}` cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let bar = progress::reading(file.metadata().map_err(unreadable)?.len());
    Ok((Box::new(BufReader::new(bar.wrap_read(file))), bar))
}
