//! Keys of reads: the parts of a relationship that a read fixes.

/// The resource side of a relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey<'a> {
    /// The resource's type.
    pub object_type: &'a str,
    /// The resource's id.
    pub object_id: &'a str,
    /// The relation.
    pub relation: &'a str,
}

/// The subject side of a relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey<'a> {
    /// The subject's type.
    pub object_type: &'a str,
    /// The subject's id; `*` for a wildcard.
    pub object_id: &'a str,
    /// The relation of a userset; `None` for objects and wildcards.
    pub relation: Option<&'a str>,
}

/// A type of subjects with its relation, if any: `user`, or `group#member`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectForm<'a> {
    /// The subjects' type.
    pub object_type: &'a str,
    /// The usersets' relation; `None` for objects and wildcards.
    pub relation: Option<&'a str>,
}

/// A relation of a type: `document#viewer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationKey<'a> {
    /// The resources' type.
    pub object_type: &'a str,
    /// The relation.
    pub relation: &'a str,
}
