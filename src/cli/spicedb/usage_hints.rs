//! What is said about a command line that clap refuses: commands of SpiceDB and zed by name, and where a value came from.

use super::environment::{flag_names, leaf};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use std::ffi::OsString;

/// Commands of the other programs with what takes their place.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["datastore", "migrate", "head", "repair"],
        "Kilwa needs no migrations: `kilwa serve` makes its data folder when there is none, and reads it as it is",
    ),
    (
        &["lsp"],
        "Kilwa has no language server: `kilwa schema check FILE` finds the mistakes in a schema",
    ),
    (&["postgres-fdw"], "Kilwa has no foreign data wrapper for PostgreSQL"),
    (
        &["context", "use"],
        "Kilwa keeps no contexts: set KILWA_ENDPOINT and KILWA_TOKEN, or give `--endpoint` and `--token`",
    ),
    (
        &["preview"],
        "what zed has below `preview` is a command of its own: see `kilwa schema --help`",
    ),
    (&["compile"], "`kilwa schema format FILE` prints a schema together with what it imports"),
    (
        &["parse-revision"],
        "a backup of Kilwa has no revision: a ZedToken means nothing to another server",
    ),
    (&["mcp"], "Kilwa has no MCP server"),
    (
        &["check"],
        "`kilwa permission check` checks a permission, `kilwa schema check` a schema, and `kilwa validate` a \
         validation file",
    ),
];

/// What there is to say about a command line that was refused, instead of what clap says.
pub(in crate::cli) fn explain(error: &clap::Error, command: &Command) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let known = ELSEWHERE.iter().find(|(names, _)| names.contains(&name.as_str()));
    if let Some((_, sentence)) = known {
        return Some(format!("Kilwa has no command `{name}`: {sentence}"));
    }
    let parents = command.get_subcommands().filter(|parent| parent.find_subcommand(name).is_some());
    let full: Vec<String> =
        parents.map(|parent| format!("`kilwa {} {name}`", parent.get_name())).collect();
    (!full.is_empty())
        .then(|| format!("Kilwa has no command `{name}` here: it is {}", full.join(" or ")))
}

/// The variable from which the value came that was refused, when it was none of the arguments.
pub(in crate::cli) fn source_variable(
    error: &clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> Option<String> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = shown.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let is_it = |argument: &&Arg| flag_names(argument).contains(&name);
    let argument = leaf(command, arguments).get_arguments().find(is_it)?;
    let is_given = |flag: &str| {
        let texts = arguments.iter().filter_map(|argument| argument.to_str());
        texts.filter_map(|text| text.strip_prefix("--")?.split('=').next()).any(|word| word == flag)
    };
    if flag_names(argument).into_iter().any(is_given) {
        return None;
    }
    // That it is set is known: the value is not the default, which is never refused.
    argument.get_env().and_then(|name| name.to_str()).map(str::to_owned)
}
