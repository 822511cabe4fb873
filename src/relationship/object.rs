//! Objects: what relationships connect.

use super::name::{InvalidName, NameKind, require_name};
use std::fmt;

/// An object: a type and an id within it, written `document:plan`.
///
/// Both parts match their patterns ([`NameKind::Definition`], [`NameKind::ObjectId`]); an id is never `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    object_type: String,
    object_id: String,
}

impl ObjectRef {
    /// The object of this type and id, if both are well formed.
    pub fn new(
        object_type: impl Into<String>,
        object_id: impl Into<String>,
    ) -> Result<Self, InvalidName> {
        let object = Self { object_type: object_type.into(), object_id: object_id.into() };
        require_name(NameKind::Definition, &object.object_type)?;
        require_name(NameKind::ObjectId, &object.object_id)?;
        Ok(object)
    }

    /// The name of the definition that the object belongs to.
    pub fn object_type(&self) -> &str {
        &self.object_type
    }

    /// The id within the type.
    pub fn object_id(&self) -> &str {
        &self.object_id
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object_type, self.object_id)
    }
}
