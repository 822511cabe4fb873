//! Requests that read, write and delete relationships.

use crate::api::convert::limit::result_limit;
use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::api::status;
use crate::database::DeleteRequest;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::decode::{relationship, update};
use crate::proto::decode_context::context;
use crate::proto::field_errors::{Breach, Field};
use crate::relationship::{
    Context, NameKind, ObjectIdFilter, Precondition, PreconditionOperation, Relationship,
    RelationshipFilter, RelationshipUpdate, SubjectFilter, SubjectRelationFilter, WILDCARD_ID,
    require_name,
};
use prost::Message as _;
use prost_types::Struct;
use tonic::Status;

/// How many relationships of an import are converted between two questions whether the client still waits.
const IMPORTED_PER_LOOK: usize = 1_024;

/// The updates of a write.
pub(crate) fn updates(
    violations: &mut Violations,
    messages: Vec<proto::RelationshipUpdate>,
    limits: RequestLimits,
) -> Vec<RelationshipUpdate> {
    let field = Field::root("updates");
    let mut updates = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let sizes = message.relationship.as_ref().map(Sizes::from_message).unwrap_or_default();
        let read = update(violations, field.item(index), message);
        if let Some(RelationshipUpdate { relationship, .. }) = &read {
            sizes.require_small(violations, relationship, limits);
        }
        updates.extend(read);
    }
    updates
}

/// How large a relationship is on the wire, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// The whole relationship; named in the error.
    pub(crate) relationship: usize,
    /// Its caveat, which is bounded.
    pub(crate) caveat: usize,
}

impl Sizes {
    fn from_message(relationship: &proto::Relationship) -> Self {
        let caveat = relationship.optional_caveat.as_ref();
        Self {
            relationship: relationship.encoded_len(),
            caveat: caveat.map_or(0, proto::ContextualizedCaveat::encoded_len),
        }
    }

    /// Requires that the caveat of a relationship is no larger than is allowed.
    pub(crate) fn require_small(
        self,
        violations: &mut Violations,
        relationship: &Relationship,
        RequestLimits { caveat_bytes_max: max, .. }: RequestLimits,
    ) {
        if self.caveat > max {
            violations.refuse(status::caveat_too_large(relationship, self.relationship, max));
        }
    }
}

/// The filter, the bound and the preconditions of a deletion, from its start.
pub(crate) fn deletion(
    request: proto::DeleteRelationshipsRequest,
) -> Result<DeleteRequest, Status> {
    let mut violations = Violations::of::<proto::DeleteRelationshipsRequest>();
    let field = Field::root("relationship_filter");
    let filter = required_filter(&mut violations, field, request.relationship_filter);
    let preconditions = preconditions(&mut violations, request.optional_preconditions);
    let limit = Some(request.optional_limit).filter(|limit| *limit > 0);
    let metadata = metadata(&mut violations, request.optional_transaction_metadata);
    let allow_partial = request.optional_allow_partial_deletions;
    violations.finish(filter.map(|filter| DeleteRequest {
        filter,
        within: None,
        preconditions,
        limit,
        allow_partial,
        after: None,
        metadata,
    }))
}

/// The filter and the bound of a read.
pub(crate) fn read_filter(
    filter: Option<proto::RelationshipFilter>,
    limit: u32,
    limits: RequestLimits,
) -> Result<(RelationshipFilter, Option<u32>), Status> {
    let mut violations = Violations::of::<proto::ReadRelationshipsRequest>();
    let limit = result_limit(limit, limits.read_limit_max).unwrap_or_else(|refusal| {
        violations.refuse(refusal);
        None
    });
    let filter = required_filter(&mut violations, Field::root("relationship_filter"), filter);
    violations.finish(filter.map(|filter| (filter, limit)))
}

/// The filter of an export and how many relationships a message holds; 0 asks for as many as allowed.
pub(crate) fn export(
    message: Option<proto::RelationshipFilter>,
    limit: u32,
    limits: RequestLimits,
) -> Result<(Option<RelationshipFilter>, usize), Status> {
    let mut violations = Violations::of::<proto::ExportBulkRelationshipsRequest>();
    let limit = result_limit(limit, limits.export_limit_max).unwrap_or_else(|refusal| {
        violations.refuse(refusal);
        None
    });
    let count_max = usize::try_from(limit.unwrap_or(limits.export_limit_max)).unwrap_or(usize::MAX);
    let field = Field::root("optional_relationship_filter");
    let filter =
        message.map_or(Some(None), |message| filter(&mut violations, field, message).map(Some));
    violations.finish(filter.map(|filter| (filter, count_max)))
}

/// The relationships of one message of an import. `require_wanted` fails when the client no longer waits.
pub(crate) fn import(
    messages: Vec<proto::Relationship>,
    limits: RequestLimits,
    require_wanted: &dyn Fn() -> Result<(), Status>,
) -> Result<Vec<Relationship>, Status> {
    let mut violations = Violations::of::<proto::ImportBulkRelationshipsRequest>();
    let field = Field::root("relationships");
    let mut read = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        if index.is_multiple_of(IMPORTED_PER_LOOK) {
            require_wanted()?;
        }
        let sizes = Sizes::from_message(&message);
        let relationship = relationship(&mut violations, field.item(index), Some(message));
        if let Some(relationship) = &relationship {
            sizes.require_small(&mut violations, relationship, limits);
        }
        read.extend(relationship);
    }
    violations.finish(Some(read))
}

pub(crate) fn required_filter(
    violations: &mut Violations,
    field: Field<'_>,
    message: Option<proto::RelationshipFilter>,
) -> Option<RelationshipFilter> {
    let message = violations.require(field, message)?;
    filter(violations, field, message)
}

/// A filter.
pub(crate) fn filter(
    violations: &mut Violations,
    field: Field<'_>,
    message: proto::RelationshipFilter,
) -> Option<RelationshipFilter> {
    let proto::RelationshipFilter {
        resource_type,
        optional_resource_id: id,
        optional_resource_id_prefix: prefix,
        optional_relation: relation,
        optional_subject_filter: subject,
    } = message;
    if !id.is_empty() && !prefix.is_empty() {
        let rule = "resource_id and resource_id_prefix cannot be set at the same time";
        let given = [
            ("resource_type", &resource_type),
            ("optional_resource_id", &id),
            ("optional_resource_id_prefix", &prefix),
            ("optional_relation", &relation),
        ];
        violations.refuse(status::invalid_filter(rule, &given));
    }
    let resource_type =
        optional(violations, field.at("resource_type"), NameKind::Definition, resource_type);
    let id = optional(violations, field.at("optional_resource_id"), NameKind::ObjectId, id);

    let prefix =
        optional(violations, field.at("optional_resource_id_prefix"), NameKind::ObjectId, prefix);
    let relation =
        optional(violations, field.at("optional_relation"), NameKind::Relation, relation);
    let subject = subject.map_or(Some(None), |message| {
        subject_filter(violations, field.at("optional_subject_filter"), message).map(Some)
    });
    let exact = id?.map(ObjectIdFilter::Exact);

    Some(RelationshipFilter {
        resource_type: resource_type?,
        resource_id: exact.or(prefix?.map(ObjectIdFilter::Prefix)),
        relation: relation?,
        subject: subject?,
    })
}

fn subject_filter(
    violations: &mut Violations,
    field: Field<'_>,
    message: proto::SubjectFilter,
) -> Option<SubjectFilter> {
    let named = require_name(NameKind::Definition, &message.subject_type);
    let subject_type =
        violations.note(field.at("subject_type"), named).map(|()| message.subject_type);
    let id = message.optional_subject_id;

    let subject_id = if id == WILDCARD_ID {
        Some(Some(id))
    } else {
        optional(violations, field.at("optional_subject_id"), NameKind::ObjectId, id)
    };
    let relation = match message.optional_relation {
        None => Some(SubjectRelationFilter::Any),
        Some(message) => {
            let field = field.at("optional_relation");
            optional(violations, field.at("relation"), NameKind::Relation, message.relation).map(
                |name| name.map_or(SubjectRelationFilter::Itself, SubjectRelationFilter::Named),
            )
        }
    };

    Some(SubjectFilter {
        subject_type: subject_type?,
        subject_id: subject_id?,
        relation: relation?,
    })
}

/// A name of a kind, where the empty text means none.
#[expect(clippy::option_option, reason = "wrong, absent, present")]
fn optional(
    violations: &mut Violations,
    field: Field<'_>,
    kind: NameKind,
    name: String,
) -> Option<Option<String>> {
    if name.is_empty() {
        return Some(None);
    }
    violations.note(field, require_name(kind, &name))?;
    Some(Some(name))
}

pub(crate) fn preconditions(
    violations: &mut Violations,
    messages: Vec<proto::Precondition>,
) -> Vec<Precondition> {
    let field = Field::root("optional_preconditions");
    let mut read = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        read.extend(precondition(violations, field.item(index), message));
    }
    read
}

fn precondition(
    violations: &mut Violations,
    field: Field<'_>,
    message: proto::Precondition,
) -> Option<Precondition> {
    use proto::precondition::Operation;
    let operation = match message.operation() {
        Operation::MustMatch => Some(PreconditionOperation::MustMatch),
        Operation::MustNotMatch => Some(PreconditionOperation::MustNotMatch),
        Operation::Unspecified => {
            let rule = format!("`{}` is none of the operations 1 and 2", message.operation);
            violations.add(field.at("operation"), Breach::Enum(message.operation), rule);
            None
        }
    };
    let filter = required_filter(violations, field.at("filter"), message.filter);
    Some(Precondition { operation: operation?, filter: filter? })
}

pub(crate) fn metadata(violations: &mut Violations, message: Option<Struct>) -> Option<Context> {
    let field = Field::root("optional_transaction_metadata");
    context(violations, field, Some(message?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tonic::Code;

    #[test]
    fn a_message_of_an_import_is_not_read_to_its_end_when_no_client_waits() {
        let messages = vec![proto::Relationship::default(); 3 * IMPORTED_PER_LOOK];
        let looks = Cell::new(0);
        let require_wanted = || {
            looks.set(looks.get() + 1);
            if looks.get() > 1 { Err(status::interrupted()) } else { Ok(()) }
        };
        let read = import(messages, RequestLimits::default(), &require_wanted);
        assert_eq!((read.unwrap_err().code(), looks.get()), (Code::Cancelled, 2));
    }
}
