//! No file of the crate imports itself through others: the import graph between files has no cycle.
//!
//! An edge goes from the file that names an item to the file that defines it. A name that a `mod.rs` re-exports counts for the file that defines
//! it, a re-export alone is no edge, and a `mod.rs` with items of its own is a file like any other.

use super::source::{PathUse, paths};
use super::{modules_of, shown, source_files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

#[test]
fn no_file_is_in_an_import_cycle() {
    let files: Vec<(String, String)> = source_files()
        .iter()
        .map(|file| (shown(file), fs::read_to_string(file).unwrap()))
        .collect();

    let found = cycles(&files);

    assert!(found.is_empty(), "these files import each other:\n{}", found.join("\n"));
}

#[test]
fn cycles_are_found_however_they_are_written() {
    let cases: [&[(&str, &str)]; 6] = [
        &[("a.rs", "use crate::b::B; struct A;"), ("b.rs", "use crate::a::A; struct B;")],
        &[("a.rs", "use crate::b; fn a() { b::f() }"), ("b.rs", "fn f(_: crate::a::A) {}")],
        &[
            ("a/mod.rs", "mod x; mod y; pub use x::X; pub use y::Y;"),
            ("a/x.rs", "use super::Y; struct X;"),
            ("a/y.rs", "use super::X; struct Y;"),
        ],
        &[
            ("a/mod.rs", "mod x; struct A; fn f() { x::run() }"),
            ("a/x.rs", "use super::A; fn run() {}"),
        ],
        &[
            ("a/mod.rs", "mod x; pub use x::X; struct A { x: X }"),
            ("a/x.rs", "use super::{A as B}; struct X;"),
        ],
        &[
            ("a.rs", "fn a() { crate::b::f() }"),
            ("b.rs", "fn f() { super::c::g() }"),
            ("c.rs", "fn g() { super::a::a() }"),
        ],
    ];
    for case in cases {
        assert_eq!(cycles(&sources(case)).len(), 1, "in {case:?}");
    }
}

#[test]
fn files_without_a_cycle_are_let_through() {
    let cases: [&[(&str, &str)]; 3] = [
        &[
            ("a/mod.rs", "mod x; mod y; pub use x::X; pub use y::Y;"),
            ("a/x.rs", "use super::y::Y; struct X;"),
            ("a/y.rs", "struct Y;"),
        ],
        &[
            ("a/mod.rs", "mod x; fn run() { x::run() }"),
            ("a/x.rs", "fn run() {} mod tests { use super::run; }"),
        ],
        &[("a.rs", "/// [`crate::b::B`]\nstruct A;"), ("b.rs", "use crate::a::A; struct B;")],
    ];
    for case in cases {
        assert_eq!(cycles(&sources(case)), Vec::<String>::new(), "in {case:?}");
    }
}

fn sources(case: &[(&str, &str)]) -> Vec<(String, String)> {
    case.iter().map(|(file, text)| (format!("src/{file}"), (*text).to_owned())).collect()
}

/// Each group of files that reach each other by imports, one text with its edges.
fn cycles(files: &[(String, String)]) -> Vec<String> {
    let edges = Graph::new(files).edges();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|file| (file.as_str(), reachable(file, &edges))).collect();

    let mut groups: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (file, targets) in &reached {
        if targets.contains(file) {
            let group = targets
                .iter()
                .filter(|other| reached.get(*other).is_some_and(|back| back.contains(file)));
            groups.insert(group.copied().collect());
        }
    }

    groups.iter().map(|group| describe(group, &edges)).collect()
}

/// The names that one file takes from another.
type Names = BTreeSet<String>;
type Edges = BTreeMap<String, BTreeMap<String, Names>>;

fn reachable<'e>(start: &str, edges: &'e Edges) -> BTreeSet<&'e str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for target in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(target.as_str()) {
                open.push(target);
            }
        }
    }
    seen
}

fn describe(group: &BTreeSet<&str>, edges: &Edges) -> String {
    let mut lines = vec![format!("a cycle of {} files:", group.len())];
    for file in group {
        for (target, names) in edges.get(*file).into_iter().flatten() {
            if group.contains(target.as_str()) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                lines.push(format!("  {file} -> {target}: {}", names.join(", ")));
            }
        }
    }
    lines.join("\n")
}

/// The paths of every file, by its module.
struct Graph {
    modules: BTreeMap<Vec<String>, Module>,
}

struct Module {
    file: String,
    paths: Vec<PathUse>,
}

/// What a path names: a module as a whole, or an item that a file defines.
enum Target<'g> {
    Module,
    Item(&'g Module, String),
}

/// Re-exports of re-exports are followed so far; more are a fault of the sources.
const REEXPORTS_MAX: usize = 8;

impl Graph {
    fn new(files: &[(String, String)]) -> Self {
        let modules = files
            .iter()
            .filter(|(file, _)| !matches!(file.as_str(), "src/lib.rs" | "src/main.rs"))
            .map(|(file, text)| {
                (modules_of(file), Module { file: file.clone(), paths: paths(text) })
            })
            .collect();
        Self { modules }
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (name, module) in &self.modules {
            let targets = edges.entry(module.file.clone()).or_default();
            for path in &module.paths {
                if path.reexport && !module.uses(path) {
                    continue;
                }
                let absolute = self.absolute(name, path);
                if let Some(Target::Item(target, item)) =
                    absolute.and_then(|absolute| self.resolve(&absolute, 0))
                    && target.file != module.file
                {
                    targets.entry(target.file.clone()).or_default().insert(item);
                }
            }
        }
        edges
    }

    /// A path from the root of the crate; `None` when it leads into another crate or names a local item.
    fn absolute(&self, module: &[String], path: &PathUse) -> Option<Vec<String>> {
        let segments = &path.segments;
        match segments.first()?.as_str() {
            "crate" | "kilwa" => Some(segments.get(1..)?.to_vec()),
            "self" | "super" => {
                let steps: Vec<&String> = segments
                    .iter()
                    .take_while(|name| matches!(name.as_str(), "self" | "super"))
                    .collect();
                let up = steps.iter().filter(|name| name.as_str() == "super").count();
                // `super` in an inline module is the file itself.
                let up = up.saturating_sub(path.module_depth);
                let kept = module.get(..module.len().checked_sub(up)?)?;
                Some([kept, segments.get(steps.len()..)?].concat())
            }
            first => {
                let child = [module, &[first.to_owned()]].concat();
                if self.modules.contains_key(&child) {
                    return Some([module, segments.as_slice()].concat());
                }
                self.imported(module, first, path)
            }
        }
    }

    /// A path that begins with a module which the file has imported by name.
    fn imported(&self, module: &[String], first: &str, path: &PathUse) -> Option<Vec<String>> {
        let (_, rest) = path.segments.split_first()?;
        if path.import || rest.is_empty() {
            return None;
        }
        let imports = &self.modules.get(module)?.paths;
        let import = imports.iter().find(|import| {
            import.import && import.segments.len() > 1 && import.last() == Some(first)
        })?;
        let head = self.absolute(module, import)?;
        Some([head.as_slice(), rest].concat())
    }

    /// The file that defines what an absolute path names.
    fn resolve(&self, path: &[String], reexports: usize) -> Option<Target<'_>> {
        assert!(
            reexports < REEXPORTS_MAX,
            "`{}` is re-exported by its own source",
            path.join("::")
        );
        if self.modules.contains_key(path) {
            return Some(Target::Module);
        }
        let length = (1..path.len()).rev().find(|length| {
            path.get(..*length).is_some_and(|prefix| self.modules.contains_key(prefix))
        })?;
        let (prefix, rest) = path.split_at(length);
        let module = self.modules.get(prefix)?;
        let name = rest.first()?;

        let reexport = module.paths.iter().find(|path| {
            path.reexport && path.segments.len() > 1 && path.last() == Some(name.as_str())
        });
        match reexport.and_then(|reexport| self.absolute(prefix, reexport)) {
            Some(source) => self.resolve(&source, reexports + 1),
            None => Some(Target::Item(module, name.clone())),
        }
    }
}

impl Module {
    /// Whether the file itself uses the name of a re-export.
    fn uses(&self, reexport: &PathUse) -> bool {
        self.paths.iter().any(|path| {
            !path.import && path.segments.first().map(String::as_str) == reexport.last()
        })
    }
}

impl PathUse {
    fn last(&self) -> Option<&str> {
        self.segments.last().map(String::as_str)
    }
}
