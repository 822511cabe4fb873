"""Writes the events of an application's tenants to Kilwa: idempotent, with preconditions and tokens.

    pip install authzed
    KILWA_ENDPOINT=127.0.0.1:50051 KILWA_TOKEN=... python tenant_events.py

An event may be delivered more than once and after later ones. Each handler writes one transaction whose preconditions say
what has to be so before it. If they fail, the handler checks whether the event has already taken effect.
"""

import os
import pathlib
import time

import grpc
from authzed.api.v1 import (
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    DeleteRelationshipsRequest,
    DeleteRelationshipsResponse,
    ObjectReference,
    Precondition,
    ReadRelationshipsRequest,
    Relationship,
    RelationshipFilter,
    RelationshipUpdate,
    SubjectFilter,
    SubjectReference,
    SyncClient,
    WriteRelationshipsRequest,
    WriteSchemaRequest,
    ZedToken,
)
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpcutil import insecure_bearer_token_credentials

ROLES = ("owner", "admin", "member")
TOUCH = RelationshipUpdate.OPERATION_TOUCH
DELETE = RelationshipUpdate.OPERATION_DELETE
MATCH = Precondition.OPERATION_MUST_MATCH
NO_MATCH = Precondition.OPERATION_MUST_NOT_MATCH
# The call can be repeated: nothing was written, or the same can be written again.
TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# The reason of a write whose preconditions failed. The code FAILED_PRECONDITION has other reasons too, such as a relation that
# the schema does not have.
PRECONDITION_FAILED = "ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE"
ATTEMPTS = 5
DELETE_LIMIT = 1000
FULL = Consistency(fully_consistent=True)


class Refused(Exception):
    """The event contradicts the stored relationships. Repeating it does not help."""


def retried(call, request):
    """Makes a call, and repeats it with growing pauses after a transient error."""
    for attempt in range(ATTEMPTS):
        try:
            return call(request, timeout=10)
        except grpc.RpcError as error:
            if error.code() not in TRANSIENT or attempt + 1 == ATTEMPTS:
                raise
            time.sleep(0.1 * 2**attempt)


def reason_of(error):
    """The machine-readable reason of a failed call; None if it has none."""
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                info = ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return None


def obj(object_type, object_id):
    return ObjectReference(object_type=object_type, object_id=object_id)


def user(name):
    return SubjectReference(object=obj("user", name))


def update(operation, resource, relation, subject):
    relationship = Relationship(resource=resource, relation=relation, subject=subject)
    return RelationshipUpdate(operation=operation, relationship=relationship)


def role_filter(organization, role, name=None):
    """The relationships of a role in an organization: all of them, or that of one user."""
    subject = SubjectFilter(subject_type="user", optional_subject_id=name) if name else None
    return RelationshipFilter(
        resource_type="organization",
        optional_resource_id=organization,
        optional_relation=role,
        optional_subject_filter=subject,
    )


def object_filter(object_type, object_id, relation=""):
    """The relationships of an object as a resource, of one relation or of all."""
    return RelationshipFilter(
        resource_type=object_type, optional_resource_id=object_id, optional_relation=relation
    )


def condition(operation, relationship_filter):
    return Precondition(operation=operation, filter=relationship_filter)


class Tenants:
    """The handlers of the events, and the application's checks."""

    def __init__(self, client):
        self.client = client
        # The revision of the last write of each organization. An application keeps it in its database, in the row of the
        # organization, so that all of its processes read what any of them has written.
        self.tokens = {}

    # ---- Events --------------------------------------------------------------------------------------------------

    def signed_up(self, organization, owner):
        owner_update = update(TOUCH, obj("organization", organization), "owner", user(owner))
        is_new = condition(NO_MATCH, role_filter(organization, None))
        self.write(organization, [owner_update], [is_new], done=[("owner", owner)])

    def joined(self, organization, name, role):
        added = update(TOUCH, obj("organization", organization), role, user(name))
        exists = condition(MATCH, role_filter(organization, "owner"))
        has_no_role = condition(NO_MATCH, role_filter(organization, None, name))
        # A user with any role has joined; it may have changed since.
        done = [(known, name) for known in ROLES]
        self.write(organization, [added], [exists, has_no_role], done)

    def role_changed(self, organization, name, before, after):
        resource = obj("organization", organization)
        updates = [update(DELETE, resource, before, user(name)), update(TOUCH, resource, after, user(name))]
        conditions = [condition(MATCH, role_filter(organization, before, name))]
        if before == "owner":
            conditions.append(self.other_owner(organization, name))
        self.write(organization, updates, conditions, done=[(after, name)])

    def project_created(self, organization, project):
        added = update(
            TOUCH,
            obj("project", project),
            "organization",
            SubjectReference(object=obj("organization", organization)),
        )
        exists = condition(MATCH, role_filter(organization, "owner"))
        self.write(organization, [added], [exists], done=[])

    def document_created(self, organization, project, document):
        added = update(TOUCH, obj("document", document), "project", SubjectReference(object=obj("project", project)))
        # While its project is being deleted, none can be added to it.
        exists = condition(MATCH, object_filter("project", project))
        self.write(organization, [added], [exists], done=[])

    def project_deleted(self, organization, project):
        """Deletes the project first, which ends all access at once and lets no further document in; then its documents,
        which are still found by their project. Repeating it deletes what is left."""
        self.delete_object(organization, "project", project)
        parent = SubjectFilter(subject_type="project", optional_subject_id=project)
        children = RelationshipFilter(
            resource_type="document", optional_relation="project", optional_subject_filter=parent
        )
        for document in self.resources(children):
            # The relationship that it is found by goes last, so that a repetition finds it if this is interrupted.
            for relation in ("editor", "project"):
                self.delete_object(organization, "document", document, relation)

    def delete_object(self, organization, object_type, object_id, relation=""):
        """Deletes the relationships of an object as a resource, in parts, so that other writes are never delayed for long."""
        request = DeleteRelationshipsRequest(
            relationship_filter=object_filter(object_type, object_id, relation),
            optional_limit=DELETE_LIMIT,
            optional_allow_partial_deletions=True,
        )
        is_complete = False
        while not is_complete:
            response = retried(self.client.DeleteRelationships, request)
            self.tokens[organization] = response.deleted_at.token
            is_complete = (
                response.deletion_progress
                == DeleteRelationshipsResponse.DELETION_PROGRESS_COMPLETE
            )

    # ---- Checks --------------------------------------------------------------------------------------------------

    def can(self, name, permission, resource, organization):
        """Whether a user has a permission, at least as fresh as the last write of the organization."""
        token = self.tokens.get(organization)
        fresh = Consistency(at_least_as_fresh=ZedToken(token=token)) if token else FULL
        request = CheckPermissionRequest(
            consistency=fresh, resource=resource, permission=permission, subject=user(name)
        )
        response = retried(self.client.CheckPermission, request)
        return response.permissionship == CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION

    # ---- Writing -------------------------------------------------------------------------------------------------

    def write(self, organization, updates, conditions, done):
        request = WriteRelationshipsRequest(updates=updates, optional_preconditions=conditions)
        try:
            response = retried(self.client.WriteRelationships, request)
        except grpc.RpcError as error:
            if reason_of(error) != PRECONDITION_FAILED:
                raise
            if not any(self.has_role(organization, role, name) for role, name in done):
                raise Refused(error.details()) from error
            return
        self.tokens[organization] = response.written_at.token

    def has_role(self, organization, role, name):
        return any(self.read(role_filter(organization, role, name)))

    def other_owner(self, organization, name):
        """Requires that the organization keeps an owner: one is read, and has to be there still when it is written."""
        owners = self.read(role_filter(organization, "owner"))
        others = [owner for owner in owners if owner != name]
        if not others:
            raise Refused(f"{name} is the last owner of {organization}")
        return condition(MATCH, role_filter(organization, "owner", others[0]))

    def read(self, relationship_filter):
        """The users of the relationships that a filter matches."""
        request = ReadRelationshipsRequest(consistency=FULL, relationship_filter=relationship_filter)
        responses = self.client.ReadRelationships(request)
        return [found.relationship.subject.object.object_id for found in responses]

    def resources(self, relationship_filter):
        """The resources of the relationships that a filter matches."""
        request = ReadRelationshipsRequest(consistency=FULL, relationship_filter=relationship_filter)
        responses = self.client.ReadRelationships(request)
        return [found.relationship.resource.object_id for found in responses]


def main():
    client = SyncClient(
        os.environ["KILWA_ENDPOINT"], insecure_bearer_token_credentials(os.environ["KILWA_TOKEN"])
    )
    schema = (pathlib.Path(__file__).parent / "tenants.zed").read_text()
    client.WriteSchema(WriteSchemaRequest(schema=schema))

    tenants = Tenants(client)
    acme, site, plan = obj("organization", "acme"), obj("project", "site"), obj("document", "plan")

    def show(event, *answers):
        texts = []
        for name, permission, resource in answers:
            verb = "can" if tenants.can(name, permission, resource, "acme") else "cannot"
            texts.append(f"{name} {verb} {permission} {resource.object_id}")
        print(f"{event}: {', '.join(texts)}")

    def attempt(event, handler, *arguments):
        try:
            handler(*arguments)
            print(f"{event}: accepted")
        except Refused:
            print(f"{event}: refused")
        except grpc.RpcError as error:
            # A fault of the program: an application lets it surface and does not count the event as done.
            print(f"{event}: {reason_of(error)}")

    # Every event is delivered twice.
    for _ in range(2):
        tenants.signed_up("acme", "ann")
    show("acme signs up", ("ann", "manage", acme), ("ben", "access", acme))
    for _ in range(2):
        tenants.project_created("acme", "site")
    show("site is created", ("ann", "edit", site), ("ben", "view", site))
    for _ in range(2):
        tenants.document_created("acme", "site", "plan")
    show("plan is created", ("ann", "edit", plan), ("ben", "view", plan))
    for _ in range(2):
        tenants.joined("acme", "ben", "member")
    show("ben joins", ("ben", "view", site), ("ben", "edit", site))
    for _ in range(2):
        tenants.role_changed("acme", "ben", "member", "admin")
    show("ben becomes admin", ("ben", "edit", site))

    tenants.joined("acme", "ben", "member")
    show("ben joins, delivered late", ("ben", "edit", site))
    attempt("eve signs up acme", tenants.signed_up, "acme", "eve")
    attempt("eve joins birch", tenants.joined, "birch", "eve", "member")
    attempt("ben joins with a wrong role", tenants.joined, "acme", "ben", "membr")
    attempt("ben gets a wrong role", tenants.role_changed, "acme", "ben", "admin", "ownr")
    attempt("ann becomes member", tenants.role_changed, "acme", "ann", "owner", "member")

    for _ in range(2):
        tenants.role_changed("acme", "ben", "admin", "owner")
    for _ in range(2):
        tenants.role_changed("acme", "ann", "owner", "member")
    show("ben is owner, ann is member", ("ben", "manage", acme), ("ann", "manage", acme))
    for _ in range(2):
        tenants.project_deleted("acme", "site")
    show("site is deleted", ("ben", "view", site), ("ben", "view", plan))
    attempt("draft is created in site", tenants.document_created, "acme", "site", "draft")
    print(f"left of site: {len(tenants.resources(RelationshipFilter(resource_type='document')))} documents")


if __name__ == "__main__":
    main()
