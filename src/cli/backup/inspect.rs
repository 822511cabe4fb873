//! `kilwa backup verify`, `parse-schema` and `parse-relationships`.

use super::format::{BackupBlock, BackupReader};
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
    let count = for_each_block(&arguments.file, |_| Ok(()))?;
    render::out(&format!("{count} relationships, complete and undamaged\n"))?;
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
    for_each_block(&arguments.file, |block| {
        let BackupBlock::Relationships(rows) = block else { return Ok(()) };
        let mut text = String::new();
        for row in rows {
            writeln!(text, "{row}")?;
        }
        render::out_next(&text)
    })?;
    Ok(Exit::Success)
}

/// Passes every block of a file to `take`; returns the number of relationships.
pub(super) fn for_each_block(
    path: &Path,
    mut take: impl FnMut(BackupBlock) -> Result<(), CliError>,
) -> Result<u64, CliError> {
    let (input, bar) = open(path)?;
    let mut blocks = BackupReader::open(input, &path.display().to_string())?;
    while let Some(block) = blocks.next()? {
        take(block)?;
    }
    bar.finish_and_clear();
    Ok(blocks.done.count)
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
