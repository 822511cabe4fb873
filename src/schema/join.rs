//! Several schema texts as one.

use crate::schema::compile::compile;
use crate::schema::diagnostics::fault::Faults;
use crate::schema::format::canonical;
use crate::schema::imports;
use crate::schema::imports::Loader;
use crate::schema::parse::outline;
use crate::schema::schema::Schema;
use std::collections::BTreeSet;

/// The flag of imports, which a text that holds what was imported does not need.
const IMPORT: &str = "import";

/// The text of a schema, as servers take it: without imports.
///
/// It is the text as it is written, or the texts of all files in one, with their comments. Only where these do not go
/// together, as when a `use` line of one reserves a name of another, it is the canonical text.
pub fn without_imports(schema: &Schema) -> String {
    let is_whole = |text: &str| compile(text).is_ok();
    if is_whole(schema.source()) {
        return schema.source().to_owned();
    }
    // Imported files come before the file that imports them.
    let texts: Vec<&str> = schema.syntax.files.iter().rev().map(|file| &*file.text).collect();
    let joined = join(&texts);
    if is_whole(&joined) { joined } else { canonical(schema) }
}

/// The text of a schema with everything that it imports in one, as they are written, although the whole need not compile.
/// Nothing when a text is not of the language, or an import cannot be read.
pub fn with_imports(name: &str, text: &str, load: &Loader<'_>) -> Option<String> {
    let mut faults = Faults::default();
    let program = imports::read_files(name, text, Some(load), &mut faults);
    // Imported files come before the file that imports them.
    let texts: Vec<&str> = program.files.iter().rev().map(|file| &*file.text).collect();
    match texts.as_slice() {
        [only] => Some((*only).to_owned()),
        texts => Some(join(texts)),
    }
    .filter(|_| faults.is_empty())
}

/// The texts one after another, with the `use` lines of all at the top and without imports. Nothing is compiled: that the
/// whole is right has to be seen by compiling it.
pub fn join(texts: &[&str]) -> String {
    let mut flags = BTreeSet::new();
    let mut parts = Vec::new();
    for text in texts {
        let mut part = String::new();
        let mut start = 0;
        let outline = outline(text);
        let mut left_out = [outline.uses.as_slice(), &outline.imports].concat();
        left_out.sort_by_key(|range| range.start);
        for used in &outline.uses {
            let line = text.get(used.clone()).unwrap_or_default();
            let flag = line.split_whitespace().last().filter(|flag| *flag != IMPORT);
            flags.extend(flag.map(|flag| format!("use {flag}")));
        }
        for statement in left_out {
            part.push_str(text.get(start..statement.start).unwrap_or_default());
            start = statement.end;
            // A line on which nothing else stands goes with it.
            let rest = text.get(start..).unwrap_or_default();
            let after = rest.trim_start_matches([' ', '\t', ';', '\r']);
            if let Some(next_line) = after.strip_prefix('\n').filter(|_| !part.ends_with(' ')) {
                start = text.len() - next_line.len();
            }
        }
        part.push_str(text.get(start..).unwrap_or_default());
        parts.push(part.trim_matches([' ', '\t', '\r', '\n', ';', '\u{FEFF}']).to_owned());
    }

    let head: Vec<String> = flags.into_iter().collect();
    let parts = [head.join("\n")].into_iter().chain(parts).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n") + "\n"
}
