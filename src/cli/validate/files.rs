//! Parallel validation.

use super::validated::ValidatedFile;
use crate::cli::{file_patterns, source_files};
use crate::validation::Report;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Stack size of each thread, in bytes: that of a main thread.
const STACK_BYTES: usize = 8 << 20;

/// Reads a file by its path relative to another file.
pub(super) type LoadFn<'l> = &'l dyn Fn(&str) -> Result<String, String>;

/// Validates a file by its name and text; the error says why there is no report.
pub(super) type ValidateFn<'v> =
    &'v (dyn Fn(&str, &str, LoadFn<'_>) -> Result<Report, String> + Sync);

/// A validated file and the files that it imports.
struct Examined {
    file: ValidatedFile,
    path: PathBuf,
    imports: HashSet<PathBuf>,
}

/// Validates files on one thread per processor. The results are in the order of the files. A file that another of them imports has no result of its
/// own, because that of the other one covers it: alone, it may lack what the other one defines or use nothing of what the other one uses.
pub(super) fn validate(
    paths: &[PathBuf],
    fail_on_warn: bool,
    validate: ValidateFn<'_>,
) -> Vec<ValidatedFile> {
    let next = AtomicUsize::new(0);
    let progress = progress(paths.len());
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else { return done };
            done.push((at, validate_one(path, fail_on_warn, validate)));
            progress.inc(1);
        }
    };

    let count = thread::available_parallelism().map_or(1, NonZero::get).min(paths.len());
    let mut validated: Vec<(usize, Examined)> = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let helpers: Vec<_> = (0..count).filter_map(|at| spawn(at).ok()).collect();
        let mut done = if helpers.is_empty() { work() } else { vec![] };
        for helper in helpers {
            // A panic must not make a file disappear from the report.
            done.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });

    progress.finish_and_clear();
    validated.sort_by_key(|(at, _)| *at);
    without_parts(validated.into_iter().map(|(_, examined)| examined).collect())
}

/// Leaves out the files that another one imports, unless they import it in turn.
fn without_parts(examined: Vec<Examined>) -> Vec<ValidatedFile> {
    let imports: HashMap<PathBuf, HashSet<PathBuf>> =
        examined.iter().map(|one| (one.path.clone(), one.imports.clone())).collect();
    let is_part = |one: &Examined| {
        let imports_other = |other: &PathBuf| one.imports.contains(other);
        imports
            .iter()
            .any(|(other, imported)| imported.contains(&one.path) && !imports_other(other))
    };
    examined.into_iter().filter(|one| !is_part(one)).map(|one| one.file).collect()
}

/// A counter of files, on standard error if that is a terminal.
fn progress(count: usize) -> ProgressBar {
    let bar = if count > 1 { ProgressBar::new(to_u64(count)) } else { ProgressBar::hidden() };
    match ProgressStyle::with_template("{spinner} {pos}/{len} files") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn validate_one(path: &Path, fail_on_warn: bool, validate: ValidateFn<'_>) -> Examined {
    let name = source_files::name(path);
    let folder = path.parent().unwrap_or(Path::new(""));
    let imports = RefCell::default();
    let beside = source_files::beside(path);
    let load = |import: &str| {
        let imported: &RefCell<HashSet<PathBuf>> = &imports;
        imported.borrow_mut().insert(file_patterns::identity(&folder.join(import)));
        beside(import)
    };

    let report = source_files::text(path).and_then(|text| validate(&name, &text, &load));
    let path = file_patterns::identity(path);
    let file = ValidatedFile { name, report, fail_on_warn };
    Examined { file, path, imports: imports.into_inner() }
}
