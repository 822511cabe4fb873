//! Two schemas that are compared, and where their differences are.

use super::change_row::ChangeRow;
use crate::cli::source_files;
use crate::schema::diff::SchemaChange;
use crate::schema::{NamePlace, Schema};
use std::path::Path;

/// The schemas that are compared.
pub(super) struct SchemaPair<'p> {
    pub(super) before: Schema,
    /// The root file of the old schema; `None` for the schema of a server.
    pub(super) before_file: Option<&'p Path>,
    pub(super) after: Schema,
    /// The root file of the new schema.
    pub(super) after_file: &'p Path,
}

impl SchemaPair<'_> {
    /// File and line of a difference in the new schema; of a definition or caveat that is gone, the start of its file, or of the
    /// root where that is gone too.
    pub(super) fn place(&self, change: &SchemaChange) -> (String, usize) {
        if let Some(place) = change.place(&self.after) {
            return (place.source_name.to_owned(), place.start.line);
        }
        let kept = self.former_place(change).and_then(|former| self.same_file(former.source_name));
        (kept.unwrap_or_else(|| source_files::name(self.after_file)), 1)
    }

    /// A difference in words, and where it was if it is gone.
    pub(super) fn described(&self, change: &SchemaChange) -> String {
        let text = anstream::adapter::strip_str(&ChangeRow::new(change).text()).to_string();
        let text = text.trim_end();
        match self.former_place(change).filter(|_| change.place(&self.after).is_none()) {
            Some(NamePlace { source_name, start }) => {
                format!("{text}\nit was in {source_name}:{}", start.line)
            }
            None => text.to_owned(),
        }
    }

    /// Where a difference was in the files of the old schema.
    fn former_place(&self, change: &SchemaChange) -> Option<NamePlace<'_>> {
        self.before_file.and_then(|_| change.place(&self.before))
    }

    /// The name in the new schema of a file of the old one, if it has that file.
    fn same_file(&self, former: &str) -> Option<String> {
        let folder = |root: &'_ Path| root.parent().unwrap_or(Path::new("")).to_owned();
        let before_file = self.before_file?;
        let path = if former == source_files::name(before_file) {
            self.after_file.to_owned()
        } else {
            let below = Path::new(former).strip_prefix(folder(before_file)).ok()?;
            folder(self.after_file).join(below)
        };
        let name = source_files::name(&path);
        self.after.has_source(&name).then_some(name)
    }
}
