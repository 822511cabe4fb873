//! `kilwa relationship bulk-export`.

use super::filter::OptionalFilter;
use crate::cli::failure::Failure;
use crate::cli::remote::Server;
use crate::cli::{Exit, consistency, progress, render};
use crate::client::{Export, Moment};
use clap::Args;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: OptionalFilter,
    /// How many relationships to fetch at a time; 0 for as many as the server gives.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    page_size: u32,
    #[command(flatten)]
    consistency: consistency::Flags,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let connection = arguments.server.connect()?;
    let export = Export {
        filter: arguments.filter.filter(),
        // Whoever exports everything does not mean what was there some seconds ago.
        moment: arguments.consistency.moment_or(Moment::FullyConsistent, &connection)?,
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
    Ok(Exit::Success)
}
