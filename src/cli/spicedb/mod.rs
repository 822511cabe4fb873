//! Compatibility with command lines and variables of `spicedb serve` and of its client `zed`.
//!
//! Users paste whole command lines. Flags that ask for what Kilwa does anyway, or does not need, are accepted with a
//! note; flags that ask for what Kilwa does not do are refused with the reason, so that no one relies on them.

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

pub(super) use usage_hints::{explain, remove_value_tip, source_variable};

/// The page that documents all of this.
const PAGE: &str = "docs/from-spicedb.md";

/// A program whose flags and variables are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForeignProgram {
    SpiceDb,
    Zed,
}

impl ForeignProgram {
    /// The program that one of Kilwa's commands replaces.
    fn from_command(command: &str) -> Self {
        match command {
            "serve" | "serve-testing" => Self::SpiceDb,
            _ => Self::Zed,
        }
    }

    /// The prefix of its variables.
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

/// A command line without the foreign flags.
#[derive(Debug)]
pub(super) struct AdoptedCommand {
    /// The arguments that Kilwa parses.
    pub(super) arguments: Vec<OsString>,
    /// Kilwa's commands, which read variables of the foreign program where their own are not set.
    pub(super) command: Command,
    program: ForeignProgram,
    given: Vec<GivenFlag>,
    unknown: Vec<String>,
}

/// Notes on accepted flags and variables of a foreign program.
#[derive(Debug)]
pub(super) struct AdoptionNotes {
    /// Used and ignored variables; `None` if there are none.
    variables: Option<String>,
    /// Flags and variables without effect; `None` if there are none.
    without_effect: Option<String>,
}

impl AdoptionNotes {
    /// Logs the notes, for a server.
    pub(super) fn log(&self) {
        if let Some(variables) = &self.variables {
            tracing::info!("variables of SpiceDB {variables}");
        }
        if let Some(without_effect) = &self.without_effect {
            tracing::warn!("{without_effect}");
        }
    }

    /// Prints the notes to standard error.
    fn print(&self) {
        for note in [&self.variables, &self.without_effect].into_iter().flatten() {
            render::note(&render::styled(render::DIM, note));
        }
    }
}

/// Separates Kilwa's flags and variables from foreign ones. The error has one message for each flag that Kilwa cannot
/// honour.
pub(super) fn adopt(
    arguments: Vec<OsString>,
    command: Command,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<AdoptedCommand, Vec<String>> {
    let arguments = flags::move_after_command(arguments, &command, takes_value);
    let leaf = environment::leaf(&command, &arguments);
    let program = ForeignProgram::from_command(leaf.get_name());
    let (prefix, groups) = (program.prefix(), program.groups());
    let own: BTreeSet<String> = leaf
        .get_arguments()
        .flat_map(|argument| environment::flag_names(argument))
        .map(str::to_owned)
        .collect();
    // Without a complete command, no program is known to which the flags belong.
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
    let command = environment::without_empty(command, &variables);
    Ok(AdoptedCommand { arguments, command, program, given, unknown })
}

impl AdoptedCommand {
    /// The notes to print before the command runs. The command is refused if zed would have sent the key over TLS.
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

        // A server logs its notes, once its log is set up.
        if self.program == ForeignProgram::Zed {
            notes.print();
        }
        Ok(notes)
    }

    /// Flags without effect, grouped by reason.
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

/// The innermost command of the parsed arguments.
fn below<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    let mut found = (command, matches);
    while let Some((name, matches)) = found.1.subcommand()
        && let Some(command) = found.0.find_subcommand(name)
    {
        found = (command, matches);
    }
    found
}

/// Refuses to send a key unencrypted over a network where zed would have used TLS.
fn require_plain_connection(used: &[String], matches: &ArgMatches) -> Result<(), CliError> {
    let is_used = |name: &str| used.iter().any(|used| used == name);
    let asks_for_tls =
        || matches.get_flag("no_verify_ca") || matches.contains_id("certificate_path");
    if !is_used("ZED_ENDPOINT") || matches.get_flag("insecure") || asks_for_tls() {
        return Ok(());
    }
    match matches
        .get_one::<String>("endpoint")
        .filter(|endpoint| !is_loopback(endpoint) && !endpoint.starts_with("https://"))
    {
        None => Ok(()),
        Some(endpoint) => Err(CliError::new(format!(
            "`{endpoint}` comes from ZED_ENDPOINT without ZED_INSECURE, so zed would use TLS: write `https://{endpoint}`, \
             or add `--insecure` if the network is trusted"
        ))),
    }
}

/// Whether a flag that may precede the command has a value in the next argument; `None` if the flag is unknown.
fn takes_value(name: &str) -> Option<bool> {
    match name {
        "endpoint" | "token" => Some(true),
        "insecure" => Some(false),
        _ => flags::has_value(zed_flags::GROUPS, name)
            .or_else(|| flags::has_value(server_flags::GROUPS, name)),
    }
}
