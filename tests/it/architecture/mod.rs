//! The structure of the crate: which module may use which module and which foreign crate, as tables that the sources are held to.

mod cycles;
mod document;
mod names;
mod outgoing;
mod paragraphs;
mod source;
mod status_codes;
mod words;

use source::{PathUse, paths};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules that it may use. A module uses only modules above it, so that there is no cycle.
const MODULES: &[(&str, &[&str])] = &[
    ("telemetry", &[]),
    ("file_mode", &[]),
    ("relationship", &[]),
    ("caveat", &["relationship"]),
    ("schema", &["relationship", "caveat"]),
    ("engine", &["relationship", "caveat", "schema"]),
    ("store", &["relationship", "file_mode"]),
    ("database", &["relationship", "schema", "engine", "store"]),
    ("validation", &["relationship", "caveat", "schema", "engine"]),
    ("proto", &["relationship"]),
    ("settings_file", &[]),
    ("access", &["relationship", "settings_file"]),
    ("metrics", &["relationship", "engine", "proto"]),
    ("audit", &["telemetry", "relationship", "proto", "file_mode"]),
    ("traces", &["telemetry", "proto"]),
    (
        "api",
        &[
            "telemetry",
            "relationship",
            "caveat",
            "schema",
            "engine",
            "store",
            "database",
            "validation",
            "proto",
            "access",
            "metrics",
            "audit",
            "traces",
        ],
    ),
    ("http", &["relationship", "proto", "settings_file", "api"]),
    ("envoy", &["relationship", "proto", "settings_file", "access", "api"]),
    (
        "config",
        &[
            "relationship",
            "store",
            "database",
            "access",
            "metrics",
            "audit",
            "traces",
            "api",
            "http",
            "file_mode",
        ],
    ),
    (
        "server",
        &[
            "telemetry",
            "relationship",
            "engine",
            "store",
            "proto",
            "settings_file",
            "access",
            "metrics",
            "audit",
            "traces",
            "api",
            "database",
            "config",
            "http",
            "envoy",
            "file_mode",
        ],
    ),
    ("client", &["relationship", "schema", "validation", "proto"]),
    ("bench", &[]),
    (
        "cli",
        &[
            "relationship",
            "schema",
            "validation",
            "access",
            "audit",
            "traces",
            "config",
            "http",
            "envoy",
            "telemetry",
            "server",
            "client",
            "bench",
            "file_mode",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Stands for every module, in the table of foreign crates.
const EVERY_MODULE: &[&str] = &["*"];

/// Each foreign crate with the modules that may use it.
const FOREIGN: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["cli"]),
    ("anstream", &["cli"]),
    ("anstyle", &["cli"]),
    ("arc_swap", &["access", "http", "envoy", "server"]),
    ("axum", &["http", "server"]),
    ("base64", &["caveat", "api", "config"]),
    ("cel", &["caveat"]),
    ("chrono", &["relationship", "caveat"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("crc32c", &["store"]),
    ("crc32fast", &["cli"]),
    ("dashmap", &["engine", "api"]),
    ("flate2", &["api", "audit", "bench"]),
    ("getrandom", &["store", "traces", "config"]),
    ("glob", &["cli"]),
    ("h2", &["server"]),
    ("hashbrown", &["engine"]),
    ("hdrhistogram", &["bench"]),
    ("http_body", &["api", "http", "server", "bench"]),
    ("hyper", &["server", "bench"]),
    ("hyper_rustls", &["traces", "server"]),
    ("hyper_util", &["traces", "server", "bench"]),
    ("indicatif", &["cli"]),
    ("jemalloc_pprof", &["server"]),
    ("jsonwebtoken", &["access"]),
    ("opentelemetry", &["traces"]),
    ("opentelemetry_http", &["traces"]),
    ("opentelemetry_otlp", &["traces"]),
    ("opentelemetry_sdk", &["traces"]),
    ("percent_encoding", &["api"]),
    ("pest", &["schema"]),
    ("pest_derive", &["schema"]),
    ("pprof", &["server"]),
    ("prometheus_client", &["metrics"]),
    ("prost", &["proto", "audit", "traces", "api", "http"]),
    ("prost_reflect", &["proto", "metrics", "audit", "traces", "api", "http"]),
    ("prost_types", &["proto", "audit", "api", "http", "envoy", "client"]),
    ("quick_junit", &["cli"]),
    ("regex", &["caveat"]),
    ("ring", &["access", "server", "client"]),
    ("rocksdb", &["store"]),
    ("rustix", &["server", "store", "bench", "cli", "api"]),
    ("saphyr_parser", &["validation"]),
    ("serde", &["settings_file", "access", "audit", "http", "envoy", "bench", "cli"]),
    (
        "serde_json",
        &[
            "relationship",
            "caveat",
            "store",
            "validation",
            "proto",
            "access",
            "audit",
            "api",
            "http",
            "envoy",
            "client",
            "cli",
        ],
    ),
    ("sha2", &["cli"]),
    ("signal_hook", &["server"]),
    ("strsim", &["relationship"]),
    ("subtle", &["access"]),
    ("thiserror", EVERY_MODULE),
    ("tikv_jemallocator", &["main"]),
    ("tokio", &["proto", "audit", "traces", "api", "http", "server", "client", "bench"]),
    ("tokio_rustls", &["traces", "server", "client"]),
    ("tokio_stream", &["api", "server", "client"]),
    ("toml", &["settings_file", "access", "envoy"]),
    ("tonic", &["proto", "traces", "api", "http", "envoy", "server", "client"]),
    ("tonic_health", &["server", "client"]),
    ("tonic_prost", &["proto"]),
    ("tonic_reflection", &["server"]),
    ("tonic_types", &["proto", "api", "http", "envoy", "client"]),
    ("tracing", &["telemetry", "audit", "traces", "api", "config", "server", "cli"]),
    ("tracing_subscriber", &["telemetry"]),
    ("x509_cert", &["server"]),
];

#[test]
fn modules_use_only_what_the_tables_allow() {
    let faults: Vec<String> = source_files().iter().flat_map(|file| faults_in(file)).collect();
    assert!(faults.is_empty(), "these imports are not allowed:\n{}", faults.join("\n"));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    for (position, (module, used)) in MODULES.iter().enumerate() {
        for other in *used {
            let above = MODULES.iter().take(position).any(|(name, _)| name == other);
            assert!(above, "`{module}` uses `{other}`, which is not above it: this may be a cycle");
        }
    }
}

#[test]
fn the_table_of_modules_allows_nothing_that_is_not_used() {
    let mut uses = BTreeSet::new();
    for file in source_files() {
        let module = modules_of(&shown(&file)).into_iter().next().unwrap_or("main".to_owned());
        for path in paths(&fs::read_to_string(&file).unwrap()) {
            if let [root, other, ..] = path.segments.as_slice()
                && (root == "crate" || root == "kilwa")
            {
                uses.insert((module.clone(), other.clone()));
            }
        }
    }
    for (module, used) in MODULES {
        for other in *used {
            let is_used = uses.contains(&((*module).to_owned(), (*other).to_owned()));
            assert!(is_used, "`{module}` may use `{other}`, and does not");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in source_files().into_iter().chain(test_files()) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "`{}` does not open with `//! `", shown(&file));
    }
}

#[test]
fn every_dependency_has_its_modules() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = dependencies_of(&manifest);
    for name in &dependencies {
        assert!(find(FOREIGN, name).is_some(), "no module is named for the crate `{name}`");
    }
    for (name, modules) in FOREIGN {
        assert!(dependencies.iter().any(|known| known == name), "`{name}` is not a dependency");
        for module in modules.iter().filter(|module| **module != "*") {
            assert!(
                find(MODULES, module).is_some(),
                "`{name}` is given to `{module}`, which is not a module"
            );
        }
    }
}

#[test]
fn forbidden_imports_are_caught() {
    let forbidden = [
        ("src/schema/check.rs", "use crate::engine::check;"),
        ("src/schema/check.rs", "use crate::{relationship::Subject, store::Store};"),
        ("src/schema/check.rs", "fn f() -> crate::engine::Limits { todo!() }"),
        ("src/schema/check.rs", "use super::super::engine::check;"),
        ("src/schema/check.rs", "use super::{compiled, super::engine};"),
        ("src/schema/mod.rs", "mod tests { use super::super::engine::check; }"),
        ("src/schema/mod.rs", "use super::engine;"),
        ("src/schema/mod.rs", "use crate::*;"),
        ("src/schema/mod.rs", "use crate as whole;"),
        ("src/schema/mod.rs", "macro_rules! m { () => { $crate::store::Store } }"),
        ("src/schema/mod.rs", "/* \" */ use crate::store::Store; /* \" */"),
        ("src/schema/mod.rs", "fn f<'a>(_: &'a str, _: char) { g('\"', crate::store::X, '\"') }"),
        ("src/schema/mod.rs", "pub use crate::relationship::Subject;"),
        ("src/schema/mod.rs", "pub(crate) use crate::{caveat::Caveat};"),
        ("src/schema/mod.rs", "use rocksdb::DB;"),
        ("src/schema/mod.rs", "use {pest::Parser, tonic::Status};"),
        ("src/schema/mod.rs", "fn f(_: ::tonic::Status) {}"),
        ("src/schema/mod.rs", "#[derive(clap::Parser)] struct Arguments;"),
        ("src/schema/mod.rs", "extern crate rocksdb;"),
        ("src/main.rs", "fn main() { kilwa::server::run() }"),
        ("src/cellar/mod.rs", ""),
    ];
    for (file, text) in forbidden {
        assert!(!faults(file, text).is_empty(), "not caught in {file}: {text}");
    }
}

#[test]
fn allowed_imports_are_let_through() {
    let allowed = [
        ("src/schema/check.rs", "use crate::{caveat::Caveat, relationship::{self, Subject}};"),
        ("src/schema/check.rs", "use super::compiled::Schema; pub(crate) struct S;"),
        ("src/schema/check.rs", "mod tests { use super::super::compiled; }"),
        ("src/schema/check.rs", "pub(in crate::schema) fn f() {}"),
        ("src/schema/mod.rs", "pub use compiled::{Schema, Expr};"),
        ("src/schema/mod.rs", "pub(super) use self::compiled::Schema;"),
        (
            "src/schema/mod.rs",
            "//! [`crate::engine::check`]\nuse thiserror::Error; // use crate::store",
        ),
        ("src/schema/mod.rs", "const S: &str = \"crate::store::Store \\\" rocksdb::DB\";"),
        (
            "src/schema/mod.rs",
            "const S: &str = r#\"use \"crate::store\"; \"#; const B: u8 = b'\\'';",
        ),
        ("src/schema/mod.rs", "/* a /* nested */ use crate::store; */"),
        ("src/schema/mod.rs", "use pest::Parser; fn f() { let tonic = 1; g.tonic::<u8>(tonic) }"),
        ("src/main.rs", "fn main() { kilwa::cli::run() }"),
    ];
    for (file, text) in allowed {
        assert_eq!(faults(file, text), Vec::<String>::new(), "in {file}: {text}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source_files() -> Vec<PathBuf> {
    let files = rust_files(&root().join("src"));
    assert!(!files.is_empty(), "there are no sources to look at");
    files
}

fn test_files() -> Vec<PathBuf> {
    rust_files(&root().join("tests"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

fn dependencies_of(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_")))
        .collect()
}

fn find<'t>(table: &'t [(&str, &[&str])], name: &str) -> Option<&'t [&'t str]> {
    table.iter().find(|(known, _)| *known == name).map(|(_, values)| *values)
}

fn faults_in(file: &Path) -> Vec<String> {
    faults(&shown(file), &fs::read_to_string(file).unwrap())
}

/// What a file of this path and text may not do, one line each.
fn faults(file: &str, text: &str) -> Vec<String> {
    let modules = modules_of(file);
    let module = match modules.first() {
        Some(module) => module.as_str(),
        None if file == "src/main.rs" => "main",
        None => "lib",
    };
    let Some(used) = find(MODULES, module) else {
        return vec![format!("{file}: the module `{module}` is not in the table")];
    };
    let home = Home { module, depth: modules.len(), used };
    let found = paths(text);
    found
        .iter()
        .filter_map(|path| {
            let fault = home.fault(path)?;
            Some(format!("{file}:{}: `{}`: {fault}", path.line, path.segments.join("::")))
        })
        .collect()
}

/// `src/schema/check.rs` holds the module `schema::check`.
fn modules_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut modules: Vec<String> = path.split('/').map(str::to_owned).collect();
    if matches!(modules.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        modules.pop();
    }
    modules
}

/// Where a path is written.
struct Home<'a> {
    module: &'a str,
    /// How many modules lie around the file's items.
    depth: usize,
    used: &'a [&'a str],
}

impl Home<'_> {
    fn fault(&self, path: &PathUse) -> Option<String> {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [_] if !path.import => None,
            ["crate" | "kilwa", module, ..] => self.module_fault(module, path.reexport),
            ["crate" | "kilwa"] => Some("names the crate, not a module".to_owned()),
            ["self" | "super", ..] => self.escape_fault(&segments, path.module_depth),
            [name, ..] => self.foreign_fault(name),
            [] => None,
        }
    }

    fn module_fault(&self, module: &str, reexport: bool) -> Option<String> {
        if module == self.module {
            None
        } else if reexport {
            Some(format!("`{}` re-exports an item of `{module}`", self.module))
        } else if self.used.contains(&module) {
            None
        } else {
            Some(format!("`{}` may not use `{module}`", self.module))
        }
    }

    fn escape_fault(&self, segments: &[&str], module_depth: usize) -> Option<String> {
        let steps = segments.iter().take_while(|segment| matches!(**segment, "self" | "super"));
        let up = steps.filter(|segment| **segment == "super").count();
        (up >= self.depth + module_depth)
            .then(|| format!("`super` leaves the module `{}`; write `crate::`", self.module))
    }

    fn foreign_fault(&self, name: &str) -> Option<String> {
        let modules = find(FOREIGN, name)?;
        let allowed = modules == EVERY_MODULE || modules.contains(&self.module);
        (!allowed).then(|| format!("`{}` may not use the crate `{name}`", self.module))
    }
}
