//! Imports: which files make a schema, in which order.

use crate::schema::diagnostics::fault::{Faults, SchemaFault, SourceFile};
use crate::schema::parse::ast::{FileSyntax, ItemSyntax, Name};
use crate::schema::parse::parse;
use std::collections::HashSet;
use std::sync::Arc;

/// How many imports may lead from the first file to the last.
const IMPORT_DEPTH_MAX: usize = 50;

/// Reads a file by its path; the error says why it cannot.
pub type Loader<'l> = dyn Fn(&str) -> Result<String, String> + 'l;

/// All the files of a schema.
#[derive(Debug, Default)]
pub(super) struct SchemaFiles {
    /// The texts; the first is the root.
    pub(super) files: Vec<SourceFile>,
    /// Their syntax trees; imported files come before the file that imports them.
    pub(super) trees: Vec<FileSyntax>,
}

/// Reads the root's text and everything it imports. Without a loader, imports are refused.
pub(super) fn read_files(
    name: &str,
    text: &str,
    loader: Option<&Loader<'_>>,
    faults: &mut Faults,
) -> SchemaFiles {
    let (folder, path) = name.rsplit_once('/').map_or(("", name), |(_, path)| {
        (name.get(..name.len() - path.len()).unwrap_or_default(), path)
    });
    let (seen, open) = (HashSet::from([path.to_owned()]), Vec::new());
    let mut loading =
        ImportReader { loader, folder, faults, seen, open, program: SchemaFiles::default() };
    loading.file(path, text);
    debug_assert!(loading.open.is_empty(), "every file that was opened was read to its end");
    debug_assert_eq!(
        loading.program.files.len(),
        loading.program.trees.len(),
        "one tree for each file"
    );
    loading.program
}

struct ImportReader<'l, 'f> {
    loader: Option<&'l Loader<'l>>,
    /// The root's folder, only for showing names; ends in `/` or is empty.
    folder: &'l str,
    faults: &'f mut Faults,
    /// The paths that were read or are being read.
    seen: HashSet<String>,
    /// The paths that lead to the file being read.
    open: Vec<String>,
    program: SchemaFiles,
}

impl ImportReader<'_, '_> {
    fn file(&mut self, path: &str, text: &str) {
        let position = self.program.files.len();
        let name = Arc::from(format!("{}{path}", self.folder));
        self.program.files.push(SourceFile { name, text: text.into() });
        let tree = parse(position, text, self.faults);
        self.open.push(path.to_owned());
        for item in &tree.items {
            if let ItemSyntax::Import(import) = item
                && let Err(fault) = self.import(path, import)
            {
                self.faults.push(*fault);
                self.faults.unread.anything();
            }
        }
        self.open.pop();
        self.program.trees.push(tree);
    }

    fn import(&mut self, importer: &str, import: &Name) -> Result<(), Box<SchemaFault>> {
        let fault = |message: String| SchemaFault::parse("import", import.span, message);
        let Some(loader) = self.loader else {
            let message = "import statements are not allowed in this context";
            let fault = fault(message.to_owned());
            return Err(fault.help("write the imported definitions into the schema itself").into());
        };
        let path = resolve(importer, &import.text).ok_or_else(|| {
            fault(format!("import path `{}` leaves the schema's folder", import.text)).help(
                "write it relative to the importing file, without `..` and without a leading `/`",
            )
        })?;

        // Open files are in `seen`, too: a cycle has to be found first.
        if self.open.contains(&path) {
            return Err(fault(format!("import of `{}` is circular", import.text)).into());
        }
        if !self.seen.insert(path.clone()) {
            return Ok(());
        }

        if self.open.len() > IMPORT_DEPTH_MAX {
            return Err(
                fault(format!("imports nest more than {IMPORT_DEPTH_MAX} files deep")).into()
            );
        }
        let text = loader(&path)
            .map_err(|reason| fault(format!("could not import `{}`: {reason}", import.text)))?;
        self.file(&path, &text);
        Ok(())
    }
}

/// The path of an import, seen from the root's folder; `None` when it is not below the importer's folder.
fn resolve(importer: &str, path: &str) -> Option<String> {
    let folder = importer.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_local = !path.is_empty() && !path.starts_with('/') && !path.contains(['\\', ':', '\0']);
    let segments = folder.split('/').chain(path.split('/'));
    let segments: Vec<&str> = segments.filter(|s| !s.is_empty() && *s != ".").collect();
    (is_local && !segments.contains(&"..")).then(|| segments.join("/"))
}
