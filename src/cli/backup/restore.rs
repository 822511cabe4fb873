//! `kilwa backup restore`.

use super::file::{Block, Blocks};
use super::look;
use super::state::State;
use crate::cli::failure::Failure;
use crate::cli::remote::Server;
use crate::cli::{Exit, lines, render, touch};
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
    conflict_strategy: Conflicts,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Conflicts {
    #[default]
    Fail,
    Touch,
}

/// Where to go on.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Place {
    /// The server to which the file is being restored.
    endpoint: String,
    /// How many of its relationships are there.
    count: u64,
    /// Up to which of them some may be there besides: a transaction was sent, and its outcome is not known.
    #[serde(default)]
    sent: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if lines::is_stdin(&arguments.file) {
        return Err(Failure::new(
            "a backup is read twice, first to see whether it is whole: write standard input to a file, and name that",
        ));
    }
    // Nothing is written from a file that is damaged further on.
    let total = look::through(&arguments.file, |_| Ok(()))?;
    let connection = arguments.server.connect()?;
    let state = State::beside(&arguments.file, ENDING);
    let endpoint = connection.endpoint().to_owned();
    let begun = state.load::<Place>()?.filter(|place| place.endpoint == endpoint);
    if begun.as_ref().is_some_and(|place| place.count > total) {
        return Err(Failure::new(format!(
            "`{}` counts more relationships than the file has: it belongs to another file, remove it",
            state.path()
        )));
    }
    let place = begun.unwrap_or(Place { endpoint, count: 0, sent: 0 });
    let (input, bar) = look::open(&arguments.file)?;
    let mut blocks = Blocks::open(input, &arguments.file.display().to_string())?;
    if let Some(Block::Schema(schema)) = blocks.next()? {
        connection.write_schema(schema)?;
    }
    let rows = Rows { blocks, part: Vec::new().into_iter() };
    let touch = arguments.conflict_strategy == Conflicts::Touch;
    let mut restoration = Restoration { connection, state, place, bar, touch };
    let restored = restoration.all(rows, usize::try_from(arguments.transaction_size)?);
    restoration.bar.finish_and_clear();
    restored.map_err(|failure| restoration.unfinished(failure))?;
    restoration.state.remove()?;
    render::out(&format!("{total} relationships restored\n"))?;
    Ok(Exit::Success)
}

/// A restoration under way.
struct Restoration {
    connection: Connection,
    state: State,
    place: Place,
    bar: ProgressBar,
    /// Whether what exists is overwritten.
    touch: bool,
}

impl Restoration {
    fn all<R: BufRead>(&mut self, mut rows: Rows<R>, size: usize) -> Result<(), Failure> {
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

    fn create(&mut self, rows: &[Relationship]) -> Result<(), Failure> {
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
                touch::all(&self.connection, rows, TOUCHES, &ProgressBar::hidden())
            }
            Err(error @ CallError::Exists(_)) => {
                self.withdraw()?;
                Err(error.into())
            }
            done => done.map(drop).map_err(|error: CallError| error.into()),
        }
    }

    /// Notes that nothing of the transaction that was sent is there: what exists already is somebody else's, and is not
    /// written over the next time either.
    fn withdraw(&mut self) -> Result<(), Failure> {
        self.place.sent = self.place.count;
        if self.place.count == 0 {
            return self.state.remove();
        }
        self.state.save(&self.place)
    }

    fn unfinished(&self, failure: Failure) -> Failure {
        match &failure {
            Failure::Told(message) if self.place.count > 0 => Failure::new(format!(
                "{message}; {} relationships are restored, and the same command goes on behind them",
                self.place.count
            )),
            Failure::Told(_) | Failure::Unheard => failure,
        }
    }
}

/// The relationships of a file, one after the other.
struct Rows<R> {
    blocks: Blocks<R>,
    part: std::vec::IntoIter<Relationship>,
}

impl<R: BufRead> Rows<R> {
    fn next(&mut self) -> Result<Option<Relationship>, Failure> {
        loop {
            if let Some(row) = self.part.next() {
                return Ok(Some(row));
            }
            match self.blocks.next()? {
                Some(Block::Relationships(rows)) => self.part = rows.into_iter(),
                Some(Block::Schema(_)) => {}
                None => return Ok(None),
            }
        }
    }

    fn skip(&mut self, count: u64) -> Result<(), Failure> {
        for _ in 0..count {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}
