//! Hints for command lines that clap refuses: commands of SpiceDB and zed, and variables that set an invalid value.

use super::environment::{flag_names, leaf};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use std::ffi::OsString;

/// Commands of SpiceDB, zed and habit, with their replacements.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["datastore", "migrate", "head", "repair"],
        "Kilwa needs no migrations: `kilwa serve` creates its data folder if there is none",
    ),
    (
        &["lsp"],
        "Kilwa has no language server: `kilwa schema check FILE` reports the errors in a schema",
    ),
    (&["postgres-fdw"], "Kilwa has no foreign data wrapper for PostgreSQL"),
    (
        &["context", "use"],
        "Kilwa has no contexts: set KILWA_ENDPOINT and KILWA_TOKEN, or give `--endpoint` and `--token`",
    ),
    (&["preview"], "the commands of `zed preview` are regular commands: see `kilwa schema --help`"),
    (
        &["compile"],
        "`kilwa schema format FILE` prints a schema, also with `--canonical` and its imports",
    ),
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

/// The hint that replaces the message of clap for an unknown command.
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
        .then(|| format!("Kilwa has no command `{name}` here; use {}", full.join(" or ")))
}

/// Removes the tip to pass an unknown flag as a value, which no flag of Kilwa is meant to be.
pub(in crate::cli) fn remove_value_tip(error: &mut clap::Error) {
    let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) else { return };
    let is_useful = |tip: &StyledStr| !tip.to_string().starts_with("to pass ");
    let kept: Vec<StyledStr> = tips.into_iter().filter(is_useful).collect();
    if !kept.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(kept));
    }
}

/// The environment variable that set the refused value, if no argument did.
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
    // The variable must be set: the value is not an argument, and a default is never refused.
    argument.get_env().and_then(|name| name.to_str()).map(str::to_owned)
}
