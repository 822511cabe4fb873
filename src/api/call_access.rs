//! What the caller of a request may do: handlers hold every object of a request, and of its answer, against it.

use crate::access::{AccessRefusal, CallPermit, Principal, Standing, Withheld};
use crate::api::convert::CheckArguments;
use crate::api::middleware::auth::CallerName;
use crate::api::status;
use crate::database::RequiredPermission;
use crate::relationship::{
    ObjectRef, Precondition, Relationship, RelationshipFilter, RelationshipScope,
    RelationshipUpdate, Subject,
};
use std::sync::{Arc, Mutex, PoisonError};
use tonic::codegen::http;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

/// Metadata of a response that the caller's roles limit to a part of the data.
const PART_OF_DATA: &str = "kilwa-part-of-data";
/// How many relationships are held against roles between two questions whether the client still waits.
const REQUIRED_PER_LOOK: usize = 1_024;

/// What the caller of a request may do. A caller without limits costs nothing here.
#[derive(Clone, Debug)]
pub(crate) struct CallAccess(Option<Arc<CallPermit>>);

/// Whether the caller of a call whose request is a stream may still do what it could at the start; in the extensions of the
/// request.
#[derive(Clone, Debug)]
pub(crate) struct CallStanding(Arc<Mutex<Standing>>);

impl CallStanding {
    /// That of a caller.
    pub(crate) fn new(standing: Standing) -> Self {
        Self(Arc::new(Mutex::new(standing)))
    }

    /// Requires that the caller still may.
    pub(crate) fn require_current(&self) -> Result<(), Status> {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standing.require_current().map_err(status::access_revoked)
    }
}

/// Puts the name of the caller into a request and, where it has roles, its permit. Refuses a method that no role names.
/// Returns what errors leave out.
pub(crate) fn enter<B>(
    request: &mut http::Request<B>,
    caller: &Principal,
) -> Result<Option<Withheld>, Status> {
    let permit =
        caller.permit(request.uri().path()).map_err(|refusal| status::refused(&refusal))?;
    let permit = permit.cloned();
    let withheld = permit.as_ref().and_then(|permit| permit.withheld());
    let extensions = request.extensions_mut();
    extensions.insert(CallerName(Arc::clone(caller.name())));
    if let Some(permit) = permit {
        extensions.insert(permit);
    }
    Ok(withheld)
}

/// The name of the caller of a request, if it has one.
pub(crate) fn caller_name<T>(request: &Request<T>) -> Option<Arc<str>> {
    request.extensions().get::<CallerName>().map(|CallerName(name)| Arc::clone(name))
}

impl CallAccess {
    /// That of the caller of a call with these extensions.
    pub(crate) fn of_extensions(extensions: &http::Extensions) -> Self {
        Self(extensions.get::<Arc<CallPermit>>().cloned())
    }

    /// That of the caller of a request.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        Self(request.extensions().get::<Arc<CallPermit>>().cloned())
    }

    /// The scope that results have to be in; `None` when it is everything.
    pub(crate) fn scope(&self) -> Option<Arc<RelationshipScope>> {
        self.0.as_ref().and_then(|permit| permit.scope()).cloned()
    }

    fn require(
        &self,
        requirement: impl FnOnce(&CallPermit) -> Result<(), AccessRefusal>,
    ) -> Result<(), Status> {
        match &self.0 {
            None => Ok(()),
            Some(permit) => requirement(permit).map_err(|refusal| status::refused(&refusal)),
        }
    }

    /// Requires that a check may be made.
    pub(crate) fn require_check(&self, check: &CheckArguments) -> Result<(), Status> {
        self.require_pair(&check.resource, &check.permission, &check.subject)
    }

    /// Requires that a resource with its relation or permission, and a subject, are inside.
    pub(crate) fn require_pair(
        &self,
        resource: &ObjectRef,
        relation: &str,
        subject: &Subject,
    ) -> Result<(), Status> {
        self.require(|permit| permit.require_pair(resource, relation, subject))
    }

    /// Requires that an object is inside.
    pub(crate) fn require_object(&self, object_type: &str, object_id: &str) -> Result<(), Status> {
        self.require(|permit| permit.require_object(object_type, object_id))
    }

    /// Requires that a relation or permission of an object is inside.
    pub(crate) fn require_node(
        &self,
        object_type: &str,
        object_id: &str,
        relation: &str,
    ) -> Result<(), Status> {
        self.require(|permit| permit.require_node(object_type, object_id, relation))
    }

    /// Requires that everything a filter names is inside.
    pub(crate) fn require_named(&self, filter: &RelationshipFilter) -> Result<(), Status> {
        self.require(|permit| permit.require_named(filter))
    }

    /// Requires that everything a filter names is inside, and narrows it to that where it is simple.
    pub(crate) fn narrow(&self, filter: RelationshipFilter) -> Result<RelationshipFilter, Status> {
        self.require_named(&filter)?;
        match self.scope() {
            Some(scope) => Ok(scope.narrowed(filter)),
            None => Ok(filter),
        }
    }

    /// Requires that a relationship is inside.
    pub(crate) fn require_relationship(&self, relationship: &Relationship) -> Result<(), Status> {
        let Relationship { resource, relation, subject, .. } = relationship;
        self.require_pair(resource, relation, subject)
    }

    /// Requires that relationships are inside. `require_wanted` fails when the client no longer waits.
    pub(crate) fn require_relationships(
        &self,
        relationships: &[Relationship],
        require_wanted: &dyn Fn() -> Result<(), Status>,
    ) -> Result<(), Status> {
        for some in relationships.chunks(REQUIRED_PER_LOOK) {
            require_wanted()?;
            some.iter().try_for_each(|relationship| self.require_relationship(relationship))?;
        }
        Ok(())
    }

    /// Requires that updates are inside.
    pub(crate) fn require_updates(&self, updates: &[RelationshipUpdate]) -> Result<(), Status> {
        updates.iter().try_for_each(|update| self.require_relationship(&update.relationship))
    }

    /// Requires that the caller may know what the prerequisites of a write tell.
    pub(crate) fn require_prerequisites(
        &self,
        preconditions: &[Precondition],
        permissions: &[RequiredPermission],
    ) -> Result<(), Status> {
        self.require(|permit| {
            for precondition in preconditions {
                permit.require_readable(&precondition.filter)?;
            }
            permissions.iter().try_for_each(|required| {
                permit.require_checkable(
                    &required.resource,
                    &required.permission,
                    &required.subject,
                )
            })
        })
    }

    /// Requires that the caller may see traces.
    pub(crate) fn require_traces(&self) -> Result<(), Status> {
        self.require(CallPermit::require_traces)
    }

    /// A response with relationships, which says whether the caller's roles leave some out.
    pub(crate) fn respond<S>(&self, relationships: S) -> Response<S> {
        let mut response = Response::new(relationships);
        if self.scope().is_some() {
            response.metadata_mut().insert(PART_OF_DATA, MetadataValue::from_static("true"));
        }
        response
    }

    /// The answer when a tree leads outside.
    pub(crate) fn tree_refusal() -> Status {
        status::refused(&AccessRefusal::Tree)
    }

    /// The error of one item of a response, as the caller may see it.
    pub(crate) fn item_error(&self, error: Status) -> tonic_types::Status {
        let withheld = self.0.as_ref().and_then(|permit| permit.withheld());
        status::to_message(&match withheld {
            Some(withheld) => status::without_withheld(error, withheld),
            None => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tonic::Code;

    #[test]
    fn many_relationships_are_not_held_against_roles_for_a_client_that_has_gone() {
        let relationship: Relationship = "document:plan#viewer@user:ann".parse().unwrap();
        let relationships = vec![relationship; 10 * REQUIRED_PER_LOOK];
        let asked = Cell::new(0);
        let wanted = |looks: usize| {
            let asked = &asked;
            move || {
                asked.set(asked.get() + 1);
                if asked.get() > looks { Err(status::interrupted()) } else { Ok(()) }
            }
        };
        let access = CallAccess(None);
        access.require_relationships(&relationships, &wanted(usize::MAX)).unwrap();
        assert_eq!(asked.take(), 10);
        let stopped = access.require_relationships(&relationships, &wanted(3)).unwrap_err();
        assert_eq!((stopped.code(), asked.get()), (Code::Cancelled, 4));
    }
}
