//! The dependency tree against `deny.toml`: licences, bans and sources, on machines without cargo-deny too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = list("allow");
    assert!(allowed.contains("Apache-2.0"), "{allowed:?}");
    let packages = packages();
    assert!(packages.len() > 100, "{} packages", packages.len());

    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(&package.licence, &allowed))
        .map(|package| format!("{}: {}", package.name, package.licence))
        .collect();
    assert!(refused.is_empty(), "licences that deny.toml does not allow: {refused:#?}");
}

#[test]
fn no_dependency_is_banned_or_from_elsewhere() {
    let banned = banned();
    assert!(!banned.is_empty());

    for Package { name, origin, .. } in packages() {
        assert!(!banned.contains(&name), "deny.toml bans `{name}`");
        // Cargo shows the folder of the package in this repository.
        assert!(origin.is_empty() || name == "kilwa", "`{name}` comes from {origin}");
    }
}

#[test]
fn licence_expressions_are_evaluated_as_spdx_says() {
    let allowed: BTreeSet<String> = ["MIT", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"]
        .into_iter()
        .map(str::to_owned)
        .collect();

    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND BSD-3-Clause", true),
        ("GPL-3.0 OR (MIT AND BSD-3-Clause)", true),
        // AND binds tighter than OR.
        ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

struct Package {
    name: String,
    licence: String,
    /// What cargo says of its origin; nothing for the registry of the ecosystem.
    origin: String,
}

/// The dependency tree on this platform, with what builds and tests need.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build,dev", "--prefix", "none"])
        .args(["--format", "{p}|{l}|"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let tree = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeSet<&str> = tree.lines().collect();
    lines.into_iter().map(package).collect()
}

/// Reads `name v1.2.3 (origin)|licence|`.
fn package(line: &str) -> Package {
    let [package, licence, ..] = line.split('|').collect::<Vec<_>>()[..] else {
        panic!("not a package: {line}");
    };
    let mut words = package.splitn(3, ' ');
    let name = words.next().unwrap().to_owned();
    let origin = words.nth(1).unwrap_or_default().replace("(proc-macro)", "").trim().to_owned();
    Package { name, licence: licence.to_owned(), origin }
}

/// The strings of a list in `deny.toml` that opens with `name = [` and closes with `]` on a line of its own.
fn list(name: &str) -> BTreeSet<String> {
    let deny = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let lines = deny.lines().skip_while(|line| *line != format!("{name} = ["));
    let entries = lines.skip(1).take_while(|line| *line != "]");
    entries.map(|line| line.trim().trim_matches([',', '"']).to_owned()).collect()
}

fn banned() -> BTreeSet<String> {
    let entries = list("deny");
    entries
        .iter()
        .map(|entry| {
            let (_, rest) = entry.split_once("name = \"").unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        })
        .collect()
}

/// Whether a licence expression can be met with allowed licences alone. `/` is the old form of `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut rest = words.as_slice();
    let is_allowed = any(&mut rest, allowed);
    is_allowed && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = all(words, allowed);
    while skip(words, "OR") {
        is_allowed |= all(words, allowed);
    }
    is_allowed
}

fn all(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = one(words, allowed);
    while skip(words, "AND") {
        is_allowed &= one(words, allowed);
    }
    is_allowed
}

fn one(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    if skip(words, "(") {
        let is_allowed = any(words, allowed);
        return skip(words, ")") && is_allowed;
    }
    let Some((first, rest)) = words.split_first() else { return false };
    *words = rest;

    let mut licence = (*first).to_owned();
    if let [with @ "WITH", exception, rest @ ..] = *words {
        licence = format!("{licence} {with} {exception}");
        *words = rest;
    }
    allowed.contains(&licence)
}

/// Steps over a word if it comes next.
fn skip(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}
