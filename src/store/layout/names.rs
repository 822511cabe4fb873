//! The name catalog: small numbers for the names of types, relations and caveats. A number is never used again.

use super::corrupt_bytes::CorruptBytes;
use super::keys::NameId;
use crate::store::write::failure::WriteFailure;
use std::collections::HashMap;
use std::sync::Arc;

/// Names and their numbers, which count from 1.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct NameCatalog {
    ids: HashMap<Arc<str>, NameId>,
    texts: Vec<Arc<str>>,
}

impl NameCatalog {
    /// The catalog of these names with their numbers, in any order.
    pub(in crate::store) fn load(mut entries: Vec<(String, NameId)>) -> Result<Self, CorruptBytes> {
        entries.sort_by_key(|(_, id)| *id);
        let mut names = Self::default();
        for (text, id) in entries {
            if names.add(&text).ok() != Some(id) {
                return Err(CorruptBytes("the numbers of names have gaps"));
            }
        }
        Ok(names)
    }

    /// The number of a name.
    pub(in crate::store) fn find(&self, text: &str) -> Option<NameId> {
        self.ids.get(text).copied()
    }

    /// The name of a number.
    pub(in crate::store) fn text(&self, id: NameId) -> Result<&str, CorruptBytes> {
        let index = usize::try_from(id.0).ok().and_then(|number| number.checked_sub(1));
        let text = index.and_then(|index| self.texts.get(index));
        text.map(AsRef::as_ref).ok_or(CorruptBytes("a name has a number that was never given"))
    }

    /// The names, in the order of their numbers.
    pub(in crate::store) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }

    /// The number of a name, a new one if it has none yet.
    pub(in crate::store) fn add(&mut self, text: &str) -> Result<NameId, WriteFailure> {
        if let Some(id) = self.find(text) {
            return Ok(id);
        }
        let number = u32::try_from(self.texts.len() + 1).ok().filter(|number| *number < u32::MAX);
        let id = NameId(number.ok_or_else(|| WriteFailure::io("there are too many names"))?);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, id);
        Ok(id)
    }

    /// How many names there are.
    pub(in crate::store) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Removes every name but the first `count`.
    pub(in crate::store) fn truncate(&mut self, count: usize) {
        for text in self.texts.drain(count.min(self.texts.len())..) {
            self.ids.remove(&text);
        }
    }
}
