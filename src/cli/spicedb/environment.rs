//! Environment variables of SpiceDB and zed, named after their flags: `SPICEDB_GRPC_ADDR` is `--grpc-addr`.

use crate::cli::boolean;
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment variables of the process.
#[derive(Debug)]
pub(super) struct EnvVariables(BTreeMap<String, String>);

impl EnvVariables {
    /// The variables whose name and value are UTF-8.
    pub(super) fn new(all: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(all.into_iter().filter_map(text).collect())
    }

    /// Names and values of the variables with this prefix. An empty value counts as unset, as in SpiceDB.
    pub(super) fn with_prefix<'v>(
        &'v self,
        prefix: &'v str,
    ) -> impl Iterator<Item = (&'v str, &'v str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty())
    }

    fn holds(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn has_value(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_empty())
    }
}

/// The flag name of a variable.
pub(super) fn flag_name(variable: &str, prefix: &str) -> String {
    variable.strip_prefix(prefix).unwrap_or(variable).to_lowercase().replace('_', "-")
}

/// The same command, in which an argument reads the variable of the foreign program if Kilwa's own is not set.
pub(super) fn reading(command: Command, variables: &EnvVariables, prefix: &str) -> Command {
    let command = command.mut_args(|argument| match stand_in(&argument, variables, prefix) {
        Some(name) if matches!(argument.get_action(), ArgAction::SetTrue) => {
            argument.env(name).value_parser(boolean::parse)
        }
        Some(name) => argument.env(name),
        None => argument,
    });
    command.mut_subcommands(|command| reading(command, variables, prefix))
}

/// The same command, in which an argument whose variable is empty does not read it.
pub(super) fn without_empty(command: Command, variables: &EnvVariables) -> Command {
    let command = command.mut_args(|argument| {
        let name = argument.get_env().and_then(|name| name.to_str());
        if name.is_some_and(|name| variables.holds(name) && !variables.has_value(name)) {
            argument.env(Resettable::Reset)
        } else {
            argument
        }
    });
    command.mut_subcommands(|command| without_empty(command, variables))
}

/// The variable of the foreign program for an argument, if it is set and Kilwa's own is not.
fn stand_in(argument: &Arg, variables: &EnvVariables, prefix: &str) -> Option<String> {
    let own = argument.get_env().and_then(|name| name.to_str());
    if own.is_some_and(|own| variables.has_value(own)) {
        return None;
    }
    let variable = |flag: &str| format!("{prefix}{}", flag.to_uppercase().replace('-', "_"));
    flag_names(argument).into_iter().map(variable).find(|name| variables.has_value(name))
}

/// The flag names of an argument, aliases included.
pub(super) fn flag_names(argument: &Arg) -> Vec<&str> {
    let aliases = argument.get_all_aliases().unwrap_or_default();
    argument.get_long().into_iter().chain(aliases).collect()
}

/// The variables with this prefix that set values of a command.
pub(super) fn used(command: &Command, matches: &ArgMatches, prefix: &str) -> Vec<String> {
    let from_variable = |argument: &&Arg| {
        matches.value_source(argument.get_id().as_str()) == Some(ValueSource::EnvVariable)
    };
    let variables = command.get_arguments().filter(from_variable).filter_map(Arg::get_env);
    let names = variables.filter_map(|name| name.to_str()).filter(|name| name.starts_with(prefix));
    names.map(str::to_owned).collect()
}

/// The innermost command that a command line names.
pub(super) fn leaf<'c>(command: &'c Command, arguments: &[OsString]) -> &'c Command {
    let mut words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let mut leaf = command;
    while let Some(next) = words.next().and_then(|word| leaf.find_subcommand(word)) {
        leaf = next;
    }
    leaf
}
