//! `kilwa relationship follow`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::{DestinationArgs, ServerArgs};
use crate::cli::{progress, render};
use crate::client::{CallError, Connection, WatchMessage, WatchQuery};
use crate::relationship::{RelationshipUpdate, UpdateOperation};
use clap::Args;
use indicatif::ProgressBar;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait after an error before the next attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The most changes in one write, reduced to the limit of the destination.
const BATCH_SIZE: usize = 1_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// File with the token to start after. It is replaced as changes are applied, so that the command can be ended and
    /// started again at any time.
    #[arg(long, value_name = "FILE")]
    revision_file: PathBuf,
    #[command(flatten)]
    source: ServerArgs,
    #[command(flatten)]
    destination: DestinationArgs,
}

/// Why an attempt ends.
enum AttemptError {
    /// Of one of the servers. It may be gone at the next attempt.
    Call(CallError),
    /// Of this machine.
    Local(CliError),
}

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl AttemptError {
    /// The error where another attempt cannot end in another way; else its message.
    fn message(self) -> Result<String, CliError> {
        match self {
            Self::Call(error @ (CallError::Denied { .. } | CallError::Key)) => Err(error.into()),
            Self::Call(error) => Ok(error.to_string()),
            Self::Local(error) => Err(error),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let file = &arguments.revision_file;
    let mut token = read_token(file)?;
    let source = arguments.source.connect()?;
    let mut follower = Follower {
        destination: arguments.destination.connect()?,
        file,
        batch_size: BATCH_SIZE,
        applied: 0,
        bar: progress::counting(),
    };
    let mut reported = String::new();
    let mut is_reached = false;

    loop {
        let applied = follower.applied;
        let reached = if is_reached { Ok(()) } else { follower.reach_destination() };
        is_reached = is_reached || reached.is_ok();
        let ended = reached.and_then(|()| follower.follow(&source, &mut token));
        let message = match ended {
            Ok(()) => break,
            Err(error) => error.message()?,
        };
        if message != reported || follower.applied > applied {
            follower.bar.suspend(|| render::note(&format!("{message}; trying again")));
            reported = message;
        }
        if source.is_interrupted_within(RETRY_INTERVAL)? {
            break;
        }
    }

    follower.bar.finish_and_clear();
    let (applied, file) = (follower.applied, file.display());
    render::note(&format!("{applied} changes applied; `{file}` has the token to resume after"));
    Ok(Exit::Success)
}

fn read_token(file: &Path) -> Result<String, CliError> {
    let text = fs::read_to_string(file).map_err(|error| unusable(file, &error))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(CliError::new(format!(
            "`{}` is empty: it has to hold the token of a revision of the source, which `kilwa schema read --json` prints \
             as `readAt`",
            file.display()
        )));
    }
    Ok(token.to_owned())
}

fn unusable(file: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!("`{}` cannot be used: {error}", file.display()))
}

/// Applies changes.
struct Follower<'a> {
    destination: Connection,
    file: &'a Path,
    batch_size: usize,
    /// How many changes the destination has accepted.
    applied: u64,
    bar: ProgressBar,
}

impl Follower<'_> {
    /// Asks the destination for its schema, so that a wrong key or address is reported at once, and not at the first change. What
    /// the key may do there is seen when a change is written.
    fn reach_destination(&self) -> Result<(), AttemptError> {
        match self.destination.read_schema() {
            Ok(_) | Err(CallError::NoSchema(_) | CallError::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Applies changes after a token until the process is interrupted or an error ends the watch.
    fn follow(&mut self, source: &Connection, token: &mut String) -> Result<(), AttemptError> {
        let query = WatchQuery {
            start: Some(token.clone()),
            schemas: true,
            checkpoints: true,
            ..WatchQuery::default()
        };
        source.watch(&query, |message| {
            self.apply(&message)?;
            // Only now: after an interruption what is applied twice does no harm, what is left out does.
            self.save(&message.token).map_err(AttemptError::Local)?;
            *token = message.token;
            Ok(())
        })
    }

    fn apply(&mut self, message: &WatchMessage) -> Result<(), AttemptError> {
        if message.schema_updated {
            self.bar.suspend(|| {
                render::note(
                    "the schema of the source was written: copy it with `kilwa schema copy`",
                );
            });
        }

        let updates = message.updates.iter().map(|(update, _)| repeatable(update));
        let updates: Vec<_> = updates.collect();
        let mut rest = updates.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(self.batch_size));
            match self.destination.write(batch) {
                Ok(_) => {}
                Err(CallError::TooMany { max, .. }) if is_less(max, self.batch_size) => {
                    self.batch_size = usize::try_from(max).unwrap_or(1).max(1);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }

            rest = later;
            let count = u64::try_from(batch.len()).unwrap_or_default();
            self.applied += count;
            self.bar.inc(count);
        }
        Ok(())
    }

    /// Replaces the token in the file, which is never half written.
    fn save(&self, token: &str) -> Result<(), CliError> {
        let mut draft = self.file.as_os_str().to_owned();
        draft.push(".new");
        fs::write(&draft, format!("{token}\n"))
            .and_then(|()| fs::rename(&draft, self.file))
            .map_err(|error| unusable(self.file, &error))
    }
}

/// The update that may be applied again: a relationship that the destination has already is no error.
fn repeatable(update: &RelationshipUpdate) -> RelationshipUpdate {
    let operation = match update.operation {
        UpdateOperation::Create | UpdateOperation::Touch => UpdateOperation::Touch,
        UpdateOperation::Delete => UpdateOperation::Delete,
    };
    RelationshipUpdate { operation, relationship: update.relationship.clone() }
}

fn is_less(max: u32, size: usize) -> bool {
    usize::try_from(max).is_ok_and(|max| max < size)
}
