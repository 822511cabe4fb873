//! How types, actions and properties of AuthZEN become definitions, permissions and caveat context: a file, or nothing to map.

use crate::relationship::{InvalidName, NameKind, require_name};
use arc_swap::ArcSwap;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A mapping file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthzenMappingError {
    /// It cannot be read.
    #[error("the AuthZEN mapping file `{}` cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// It is not TOML, or not of this form. The text has the line.
    #[error("the AuthZEN mapping file `{}` is not valid: {message}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A name in it is none of a schema.
    #[error("the AuthZEN mapping file `{}` maps `{from}` to no valid name: {source}", .path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name that is mapped.
        from: String,
        /// What is wrong with the other one.
        source: InvalidName,
    },
}

/// The mapping. Names that it does not have are those of the schema already, but for `-`, `.`, `:` and blanks, which become `_`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuthzenMapping {
    types: BTreeMap<String, String>,
    actions: BTreeMap<String, String>,
    resource_actions: BTreeMap<String, BTreeMap<String, String>>,
    properties: PropertyPrefixes,
}

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
    fn read(path: &Path) -> Result<Self, AuthzenMappingError> {
        let text = fs::read_to_string(path)
            .map_err(|source| AuthzenMappingError::Read { path: path.to_owned(), source })?;
        let mapping: Self = toml::from_str(&text).map_err(|error| {
            let message = error.to_string();
            AuthzenMappingError::Malformed { path: path.to_owned(), message }
        })?;

        let types = mapping.types.iter().map(|pair| (NameKind::Definition, pair));
        let of_types = mapping.resource_actions.values().flatten();
        let actions = mapping.actions.iter().chain(of_types);
        for (kind, (from, to)) in types.chain(actions.map(|pair| (NameKind::Relation, pair))) {
            require_name(kind, to).map_err(|source| AuthzenMappingError::Name {
                path: path.to_owned(),
                from: from.clone(),
                source,
            })?;
        }
        Ok(mapping)
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

    /// How the names of properties start.
    pub(super) fn prefixes(&self) -> &PropertyPrefixes {
        &self.properties
    }
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
    pub(super) fn new(file: Option<PathBuf>) -> Result<Self, AuthzenMappingError> {
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
    pub(super) fn reload(&self) -> Result<(), AuthzenMappingError> {
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
