//! Coming from SpiceDB: its command lines and variables, and those of its client `zed`.
//!
//! People paste whole command lines. What Kilwa does anyway or does not need is taken with a remark, so that they run;
//! what asks for something that Kilwa does not do is refused with a sentence about it, so that nobody relies on it.

mod environment;
mod flags;
mod server_flags;
mod usage_hints;
mod zed_flags;

use super::error::CliError;
use super::render;
use super::server_args::is_loopback;
use clap::{ArgMatches, Command};
use environment::EnvVariables;
use flags::{FlagGroup, FlagVerdict, GivenFlag};
use std::collections::BTreeSet;
use std::ffi::OsString;

pub(super) use usage_hints::{explain, source_variable};

/// The page that says all of this to people.
const PAGE: &str = "docs/from-spicedb.md";

/// The other program whose command line this may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForeignProgram {
    SpiceDb,
    Zed,
}

impl ForeignProgram {
    /// That of which one of Kilwa's commands takes the place.
    fn from_command(command: &str) -> Self {
        match command {
            "serve" | "serve-testing" => Self::SpiceDb,
            _ => Self::Zed,
        }
    }

    /// How the names of its variables begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::SpiceDb => "SPICEDB_",
            Self::Zed => "ZED_",
        }
    }

    fn groups(self) -> &'static [FlagGroup] {
        match self {
            Self::SpiceDb => server_flags::GROUPS,
            Self::Zed => zed_flags::GROUPS,
        }
    }
}

/// A command line of which Kilwa's own part is left.
#[derive(Debug)]
pub(super) struct AdoptedCommand {
    /// The arguments that Kilwa reads.
    pub(super) arguments: Vec<OsString>,
    /// Kilwa's commands, which read variables of the other program where their own are not set.
    pub(super) command: Command,
    program: ForeignProgram,
    given: Vec<GivenFlag>,
    unknown: Vec<String>,
}

/// What became of flags and variables of another program.
#[derive(Debug)]
pub(super) struct AdoptionNotes {
    /// Which variables are used, and which are not; nothing when there are none.
    variables: Option<String>,
    /// What was given and has no effect; nothing when there is none.
    without_effect: Option<String>,
}

impl AdoptionNotes {
    /// One line each in the log of a server.
    pub(super) fn log(&self) {
        if let Some(variables) = &self.variables {
            tracing::info!("variables of SpiceDB {variables}");
        }
        if let Some(without_effect) = &self.without_effect {
            tracing::warn!("{without_effect}");
        }
    }

    /// One line each on standard error.
    fn print(&self) {
        for note in [&self.variables, &self.without_effect].into_iter().flatten() {
            render::note(&render::styled(render::DIM, note));
        }
    }
}

/// Sorts a command line and the variables of the process. What asks for something that Kilwa does not do is refused, one
/// sentence for each.
pub(super) fn adopt(
    arguments: Vec<OsString>,
    command: Command,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<AdoptedCommand, Vec<String>> {
    let arguments = flags::behind_command(arguments, &command, takes_value);
    let leaf = environment::leaf(&command, &arguments);
    let program = ForeignProgram::from_command(leaf.get_name());
    let (prefix, groups) = (program.prefix(), program.groups());
    let own: BTreeSet<String> = leaf
        .get_arguments()
        .flat_map(|argument| environment::flag_names(argument))
        .map(str::to_owned)
        .collect();
    // Without a command there is nothing to which flags could belong.
    let (arguments, mut given) = if leaf.has_subcommands() {
        (arguments, Vec::new())
    } else {
        flags::extract(arguments, groups, &own)
    };

    let variables = EnvVariables::new(variables);
    let mut unknown = Vec::new();
    if program == ForeignProgram::SpiceDb {
        for (name, value) in variables.with_prefix(prefix) {
            let flag = environment::flag_name(name, prefix);
            match flags::find(groups, &flag).filter(|_| !own.contains(&flag)) {
                Some((group, flag)) => {
                    given.push(GivenFlag::new(name.to_owned(), group, flag, value));
                }
                None if own.contains(&flag) => {}
                None => unknown.push(name.to_owned()),
            }
        }
    }

    let refused: Vec<String> = given
        .iter()
        .filter(|given| given.verdict == FlagVerdict::Refused)
        .map(|GivenFlag { shown, group, .. }| {
            format!("`{shown}` cannot be honoured: {}; {} (see {PAGE})", group.why, group.instead)
        })
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let command = environment::reading(command, &variables, prefix);
    Ok(AdoptedCommand { arguments, command, program, given, unknown })
}

impl AdoptedCommand {
    /// What is to be said before the command runs. It must not run when zed would have shown the key under TLS.
    pub(super) fn notes(&self, matches: &ArgMatches) -> Result<AdoptionNotes, CliError> {
        let (command, matches) = below(&self.command, matches);
        let used = environment::used(command, matches, self.program.prefix());
        require_plain_connection(&used, matches)?;
        let variables = match (used.is_empty(), self.unknown.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("used: {}", used.join(", "))),
            (true, false) => Some(format!("ignored, as unknown: {}", self.unknown.join(", "))),
            (false, false) => Some(format!(
                "used: {}; ignored, as unknown: {}",
                used.join(", "),
                self.unknown.join(", ")
            )),
        };
        let notes = AdoptionNotes { variables, without_effect: self.without_effect() };
        // A server has a log, which is set up later.
        if self.program == ForeignProgram::Zed {
            notes.print();
        }
        Ok(notes)
    }

    /// Flags that have no effect, with the same reason once.
    fn without_effect(&self) -> Option<String> {
        let reasons = self.program.groups().iter().filter_map(|group| {
            let is_one = |given: &&GivenFlag| {
                given.verdict == FlagVerdict::NoEffect && given.group.why == group.why
            };
            let names: Vec<String> = self
                .given
                .iter()
                .filter(is_one)
                .map(|given| format!("`{}`", given.shown))
                .collect();
            (!names.is_empty()).then(|| format!("{} ({})", names.join(", "), group.why))
        });
        let reasons: Vec<String> = reasons.collect();
        (!reasons.is_empty()).then(|| format!("without effect: {}", reasons.join("; ")))
    }
}

/// The command that was given and what was given to it.
fn below<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    let mut found = (command, matches);
    while let Some((name, matches)) = found.1.subcommand()
        && let Some(command) = found.0.find_subcommand(name)
    {
        found = (command, matches);
    }
    found
}

/// Requires that a key is not sent in the clear over a network by somebody who is used to zed's TLS.
fn require_plain_connection(used: &[String], matches: &ArgMatches) -> Result<(), CliError> {
    let is_used = |name: &str| used.iter().any(|used| used == name);
    if !is_used("ZED_ENDPOINT") || matches.get_flag("insecure") {
        return Ok(());
    }
    match matches.get_one::<String>("endpoint").filter(|endpoint| !is_loopback(endpoint)) {
        None => Ok(()),
        Some(endpoint) => Err(CliError::new(format!(
            "`{endpoint}` comes from ZED_ENDPOINT without ZED_INSECURE, so that zed would speak TLS; Kilwa's commands \
             speak without TLS: give `--insecure` if the network is trusted, or set KILWA_ENDPOINT"
        ))),
    }
}

/// Whether one of the flags that may stand before the command takes a value from the next word.
fn takes_value(name: &str) -> Option<bool> {
    match name {
        "endpoint" | "token" => Some(true),
        "insecure" => Some(false),
        _ => flags::has_value(zed_flags::GROUPS, name)
            .or_else(|| flags::has_value(server_flags::GROUPS, name)),
    }
}
