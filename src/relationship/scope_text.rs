//! Scopes as text.

use super::scope::{RelationPattern, RelationshipScope, ScopeArea};
use std::fmt;

impl fmt::Display for RelationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(definition) = &self.definition {
            write!(f, "{definition}#")?;
        }
        f.write_str(&self.name)
    }
}

/// The types, the relations and the ids that it has, each also where it restricts nothing.
impl fmt::Display for ScopeArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", named_or_every("definition", &self.definitions))?;
        write!(f, "; {}", named_or_every("relation", &self.relations))?;

        let prefixes: Vec<String> =
            self.id_prefixes.iter().map(|prefix| format!("{prefix}…")).collect();
        write!(f, "; {}", named_or_every("object id", &prefixes))?;
        if !prefixes.is_empty() && !self.shared.is_empty() {
            let shared: Vec<&str> = self.shared.iter().map(String::as_str).collect();
            let subjects = if self.shares_subjects_only { "subjects " } else { "" };
            write!(f, ", and every id of {subjects}{}", shared.join(", "))?;
        }
        Ok(())
    }
}

/// Its areas, one of which has to cover the whole of a relationship.
impl fmt::Display for RelationshipScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, area) in self.areas().iter().enumerate() {
            let separator = if index == 0 { "" } else { " | " };
            write!(f, "{separator}{area}")?;
        }
        Ok(())
    }
}

fn named_or_every<T: ToString>(noun: &str, names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.as_slice() {
        [] => format!("every {noun}"),
        [name] => format!("{noun} {name}"),
        _ => format!("{noun}s {}", names.join(", ")),
    }
}
