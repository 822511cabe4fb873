//! How types, actions and properties of AuthZEN become definitions, permissions and caveat context: a file, or nothing to map.

use crate::api::text_hash;
use crate::relationship::{NameKind, require_name};
use crate::settings_file::{MistakeList, PlacedText, SettingsFileError, read_settings};
use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The mapping. Names that it does not have are those of the schema already, but for `-`, `.`, `:` and blanks, which become `_`.
#[derive(Debug, Default)]
pub(super) struct AuthzenMapping {
    types: BTreeMap<String, String>,
    actions: BTreeMap<String, String>,
    resource_actions: BTreeMap<String, BTreeMap<String, String>>,
    properties: PropertyPrefixes,
}

/// A whole file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuthzenContent {
    types: PlacedNames,
    actions: PlacedNames,
    resource_actions: BTreeMap<String, PlacedNames>,
    properties: PropertyPrefixes,
}

/// Names of AuthZEN, each with that of the schema.
type PlacedNames = BTreeMap<String, PlacedText>;

/// How the names of properties start as caveat parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PropertyPrefixes {
    pub(super) subject: String,
    pub(super) resource: String,
    pub(super) action: String,
}

impl Default for PropertyPrefixes {
    fn default() -> Self {
        let prefix = |name: &str| format!("{name}_");
        Self { subject: prefix("subject"), resource: prefix("resource"), action: prefix("action") }
    }
}

impl AuthzenMapping {
    fn read(path: &Path) -> Result<Self, SettingsFileError> {
        read_settings("AuthZEN mapping file", path, |content: AuthzenContent, mistakes| {
            let AuthzenContent { types, actions, resource_actions, properties } = content;
            let mut of_types = BTreeMap::new();
            for (kind, actions) in resource_actions {
                of_types.insert(kind, names(mistakes, NameKind::Relation, actions));
            }
            Self {
                types: names(mistakes, NameKind::Definition, types),
                actions: names(mistakes, NameKind::Relation, actions),
                resource_actions: of_types,
                properties,
            }
        })
    }

    /// The definition of a type; none when no definition can have its name.
    pub(super) fn definition(&self, kind: &str) -> Option<String> {
        let name = self.types.get(kind).cloned().unwrap_or_else(|| plain_name(kind));
        require_name(NameKind::Definition, &name).is_ok().then_some(name)
    }

    /// The permission of an action on a resource of this type; none when no permission can have its name.
    pub(super) fn permission(&self, kind: &str, action: &str) -> Option<String> {
        let of_type = self.resource_actions.get(kind).and_then(|actions| actions.get(action));
        let mapped = of_type.or_else(|| self.actions.get(action)).cloned();
        let name = mapped.unwrap_or_else(|| plain_name(action));
        require_name(NameKind::Relation, &name).is_ok().then_some(name)
    }

    /// The actions of a permission on a resource of this type.
    pub(super) fn actions(&self, kind: &str, permission: &str) -> Vec<String> {
        let of_type = self.resource_actions.get(kind).into_iter().flatten();
        let named: Vec<String> = of_type
            .chain(&self.actions)
            .filter(|(action, to)| {
                *to == permission && self.permission(kind, action).as_deref() == Some(permission)
            })
            .map(|(action, _)| action.clone())
            .collect();
        if named.is_empty() { vec![permission.to_owned()] } else { named }
    }

    /// A number that changes with the actions that a permission stands for, and is the same in every process.
    pub(super) fn actions_hash(&self) -> u64 {
        text_hash(json!([self.actions, self.resource_actions]).to_string().as_bytes())
    }

    /// How the names of properties start.
    pub(super) fn prefixes(&self) -> &PropertyPrefixes {
        &self.properties
    }
}

/// Names of a kind, those with a mistake too.
fn names(
    mistakes: &mut MistakeList<'_>,
    kind: NameKind,
    names: PlacedNames,
) -> BTreeMap<String, String> {
    for (from, to) in &names {
        let valid = require_name(kind, to.get_ref());
        mistakes.noted(
            to.span(),
            valid.map_err(|error| format!("`{from}` is mapped to no name of a schema: {error}")),
        );
    }
    names.into_iter().map(|(from, to)| (from, to.into_inner())).collect()
}

fn plain_name(name: &str) -> String {
    name.replace(['-', '.', ':', ' '], "_")
}

/// The mapping that applies now.
#[derive(Debug)]
pub(super) struct SharedMapping {
    file: Option<PathBuf>,
    current: ArcSwap<AuthzenMapping>,
}

impl SharedMapping {
    /// The mapping of a file, or the one without a file.
    pub(super) fn new(file: Option<PathBuf>) -> Result<Self, SettingsFileError> {
        let mapping = match &file {
            Some(file) => AuthzenMapping::read(file)?,
            None => AuthzenMapping::default(),
        };
        Ok(Self { file, current: ArcSwap::from_pointee(mapping) })
    }

    /// The file, if there is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads the file again. Without success everything stays as it is.
    pub(super) fn reload(&self) -> Result<(), SettingsFileError> {
        if let Some(file) = &self.file {
            self.current.store(Arc::new(AuthzenMapping::read(file)?));
        }
        Ok(())
    }

    /// What applies now.
    pub(super) fn current(&self) -> Arc<AuthzenMapping> {
        self.current.load_full()
    }
}
