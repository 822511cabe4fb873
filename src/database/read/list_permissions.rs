//! Everything that one subject may do on one resource.

use crate::database::error::DatabaseError;
use crate::database::read::view::View;
use crate::engine::{CheckQuery, CheckResult, EngineError};
use crate::relationship::{Context, ObjectRef, Subject};
use crate::schema::{Rule, UnknownName};

/// Which permissions of a resource a subject is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPermissionsQuery {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// Who asks for access.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
    /// Permissions or relations of the resource; when there are none, every permission of its definition, as written.
    pub permissions: Vec<String>,
}

/// Answers, each with the name of its permission.
type Answers = Vec<(String, Result<CheckResult, DatabaseError>)>;

impl View<'_> {
    /// Whether the subject has each of the permissions, in order. The work is shared between them.
    ///
    /// # Errors
    ///
    /// A name that the schema does not have, or a subject that nobody can ask about. What is wrong with one permission
    /// alone is its own answer.
    pub fn permissions(
        &self,
        listing: &ListPermissionsQuery,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Answers, DatabaseError> {
        let ListPermissionsQuery { resource, subject, context, permissions } = listing;
        let names = if permissions.is_empty() {
            self.permissions_of(resource)?
        } else {
            permissions.clone()
        };
        let questions: Vec<CheckQuery<'_>> = names
            .iter()
            .map(|permission| CheckQuery { resource, permission, subject, context })
            .collect();
        let answers = self.check_each(&questions, false, interrupted);
        names
            .into_iter()
            .zip(answers)
            .map(|(name, answer)| Ok((name, call_error(answer)?)))
            .collect()
    }

    /// The permissions of an object's definition, as written.
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

/// Tells what is wrong with the whole call from what is wrong with one answer.
fn call_error(
    answer: Result<CheckResult, DatabaseError>,
) -> Result<Result<CheckResult, DatabaseError>, DatabaseError> {
    match answer {
        Err(
            error @ DatabaseError::Engine(
                EngineError::UnknownDefinition { .. }
                | EngineError::UnknownRelation { .. }
                | EngineError::WildcardSubject
                | EngineError::Interrupted
                | EngineError::Read(_),
            ),
        ) => Err(error),
        answer => Ok(answer),
    }
}
