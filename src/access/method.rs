//! The methods that roles can name.

/// A method of the gRPC services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// The path of its calls.
    pub path: &'static str,
    /// The group that it belongs to.
    pub group: MethodGroup,
    /// What it may reach.
    pub reach: MethodReach,
}

/// A group of methods, by which a role can name them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodGroup {
    /// Reads of relationships.
    Read,
    /// Checks.
    Check,
    /// Lookups of resources and subjects.
    Lookup,
    /// Writes and deletions of relationships.
    Write,
    /// Reads of the schema.
    Schema,
    /// Watches.
    Watch,
    /// Imports and exports.
    Bulk,
    /// What concerns all users of a server: writes of the schema, counters, live validation.
    Admin,
}

/// What a method may reach, which decides how a role limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodReach {
    /// Objects and relationships that its request or its answer names. Its service holds each of them against the permit.
    Objects,
    /// The schema, all of it: refused to roles that are limited to definitions or relations.
    Schema,
    /// Everything: refused to roles that are limited to a part of the data.
    Everything,
    /// Nothing that is stored, but revisions.
    Nothing,
}

const fn method(path: &'static str, group: MethodGroup, reach: MethodReach) -> Method {
    Method { path, group, reach }
}

macro_rules! authzed {
    ($path:literal) => {
        concat!("/authzed.api.v1.", $path)
    };
}

macro_rules! kilwa {
    ($path:literal) => {
        concat!("/kilwa.v1.", $path)
    };
}

/// Every method that a role can name. One that is not here is refused to all callers with roles.
pub const METHODS: &[Method] = {
    use MethodGroup::{Admin, Bulk, Check, Lookup, Read, Schema, Watch, Write};
    use MethodReach::{Everything, Nothing, Objects, Schema as WholeSchema};
    &[
        method(authzed!("PermissionsService/ReadRelationships"), Read, Objects),
        method(authzed!("PermissionsService/ExpandPermissionTree"), Read, Objects),
        method(authzed!("PermissionsService/CheckPermission"), Check, Objects),
        method(authzed!("PermissionsService/CheckBulkPermissions"), Check, Objects),
        method(authzed!("PermissionsService/LookupResources"), Lookup, Objects),
        method(authzed!("PermissionsService/LookupSubjects"), Lookup, Objects),
        method(authzed!("PermissionsService/WriteRelationships"), Write, Objects),
        method(authzed!("PermissionsService/DeleteRelationships"), Write, Objects),
        method(authzed!("PermissionsService/ImportBulkRelationships"), Bulk, Objects),
        method(authzed!("PermissionsService/ExportBulkRelationships"), Bulk, Objects),
        method(authzed!("SchemaService/ReadSchema"), Schema, WholeSchema),
        method(authzed!("SchemaService/ReflectSchema"), Schema, WholeSchema),
        method(authzed!("SchemaService/ComputablePermissions"), Schema, WholeSchema),
        method(authzed!("SchemaService/DependentRelations"), Schema, WholeSchema),
        method(authzed!("SchemaService/DiffSchema"), Schema, WholeSchema),
        method(authzed!("SchemaService/WriteSchema"), Admin, Everything),
        method(authzed!("WatchService/Watch"), Watch, Objects),
        method(authzed!("ExperimentalService/BulkCheckPermission"), Check, Objects),
        method(authzed!("ExperimentalService/BulkImportRelationships"), Bulk, Objects),
        method(authzed!("ExperimentalService/BulkExportRelationships"), Bulk, Objects),
        method(authzed!("ExperimentalService/ExperimentalReflectSchema"), Schema, WholeSchema),
        method(
            authzed!("ExperimentalService/ExperimentalComputablePermissions"),
            Schema,
            WholeSchema,
        ),
        method(authzed!("ExperimentalService/ExperimentalDependentRelations"), Schema, WholeSchema),
        method(authzed!("ExperimentalService/ExperimentalDiffSchema"), Schema, WholeSchema),
        method(
            authzed!("ExperimentalService/ExperimentalRegisterRelationshipCounter"),
            Admin,
            Everything,
        ),
        method(authzed!("ExperimentalService/ExperimentalCountRelationships"), Admin, Everything),
        method(
            authzed!("ExperimentalService/ExperimentalUnregisterRelationshipCounter"),
            Admin,
            Everything,
        ),
        method(kilwa!("PermissionsService/ListPermissions"), Check, Objects),
        method(kilwa!("PermissionsService/ReadRevisionAt"), Read, Nothing),
        method(kilwa!("LookupService/LookupResourcesWithin"), Lookup, Objects),
        method(kilwa!("RelationshipsService/WriteRelationships"), Write, Objects),
        method(kilwa!("RelationshipsService/SetRelation"), Write, Objects),
        method(kilwa!("RelationshipsService/DeleteObject"), Write, Objects),
        method(kilwa!("RelationshipsService/ReadHistory"), Watch, Objects),
        method(kilwa!("ValidationService/Validate"), Check, Nothing),
        method(kilwa!("ValidationService/ValidateLive"), Admin, Everything),
        method(kilwa!("WatchService/Watch"), Watch, Objects),
        // The check that it makes is a call of its own, of the same caller.
        method("/envoy.service.auth.v3.Authorization/Check", Check, Nothing),
    ]
};

impl Method {
    /// The name without that of its service, as a role names it.
    pub fn name(&self) -> &'static str {
        method_name(self.path)
    }

    /// The methods that a role means by a name: that of a group, or of one method. Methods of the same name in several
    /// services are one to a role.
    pub fn named(name: &str) -> impl Iterator<Item = &'static Self> {
        METHODS.iter().filter(move |method| method.name() == name || method.group.name() == name)
    }
}

impl MethodGroup {
    /// The name by which a role names the group.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Check => "check",
            Self::Lookup => "lookup",
            Self::Write => "write",
            Self::Schema => "schema",
            Self::Watch => "watch",
            Self::Bulk => "bulk",
            Self::Admin => "admin",
        }
    }
}

/// The last part of a path.
pub(super) fn method_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
