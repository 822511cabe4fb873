//! Flags for the consistency of a read.

use super::error::CliError;
use super::time_args;
use crate::client::{Connection, ReadConsistency};
use crate::relationship::Timestamp;
use clap::Args;

/// The consistency of a read; minimal latency by default.
#[derive(Debug, Args)]
#[command(next_help_heading = "Consistency")]
#[group(multiple = false)]
pub(super) struct ConsistencyArgs {
    /// Read at the latest revision (fully consistent).
    #[arg(long = "consistency-full")]
    full: bool,
    /// Read at a revision at least as fresh as this token.
    #[arg(long = "consistency-at-least", value_name = "TOKEN")]
    at_least: Option<String>,
    /// Read at exactly the revision of this token.
    #[arg(long = "consistency-at-exactly", value_name = "TOKEN")]
    at_exactly: Option<String>,
    /// Read at the revision with the lowest latency (the default for most commands).
    #[arg(long = "consistency-min-latency")]
    min_latency: bool,
    /// Read as of a point in time within the history window: 5m (ago), 2030-01-02 or 2030-01-02T03:04:05Z.
    #[arg(long, value_name = "TIME", value_parser = time_args::parse_past)]
    as_of: Option<Timestamp>,
}

impl ConsistencyArgs {
    /// The consistency. The server determines the revision of a point in time.
    pub(super) fn resolve(&self, connection: &Connection) -> Result<ReadConsistency, CliError> {
        self.resolve_or(ReadConsistency::MinimizeLatency, connection)
    }

    /// The consistency, or a default if no flag is given.
    pub(super) fn resolve_or(
        &self,
        unsaid: ReadConsistency,
        connection: &Connection,
    ) -> Result<ReadConsistency, CliError> {
        if let Some(time) = self.as_of {
            let consistency = ReadConsistency::AtExactSnapshot(connection.revision_at(time)?);
            require_schema(time, &consistency, connection)?;
            return Ok(consistency);
        }
        Ok(match (self.full, &self.at_least, &self.at_exactly) {
            (true, ..) => ReadConsistency::FullyConsistent,
            (false, Some(token), _) => ReadConsistency::AtLeastAsFresh(token.clone()),
            (false, None, Some(token)) => ReadConsistency::AtExactSnapshot(token.clone()),
            (false, None, None) if self.min_latency => ReadConsistency::MinimizeLatency,
            (false, None, None) => unsaid,
        })
    }
}

/// Requires that the server had a schema at that time: before its first write, every answer would be misleading.
fn require_schema(
    time: Timestamp,
    consistency: &ReadConsistency,
    connection: &Connection,
) -> Result<(), CliError> {
    let (reflection, _) = connection.reflect_schema(None, consistency)?;
    if reflection.definitions.is_empty() && reflection.caveats.is_empty() {
        return Err(CliError::new(format!(
            "nothing had been stored at {time}: the server had no schema yet"
        )));
    }
    Ok(())
}
