//! `kilwa relationship bulk-export`.

use super::filter_args::OptionalFilterArgs;
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{progress, render};
use crate::client::{ExportArgs, ReadConsistency};
use clap::Args;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: OptionalFilterArgs,
    /// Relationships per message; 0 for the default of the server.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    page_size: u32,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let connection = arguments.server.connect()?;
    let export = ExportArgs {
        filter: arguments.filter.filter(),
        // An export is expected to contain all acknowledged writes, so it is fully consistent by default.
        consistency: arguments
            .consistency
            .resolve_or(ReadConsistency::FullyConsistent, &connection)?,
        cursor: None,
        part_size: arguments.page_size,
    };

    let bar = progress::counting();
    let exported = connection.export(&export, |relationships, _| {
        let mut text = String::new();
        for relationship in &relationships {
            writeln!(text, "{relationship}")?;
            bar.inc(1);
        }
        render::out_next(&text)
    });

    bar.finish_and_clear();
    exported?;
    if matches!(connection.exports_everything(), Ok(false)) {
        render::note(
            "the roles of the key include a part of the data only: relationships outside of it were left out",
        );
    }
    Ok(Exit::Success)
}
