//! `kilwa completions`.

use super::failure::Failure;
use super::{Exit, render};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell to complete for.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "kilwa", &mut script);
    render::out(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
