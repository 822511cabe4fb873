//! The permissions of one subject on one resource.

use super::view::View;
use crate::database::error::DatabaseError;
use crate::engine::{CheckQuery, CheckResult, EngineError};
use crate::relationship::{Context, ObjectRef, Subject};
use crate::schema::{Rule, UnknownName};

/// Which permissions of a subject on a resource to check.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPermissionsQuery {
    /// The resource.
    pub resource: ObjectRef,
    /// The subject.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
    /// Permissions or relations of the resource; when empty, all permissions of its definition in schema order.
    pub permissions: Vec<String>,
}

/// Check results, each with the name of its permission.
type NamedResults = Vec<(String, Result<CheckResult, DatabaseError>)>;

impl View<'_> {
    /// Checks each of the permissions and returns the results in order. The checks share intermediate results.
    ///
    /// # Errors
    ///
    /// An unknown name, a wildcard as the subject, or a store that cannot be read. An error of one check alone is its
    /// result.
    pub fn permissions(&self, query: &ListPermissionsQuery) -> Result<NamedResults, DatabaseError> {
        let ListPermissionsQuery { resource, subject, context, permissions } = query;
        let names = if permissions.is_empty() {
            self.permissions_of(resource)?
        } else {
            permissions.clone()
        };
        let queries: Vec<CheckQuery<'_>> = names
            .iter()
            .map(|permission| CheckQuery { resource, permission, subject, context })
            .collect();

        let results = self.check_each(&queries, false);
        let pairs = names.into_iter().zip(results);
        pairs.map(|(name, result)| Ok((name, fail_call(result)?))).collect()
    }

    /// The permissions of an object's definition, in schema order.
    fn permissions_of(&self, object: &ObjectRef) -> Result<Vec<String>, UnknownName> {
        let name = object.object_type();
        let definition = self.schema().find_definition(name);
        let definition =
            definition.ok_or_else(|| UnknownName::Definition { name: name.to_owned() })?;
        let nodes = definition.nodes.iter().map(|id| self.schema().node(*id));
        let permissions = nodes.filter(|node| matches!(node.rule, Rule::Permission(_)));
        Ok(permissions.map(|node| node.name.clone()).collect())
    }
}

/// Separates errors of the whole call from those of one check.
fn fail_call(
    result: Result<CheckResult, DatabaseError>,
) -> Result<Result<CheckResult, DatabaseError>, DatabaseError> {
    match result {
        Err(
            error @ DatabaseError::Engine(
                EngineError::UnknownDefinition { .. }
                | EngineError::UnknownRelation { .. }
                | EngineError::WildcardSubject
                | EngineError::Interrupted
                | EngineError::Read(_),
            ),
        ) => Err(error),
        result => Ok(result),
    }
}
