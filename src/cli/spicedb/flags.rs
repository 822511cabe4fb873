//! Flags of foreign programs: their syntax, their effect, and their removal from a command line.

use crate::cli::boolean;
use clap::Command;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Flags with the same purpose.
#[derive(Debug)]
pub(super) struct FlagGroup {
    /// Their effect in the foreign program, and why Kilwa does not need them.
    pub(super) why: &'static str,
    /// The replacement, for a flag that is refused.
    pub(super) instead: &'static str,
    /// The flags.
    pub(super) flags: &'static [Flag],
}

/// A flag that only the foreign program has.
#[derive(Debug)]
pub(super) struct Flag {
    name: &'static str,
    shape: FlagShape,
    effect: FlagEffect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlagShape {
    /// A boolean. A value can only follow a `=`, as in Go's command lines.
    Switch,
    /// A value follows, after a `=` or as the next argument.
    Value,
}

#[derive(Clone, Copy, Debug)]
enum FlagEffect {
    /// Without effect, whatever the value.
    None,
    /// Without effect with these values; refused with any other.
    NoneWith(&'static [&'static str]),
    /// These values are what Kilwa does anyway; any other is refused.
    Only(&'static [&'static str]),
}

/// A switch without effect.
pub(super) const fn switch(name: &'static str) -> Flag {
    Flag { name, shape: FlagShape::Switch, effect: FlagEffect::None }
}

/// A flag with a value, without effect.
pub(super) const fn value(name: &'static str) -> Flag {
    Flag { name, shape: FlagShape::Value, effect: FlagEffect::None }
}

impl Flag {
    /// The same flag, refused with any other value than these.
    pub(super) const fn only(self, values: &'static [&'static str]) -> Self {
        Self { effect: FlagEffect::Only(values), ..self }
    }

    /// The same flag, without effect with these values and refused with any other.
    pub(super) const fn none_with(self, values: &'static [&'static str]) -> Self {
        Self { effect: FlagEffect::NoneWith(values), ..self }
    }
}

/// A flag set on the command line or by a variable.
#[derive(Debug)]
pub(super) struct GivenFlag {
    /// The flag or variable, without its value, which may be secret.
    pub(super) shown: String,
    pub(super) group: &'static FlagGroup,
    pub(super) verdict: FlagVerdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagVerdict {
    /// Kilwa does what it asks for.
    Same,
    /// It has no effect, and needs none.
    NoEffect,
    /// Kilwa does not do what it asks for.
    Refused,
}

impl GivenFlag {
    pub(super) fn new(shown: String, group: &'static FlagGroup, flag: &Flag, value: &str) -> Self {
        Self { shown, group, verdict: flag.verdict(value) }
    }
}

impl Flag {
    fn verdict(&self, value: &str) -> FlagVerdict {
        // Go treats `--flag=` and an empty variable as unset.
        if value.is_empty() {
            return FlagVerdict::Same;
        }
        let value = match self.shape {
            FlagShape::Switch => {
                boolean::parse(value).map_or(value, |is| if is { "true" } else { "false" })
            }
            FlagShape::Value => value,
        };
        match self.effect {
            FlagEffect::None => FlagVerdict::NoEffect,
            FlagEffect::NoneWith(values) if values.contains(&value) => FlagVerdict::NoEffect,
            FlagEffect::Only(values) if values.contains(&value) => FlagVerdict::Same,
            FlagEffect::NoneWith(_) | FlagEffect::Only(_) => FlagVerdict::Refused,
        }
    }
}

/// The flag of this name.
pub(super) fn find(
    groups: &'static [FlagGroup],
    name: &str,
) -> Option<(&'static FlagGroup, &'static Flag)> {
    groups.iter().find_map(|group| {
        let flag = group.flags.iter().find(|flag| flag.name == name)?;
        Some((group, flag))
    })
}

/// Removes the flags of `groups` from a command line, except those that Kilwa defines itself (`own`).
pub(super) fn extract(
    arguments: Vec<OsString>,
    groups: &'static [FlagGroup],
    own: &BTreeSet<String>,
) -> (Vec<OsString>, Vec<GivenFlag>) {
    let mut kept = Vec::new();
    let mut given = Vec::new();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        // No flags follow `--`.
        if argument == "--" {
            kept.push(argument);
            kept.extend(rest);
            break;
        }

        let known = argument.to_str().and_then(split).filter(|(name, _)| !own.contains(*name));
        let found = known.and_then(|(name, value)| Some((name, value, find(groups, name)?)));
        let Some((name, value, (group, flag))) = found else {
            kept.push(argument);
            continue;
        };

        let value = match (value, flag.shape) {
            (Some(value), _) => value.to_owned(),
            (None, FlagShape::Switch) => "true".to_owned(),
            (None, FlagShape::Value) => {
                let Some(value) = rest.next() else {
                    // A flag without its value is left to clap, which reports it.
                    kept.push(argument);
                    break;
                };
                value.to_string_lossy().into_owned()
            }
        };
        given.push(GivenFlag::new(format!("--{name}"), group, flag, &value));
    }
    (kept, given)
}

/// Moves flags before a command, which Cobra allows, to the end. Only flags known to `has_value` are moved.
pub(super) fn move_after_command(
    arguments: Vec<OsString>,
    command: &Command,
    has_value: impl Fn(&str) -> Option<bool>,
) -> Vec<OsString> {
    let mut rest = arguments.into_iter().peekable();
    let mut ordered: Vec<OsString> = rest.next().into_iter().collect();
    let mut moved = Vec::new();

    let mut command = command;
    while command.has_subcommands()
        && let Some(argument) = rest.peek()
    {
        if let Some(below) = argument.to_str().and_then(|word| command.find_subcommand(word)) {
            command = below;
            ordered.extend(rest.next());
            continue;
        }

        let flag = argument.to_str().and_then(split);
        let Some((value, takes)) =
            flag.and_then(|(name, value)| Some((value.is_some(), has_value(name)?)))
        else {
            break;
        };
        moved.extend(rest.next());
        if takes && !value {
            moved.extend(rest.next());
        }
    }

    let is_end = |argument: &OsString| argument == "--";
    while let Some(argument) = rest.next_if(|argument| !is_end(argument)) {
        ordered.push(argument);
    }
    ordered.extend(moved);
    ordered.extend(rest);
    ordered
}

/// Name and value of `--name` or `--name=value`.
fn split(argument: &str) -> Option<(&str, Option<&str>)> {
    let flag = argument.strip_prefix("--")?;
    Some(match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    })
}

/// Whether a flag of this name has a value in the next argument.
pub(super) fn has_value(groups: &'static [FlagGroup], name: &str) -> Option<bool> {
    find(groups, name).map(|(_, flag)| flag.shape == FlagShape::Value)
}
